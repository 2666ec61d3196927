//! The audit trail. Lines are added and read; nothing changes or removes one. Reported API requests are listed beside it.
use claviger_domain::{event::Event, id::AccountId, time::Timestamp};

use crate::{
    Reader, StoreError,
    page::{Page, PageRequest},
    value::{Row, Value, object},
};

/// A line as read back.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The account it concerns.
    pub account_id: Option<String>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// What changed, as JSON text.
    pub detail: String,
    /// The request that caused it.
    pub request_id: String,
    /// Where it came from.
    pub source: Option<String>,
}

fn event(mut row: Row) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        id: row.text()?,
        at: row.time()?,
        account_id: row.optional_text()?,
        actor: row.text()?,
        action: row.text()?,
        target: row.text()?,
        detail: row.text()?,
        request_id: row.text()?,
        source: row.optional_text()?,
    })
}

/// `$1` is what [`as_json`] gives.
pub(crate) const INSERT_ALL: &str = "INSERT INTO event (id, at, account_id, actor, action, target, detail, request_id, source) \
     SELECT key, CAST(value ->> 'at' AS BIGINT), value ->> 'account', value ->> 'actor', value ->> 'action', value ->> 'target', \
     value ->> 'detail', value ->> 'request_id', value ->> 'source' FROM json_each($1)";

/// Events as one parameter.
pub(crate) fn as_json(events: &[&Event]) -> Value {
    let one = |event: &&Event| {
        let columns = serde_json::json!({
            "at": event.at.micros(),
            "account": event.account.map(|id| id.to_string()),
            "actor": event.actor,
            "action": event.action.as_str(),
            "target": event.target,
            "detail": event.detail.to_string(),
            "request_id": event.request_id,
            "source": event.source,
        });
        (event.id.to_string(), columns)
    };
    object(events.iter().map(one))
}

/// Which events are wanted; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this account alone, instead of all that are seen.
    pub account: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// About this credential or whatever else was acted on.
    pub target: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

impl Reader {
    /// The events of an account and of all below it, and the API requests reported of their credentials, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_history_below(&mut self, account: AccountId, filter: &Filter, page: &PageRequest) -> Result<Page<StoredEvent>, StoreError> {
        let parameters = [
            account.to_string().into(),
            format!("%{account}%").into(),
            page.before().into(),
            filter.account.as_deref().into(),
            filter.actor.as_deref().into(),
            filter.target.as_deref().into(),
            filter.from.into(),
            filter.to.into(),
            page.fetch().into(),
        ];
        let mut rows = self
            .query(
                "SELECT e.id, e.at, e.account_id, e.actor, e.action, e.target, e.detail, e.request_id, e.source FROM event e \
                 WHERE (e.account_id = $1 OR e.account_id IN (SELECT id FROM account WHERE lineage LIKE $2)) AND e.id < $3 \
                 AND (CAST($4 AS TEXT) IS NULL OR e.account_id = $4) AND (CAST($5 AS TEXT) IS NULL OR e.actor = $5) \
                 AND (CAST($6 AS TEXT) IS NULL OR e.target = $6) AND (CAST($7 AS BIGINT) IS NULL OR e.at >= $7) \
                 AND (CAST($8 AS BIGINT) IS NULL OR e.at < $8) ORDER BY e.id DESC LIMIT $9",
                &parameters,
            )
            .await?;
        // two statements, each by its own index, and merged here
        rows.extend(
            self.query(
                "SELECT r.id, r.at, r.account_id, 'key:' || r.public_id, 'api.request', r.public_id, r.detail, r.request_id, r.source \
                 FROM api_request r \
                 WHERE (r.account_id = $1 OR r.account_id IN (SELECT id FROM account WHERE lineage LIKE $2)) AND r.id < $3 \
                 AND (CAST($4 AS TEXT) IS NULL OR r.account_id = $4) AND (CAST($5 AS TEXT) IS NULL OR 'key:' || r.public_id = $5) \
                 AND (CAST($6 AS TEXT) IS NULL OR r.public_id = $6) AND (CAST($7 AS BIGINT) IS NULL OR r.at >= $7) \
                 AND (CAST($8 AS BIGINT) IS NULL OR r.at < $8) ORDER BY r.id DESC LIMIT $9",
                &parameters,
            )
            .await?,
        );
        let mut events = rows.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
        events.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        Ok(page.page(events, |event: &StoredEvent| event.id.clone()))
    }

    /// Whether the operator has ever signed in to the console.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn has_operator_signed_in(&mut self) -> Result<bool, StoreError> {
        let rows = self.query("SELECT 1 = 1 FROM event WHERE account_id IS NULL AND action = 'session.started' LIMIT 1", &[]).await?;
        Ok(!rows.is_empty())
    }

    /// The events of an account, newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_events(&mut self, account: AccountId, page: &PageRequest) -> Result<Page<StoredEvent>, StoreError> {
        let rows = self
            .query(
                "SELECT id, at, account_id, actor, action, target, detail, request_id, source FROM event \
                 WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                &[account.to_string().into(), page.before().into(), page.fetch().into()],
            )
            .await?;
        Ok(page.page(rows.into_iter().map(event).collect::<Result<_, _>>()?, |event: &StoredEvent| event.id.clone()))
    }
}
