//! API requests that gateways report. They are listed beside the audit trail, and dropped after a while.
use claviger_domain::{
    id::{CredentialId, EventId},
    time::Timestamp,
};

use crate::{StoreError, Tx};

/// A request to the operator's API, ready to be kept.
#[derive(Clone, Debug)]
pub struct ReportedRequest {
    /// Its id; in time order.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The credential that it was allowed with.
    pub credential: CredentialId,
    /// The request, redacted, as JSON text.
    pub detail: String,
    /// The verification's id.
    pub request_id: String,
    /// Where it came from.
    pub source: Option<String>,
}

impl Tx {
    /// Keeps a reported request under its credential's account. False when there never was such a credential.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_api_request(&mut self, request: &ReportedRequest) -> Result<bool, StoreError> {
        let kept = self
            .execute(
                "INSERT INTO api_request (id, at, account_id, public_id, detail, request_id, source) \
                 SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), account_id, public_id, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT) \
                 FROM credential WHERE id = $6",
                &[
                    request.id.to_string().into(),
                    request.at.into(),
                    request.detail.as_str().into(),
                    request.request_id.as_str().into(),
                    request.source.as_deref().into(),
                    request.credential.to_string().into(),
                ],
            )
            .await?;
        Ok(kept > 0)
    }

    /// Drops some reported requests of before `until`, the oldest first; gives how many. Fewer than `most`: none are left.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn drop_api_requests(&mut self, until: Timestamp, most: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM api_request WHERE id IN (SELECT id FROM api_request WHERE at < $1 ORDER BY at LIMIT $2)",
            &[until.into(), i64::from(most).into()],
        )
        .await
    }
}
