//! Members: the people of an account, one role each.
use claviger_domain::{id::AccountId, time::Timestamp};

use crate::{
    Reader, StoreError, Tx,
    engine::Read,
    value::{Row, Value},
};

/// A person in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account_id: AccountId,
    /// Their address in lower case, by which they are found.
    pub folded: String,
    /// Their address as written.
    pub email: String,
    /// Their name.
    pub name: Option<String>,
    /// Their role, by its name in the API.
    pub role: String,
    /// Since when.
    pub created_at: Timestamp,
}

fn member(mut row: Row) -> Result<Member, StoreError> {
    Ok(Member {
        account_id: row.parsed()?,
        folded: row.text()?,
        email: row.text()?,
        name: row.optional_text()?,
        role: row.text()?,
        created_at: row.time()?,
    })
}

async fn find(on: &mut impl Read, account: AccountId, folded: &str) -> Result<Option<Member>, StoreError> {
    let rows = on
        .query(
            "SELECT account_id, folded, email, name, role, created_at FROM member WHERE account_id = $1 AND folded = $2",
            &[account.to_string().into(), folded.into()],
        )
        .await?;
    rows.into_iter().next().map(member).transpose()
}

async fn assigned(on: &mut impl Read, account: AccountId, folded: &str) -> Result<Vec<AccountId>, StoreError> {
    on.query(
        "SELECT client_id FROM member_client WHERE account_id = $1 AND folded = $2 ORDER BY client_id",
        &[account.to_string().into(), folded.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| row.parsed())
    .collect()
}

impl Reader {
    /// The member with this address in lower case.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_member(&mut self, account: AccountId, folded: &str) -> Result<Option<Member>, StoreError> {
        find(self, account, folded).await
    }

    /// All members of an account, by address. An account has few.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_members(&mut self, account: AccountId) -> Result<Vec<Member>, StoreError> {
        self.query(
            "SELECT account_id, folded, email, name, role, created_at FROM member WHERE account_id = $1 ORDER BY folded LIMIT 1000",
            &[account.to_string().into()],
        )
        .await?
        .into_iter()
        .map(member)
        .collect()
    }

    /// The client accounts assigned to a member.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_assigned(&mut self, account: AccountId, folded: &str) -> Result<Vec<AccountId>, StoreError> {
        assigned(self, account, folded).await
    }
}

impl Tx {
    /// The member with this address in lower case.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_member(&mut self, account: AccountId, folded: &str) -> Result<Option<Member>, StoreError> {
        find(self, account, folded).await
    }

    /// The client accounts assigned to a member.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_assigned(&mut self, account: AccountId, folded: &str) -> Result<Vec<AccountId>, StoreError> {
        assigned(self, account, folded).await
    }

    /// How many members an account has. Right only under [`Tx::lock_account`].
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_members(&mut self, account: AccountId) -> Result<i64, StoreError> {
        let rows = self.query("SELECT count(*) FROM member WHERE account_id = $1", &[account.to_string().into()]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    /// How many members of an account have this role. Right only under [`Tx::lock_account`].
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_members_with_role(&mut self, account: AccountId, role: &str) -> Result<i64, StoreError> {
        let rows = self.query("SELECT count(*) FROM member WHERE account_id = $1 AND role = $2", &[account.to_string().into(), role.into()]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    /// Adds a member, or changes the name and role of the one with the same address, whose spelling stays.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn save_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO member (account_id, folded, email, name, role, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (account_id, folded) DO UPDATE SET name = excluded.name, role = excluded.role",
            &[
                member.account_id.to_string().into(),
                member.folded.as_str().into(),
                member.email.as_str().into(),
                member.name.as_deref().into(),
                member.role.as_str().into(),
                member.created_at.into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Assigns exactly these client accounts to a member.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn assign_clients(&mut self, account: AccountId, folded: &str, clients: &[AccountId]) -> Result<(), StoreError> {
        let whose: [Value; 2] = [account.to_string().into(), folded.into()];
        self.execute("DELETE FROM member_client WHERE account_id = $1 AND folded = $2", &whose).await?;
        for client in clients {
            let [account, folded] = whose.clone();
            self.execute(
                "INSERT INTO member_client (account_id, folded, client_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &[account, folded, client.to_string().into()],
            )
            .await?;
        }
        Ok(())
    }

    /// Removes a member, with their sessions and unused sign-in links.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_member(&mut self, account: AccountId, folded: &str) -> Result<(), StoreError> {
        let whose = [account.to_string().into(), folded.into()];
        self.execute("DELETE FROM session WHERE account_id = $1 AND person = $2", &whose).await?;
        self.execute("DELETE FROM sign_in_link WHERE account_id = $1 AND person = $2", &whose).await?;
        self.execute("DELETE FROM member WHERE account_id = $1 AND folded = $2", &whose).await.map(|_| ())
    }
}
