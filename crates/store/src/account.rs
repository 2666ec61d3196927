//! Accounts.
use std::collections::BTreeMap;

use claviger_domain::{
    account::{Account, Status},
    id::AccountId,
};

use crate::{
    Reader, StoreError, Tx,
    canary::canary_account,
    engine::Read,
    page::{Page, PageRequest},
    value::{Row, Value, keys},
};

/// Every account but the canary's, which only verification knows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, name, external_id, status, api_access, lineage, created_at FROM account ",
            "WHERE id <> ",
            canary_account!(),
            " AND ",
            $rest
        )
    };
}

fn account(mut row: Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.parsed()?,
        kind: row.text()?,
        name: row.text()?,
        external_id: row.optional_text()?,
        status: row.parsed()?,
        api_access: row.bool()?,
        lineage: row.parsed()?,
        created_at: row.time()?,
    })
}

fn at_most_one(rows: Vec<Row>) -> Result<Option<Account>, StoreError> {
    rows.into_iter().next().map(account).transpose()
}

async fn find_by_id(on: &mut impl Read, id: AccountId) -> Result<Option<Account>, StoreError> {
    at_most_one(on.query(select!("id = $1"), &[id.to_string().into()]).await?)
}

impl Reader {
    /// The account with this id.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_account(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        find_by_id(self, id).await
    }

    /// Those accounts of these that there are.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_accounts(&mut self, ids: &[AccountId]) -> Result<Vec<Account>, StoreError> {
        let ids = keys(ids.iter().map(ToString::to_string));
        self.query(select!("id IN (SELECT key FROM json_each($1))"), &[ids]).await?.into_iter().map(account).collect()
    }

    /// The account with this id of the operator's own.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_account_by_external_id(&mut self, external_id: &str) -> Result<Option<Account>, StoreError> {
        at_most_one(self.query(select!("external_id = $1"), &[external_id.into()]).await?)
    }

    /// The account with this id, and the revision at which it was so: one statement, so that a cache can tell whether it is current.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn load_account(&mut self, id: AccountId) -> Result<(Option<Account>, i64), StoreError> {
        let rows = self
            .query(
                "SELECT r.rev, a.id, a.kind, a.name, a.external_id, a.status, a.api_access, a.lineage, a.created_at \
                 FROM revision r LEFT JOIN account a ON a.id = $1",
                &[id.to_string().into()],
            )
            .await?;
        let mut row = rows.into_iter().next().ok_or_else(|| crate::value::unexpected("a revision"))?;
        let revision = row.int()?;
        let Some(id) = row.optional_parsed()? else { return Ok((None, revision)) };
        let account = Account {
            id,
            kind: row.text()?,
            name: row.text()?,
            external_id: row.optional_text()?,
            status: row.parsed()?,
            api_access: row.bool()?,
            lineage: row.parsed()?,
            created_at: row.time()?,
        };
        Ok((Some(account), revision))
    }

    /// Those of these accounts that changed after the revision `safe`, each with its last change: some node may not know of it. To be asked after
    /// the accounts themselves.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_unsettled_accounts(&mut self, ids: impl Iterator<Item = AccountId>, safe: i64) -> Result<BTreeMap<AccountId, i64>, StoreError> {
        let sql = "SELECT object_id, max(rev) FROM change WHERE kind = 'account' AND rev > $1 AND object_id IN (SELECT key FROM json_each($2)) \
                   GROUP BY object_id";
        self.query(sql, &[safe.into(), keys(ids.map(|id| id.to_string()))])
            .await?
            .into_iter()
            .map(|mut row| Ok((row.parsed()?, row.int()?)))
            .collect()
    }

    /// All accounts, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_accounts(&mut self, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let rows = self.query(select!("id < $1 ORDER BY id DESC LIMIT $2"), &[page.before().into(), page.fetch().into()]).await?;
        Ok(page.page(rows.into_iter().map(account).collect::<Result<_, _>>()?, |account| account.id.to_string()))
    }

    /// The accounts whose name holds `text` in any case, or whose id or external id it is, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn search_accounts(&mut self, text: &str, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let pattern = crate::page::holds(text);
        let rows = self
            .query(
                select!("(id = $1 OR external_id = $1 OR lower(name) LIKE $2 ESCAPE '!') AND id < $3 ORDER BY id DESC LIMIT $4"),
                &[text.into(), pattern.into(), page.before().into(), page.fetch().into()],
            )
            .await?;
        Ok(page.page(rows.into_iter().map(account).collect::<Result<_, _>>()?, |account| account.id.to_string()))
    }

    /// The accounts directly below `parent`, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_children(&mut self, parent: AccountId, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let rows = self
            .query(
                select!("parent_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"),
                &[parent.to_string().into(), page.before().into(), page.fetch().into()],
            )
            .await?;
        Ok(page.page(rows.into_iter().map(account).collect::<Result<_, _>>()?, |account| account.id.to_string()))
    }

    /// The accounts directly below `parent` that are assigned to the member `folded`, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_assigned_children(&mut self, parent: AccountId, folded: &str, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        let rows = self
            .query(
                select!(
                    "parent_id = $1 AND id < $3 \
                     AND id IN (SELECT client_id FROM member_client WHERE account_id = $1 AND folded = $2) \
                     ORDER BY id DESC LIMIT $4"
                ),
                &[parent.to_string().into(), folded.into(), page.before().into(), page.fetch().into()],
            )
            .await?;
        Ok(page.page(rows.into_iter().map(account).collect::<Result<_, _>>()?, |account| account.id.to_string()))
    }
}

/// What is to become of an account; None leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// Its name.
    pub name: Option<String>,
    /// Its gate.
    pub api_access: Option<bool>,
    /// Its status.
    pub status: Option<Status>,
}

impl Reader {
    /// Who asked the operator to open an account's gate, while nobody has answered.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_access_request(&mut self, id: AccountId) -> Result<Option<String>, StoreError> {
        let rows = self.query("SELECT access_requested_by FROM account WHERE id = $1", &[id.to_string().into()]).await?;
        rows.into_iter().next().map_or(Ok(None), |mut row| row.optional_text())
    }
}

impl Tx {
    /// Notes who asks the operator to open the gate; None: nobody any more.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn set_access_request(&mut self, id: AccountId, by: Option<&str>) -> Result<(), StoreError> {
        self.execute("UPDATE account SET access_requested_by = $2 WHERE id = $1", &[id.to_string().into(), by.into()]).await.map(|_| ())
    }

    /// The account with this id, kept from other writers until this transaction ends.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_account_for_update(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.lock_account(id).await?;
        find_by_id(self, id).await
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when another has the same external id.
    pub async fn insert_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let parent: Value = account.lineage.parent().map(|parent| parent.to_string()).into();
        self.execute(
            "INSERT INTO account (id, kind, name, external_id, status, api_access, parent_id, lineage, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            &[
                account.id.to_string().into(),
                account.kind.as_str().into(),
                account.name.as_str().into(),
                account.external_id.as_deref().into(),
                account.status.as_str().into(),
                account.api_access.into(),
                parent,
                account.lineage.to_string().into(),
                account.created_at.into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Changes an account.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn update_account(&mut self, id: AccountId, change: &AccountChange) -> Result<(), StoreError> {
        self.execute(
            "UPDATE account SET name = coalesce($2, name), api_access = coalesce($3, api_access), status = coalesce($4, status) WHERE id = $1",
            &[id.to_string().into(), change.name.as_deref().into(), change.api_access.into(), change.status.map(Status::as_str).into()],
        )
        .await
        .map(|_| ())
    }
}
