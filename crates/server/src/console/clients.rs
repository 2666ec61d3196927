//! `/account/clients`: the accounts directly below one's own, as far as one's role sees them.
use axum::extract::Query;
use claviger_domain::{
    account::Account,
    kind::{ActsFor, Reach},
    policy::{self, Actor, ClientsSeen, ManageCredentials, SeeAccount},
};
use claviger_store::page::PageRequest;
use serde::Deserialize;

use super::{
    Page, account, desk,
    frame::{self, Place},
    page,
    session::Member,
    view::{ClientRow, ClientsPage, Link, Said},
};
use crate::{app::standing::UnsettledAccounts, problem::Problem};

const HREF: &str = "/account/clients";

#[derive(Deserialize)]
pub(super) struct At {
    after: Option<uuid::Uuid>,
    /// The account whose children are wanted; one's own when absent.
    of: Option<String>,
}

pub(super) async fn list(member: Member, Query(at): Query<At>) -> Result<Page<ClientsPage>, Problem> {
    let request = PageRequest { after: at.after.map(|id| id.to_string()), limit: 50 };
    let seen = member.clients_seen();
    if seen == ClientsSeen::None {
        member.app.record_denied(&member.context, member.actor(), "see_clients", Some(member.account().id), None).await;
        return Err(Problem::not_found());
    }
    let above = match &at.of {
        Some(id) if seen == ClientsSeen::All => {
            let id = id.parse().map_err(|_| Problem::not_found())?;
            member.app.permit::<SeeAccount>(&member.context, member.actor(), id).await?.account().clone()
        }
        Some(_) => return Err(Problem::not_found()),
        None => member.account().clone(),
    };
    let mut reader = member.app.store.reader().await?;
    let clients = match (seen, member.actor()) {
        (ClientsSeen::Assigned, Actor::Member { email, .. }) => reader.list_assigned_children(above.id, &email.to_lowercase(), &request).await?,
        _ => reader.list_children(above.id, &request).await?,
    };
    drop(reader);
    let below = member.kind().credentials.reach == Reach::Below;
    let unsettled = UnsettledAccounts::among(&member.app, &clients.items).await?;
    let rows: Vec<ClientRow> = clients.items.iter().map(|client| row(&member, &unsettled, client)).collect();
    let empty_text = match seen {
        ClientsSeen::Assigned => "Your administrator assigns clients to you.",
        _ => "They are added by whoever runs this service.",
    };
    let intro = match (&member.kind().credentials.account_header, member.kind().credentials.acts_for) {
        (Some(header), ActsFor::Children | ActsFor::Descendants) => {
            format!("The accounts you act for. Integrations name one of them in the header {} of a request by its account ID.", header.name)
        }
        _ => "The accounts below this one.".into(),
    };
    let of = at.of.as_ref().map(|_| above.id);
    let href = of.map_or_else(|| HREF.to_owned(), |id| format!("{HREF}?of={id}"));
    let and = if of.is_some() { "&" } else { "?" };
    let back = of.map(|_| match above.lineage.parent().filter(|parent| *parent != member.account().id) {
        Some(parent) => Link { label: "Up".into(), href: format!("{HREF}?of={parent}"), current: false },
        None => Link { label: member.clients_label().into(), href: HREF.into(), current: false },
    });
    Ok(page(ClientsPage {
        linked: rows.iter().any(|row| !row.links.is_empty()),
        rows,
        chrome: frame::of_member(&member, member.clients_label(), Place::Clients),
        back,
        heading: if of.is_some() { Said::of("Below ", &above.name, "") } else { member.clients_label().into() },
        intro,
        empty_title: if below { "No accounts below".into() } else { "No clients yet".into() },
        empty_text: empty_text.into(),
        newer_href: request.after.is_some().then(|| href.clone()),
        older_href: clients.next.map(|next| format!("{href}{and}after={next}")),
    }))
}

fn row(member: &Member, unsettled: &UnsettledAccounts, client: &Account) -> ClientRow {
    let mut links = Vec::new();
    let kinds = &member.app.kinds;
    if let (Some(kind), Ok(_)) = (kinds.find(&client.kind), policy::decide::<ManageCredentials>(kinds, member.actor(), client)) {
        links.push(Link { label: kind.console.tab().to_owned(), href: desk::href_below(client.id, &kind.console.page), current: false });
    }
    let sees_below = policy::decide::<SeeAccount>(kinds, member.actor(), client).is_ok();
    if sees_below && kinds.iter().any(|(_, kind)| kind.parents.contains(&client.kind)) {
        links.push(Link { label: "Accounts below".into(), href: format!("{HREF}?of={}", client.id), current: false });
    }
    ClientRow { name: client.name.clone(), account_id: client.id.to_string(), status: account::status(unsettled.standing(client)), links }
}
