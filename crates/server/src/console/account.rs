//! `/account`: the account, seen by one of its members.
use claviger_domain::account::Status;

use super::{
    Page,
    frame::{self, Place},
    page,
    session::Member,
    view::{AccountPage, Cell},
};
use crate::{
    app::standing::{AccountStanding, UnsettledAccounts},
    problem::Problem,
};

pub(super) async fn show(member: Member) -> Result<Page<AccountPage>, Problem> {
    let account = member.account();
    let unsettled = UnsettledAccounts::among(&member.app, [account]).await?;
    Ok(page(AccountPage {
        chrome: frame::of_member(&member, member.kind().console.section(), Place::Account),
        name: account.name.clone(),
        kind_label: member.kind().name.clone(),
        account_id: account.id.to_string(),
        status: status(unsettled.standing(account)),
        suspended: account.status == Status::Suspended,
        role_label: member.role_label(),
        created: frame::when(account.created_at, member.app.clock.now()),
    }))
}

/// Where an account stands, in a word, and how that is drawn.
pub(super) const fn status(standing: AccountStanding) -> Cell {
    match standing {
        AccountStanding::Active => Cell::Status("Active", "status active"),
        AccountStanding::Suspending => Cell::Status("Suspending…", "status waiting"),
        AccountStanding::Suspended => Cell::Status("Suspended", "status ended"),
    }
}
