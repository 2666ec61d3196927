//! `/account`: the account, seen by one of its members.
use claviger_domain::account::Status;

use super::{
    Page,
    frame::{self, Place},
    page,
    session::Member,
    view::AccountPage,
};
use crate::problem::Problem;

pub(super) async fn show(member: Member) -> Result<Page<AccountPage>, Problem> {
    let account = member.account();
    let suspended = account.status == Status::Suspended;
    Ok(page(AccountPage {
        chrome: frame::of_member(&member, member.kind().console.section(), Place::Account),
        name: account.name.clone(),
        kind_label: member.kind().name.clone(),
        account_id: account.id.to_string(),
        status_label: if suspended { "Suspended".into() } else { "Active".into() },
        suspended,
        role_label: member.role_label(),
        created: frame::when(account.created_at, member.app.clock.now()),
    }))
}
