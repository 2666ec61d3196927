//! `/account/clients`: the accounts directly below one's own, as far as one's role sees them.
use axum::extract::Query;
use claviger_domain::{
    account::Status,
    policy::{Actor, ClientsSeen},
};
use claviger_store::page::PageRequest;
use serde::Deserialize;

use super::{
    Page,
    frame::{self, Place},
    page,
    session::Member,
    view::{ClientRow, ClientsPage},
};
use crate::problem::Problem;

#[derive(Deserialize)]
pub(super) struct At {
    after: Option<uuid::Uuid>,
}

pub(super) async fn list(member: Member, Query(at): Query<At>) -> Result<Page<ClientsPage>, Problem> {
    let request = PageRequest { after: at.after.map(|id| id.to_string()), limit: 50 };
    let (seen, account) = (member.clients_seen(), member.account().id);
    let mut reader = member.app.store.reader().await?;
    let clients = match (seen, member.actor()) {
        (ClientsSeen::All, _) => reader.list_children(account, &request).await?,
        (ClientsSeen::Assigned, Actor::Member { email, .. }) => reader.list_assigned_children(account, &email.to_lowercase(), &request).await?,
        _ => {
            drop(reader);
            member.app.record_denied(&member.context, member.actor(), "see_clients", Some(member.account())).await;
            return Err(Problem::not_found());
        }
    };
    let rows = clients.items.iter().map(|client| ClientRow {
        name: client.name.clone(),
        account_id: client.id.to_string(),
        status_label: if client.status == Status::Active { "Active".into() } else { "Suspended".into() },
        suspended: client.status != Status::Active,
    });
    let empty_text = match seen {
        ClientsSeen::Assigned => "Your administrator assigns clients to you.",
        _ => "Clients are added by whoever runs this service.",
    };
    Ok(page(ClientsPage {
        rows: rows.collect(),
        chrome: frame::of_member(&member, "Clients", Place::Clients),
        heading: "Clients".into(),
        intro: "The accounts you act for. Integrations name one of them in each request by its account ID.".into(),
        empty_title: "No clients yet".into(),
        empty_text: empty_text.into(),
        newer_href: request.after.is_some().then(|| "/account/clients".into()),
        older_href: clients.next.map(|next| format!("/account/clients?after={next}")),
    }))
}
