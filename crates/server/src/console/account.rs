//! `/account`: the account, seen by one of its members.
use super::{
    Page,
    frame::{self, Place},
    page,
    session::Member,
    view::AccountPage,
};
use crate::{app::accounts, problem::Problem};

pub(super) async fn show(member: Member) -> Result<Page<AccountPage>, Problem> {
    let suspended = accounts::is_suspended(&member.app, member.grant()).await?;
    let account = member.account();
    Ok(page(AccountPage {
        chrome: frame::of_member(&member, &member.kind().console.section, Place::Account),
        name: account.name.clone(),
        kind_label: member.kind().name.clone(),
        account_id: account.id.to_string(),
        status_label: if suspended { "Suspended".into() } else { "Active".into() },
        suspended,
        role_label: member.role_label(),
        created: frame::when(account.created_at, member.app.clock.now()),
    }))
}
