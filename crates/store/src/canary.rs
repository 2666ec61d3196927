//! The canary's credentials: of an account that no one has, kept out of every list, and leaving nothing behind.
//!
//! They stand in the tables of all credentials, so that what is seen of them is true of those.
use claviger_domain::{account::Status, credential::Credential, id::AccountId, time::Timestamp};

use crate::{StoreError, Tx, credential::StoredSecret};

/// [`AccountId::CANARY`] as SQL text.
macro_rules! canary_account {
    () => {
        "'00000000-0000-0000-0000-000000000000'"
    };
}
pub(crate) use canary_account;

impl Tx {
    /// Makes a credential of the canary, and its account if it is the first. The account is of no kind and suspended: nothing can be done with it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_canary(&mut self, credential: &Credential, secret: &StoredSecret) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO account (id, kind, name, status, api_access, lineage, created_at) VALUES ($1, '', 'canary', $2, $3, '', $4) \
             ON CONFLICT DO NOTHING",
            &[AccountId::CANARY.to_string().into(), Status::Suspended.as_str().into(), false.into(), credential.created_at.into()],
        )
        .await?;
        self.insert_credential(credential, secret, "canary").await
    }

    /// Ends the canary's credential with this public part, and those made before `stale`, which their nodes have not lived to end.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn end_canary(&mut self, public_id: &str, stale: Timestamp) -> Result<(), StoreError> {
        let which = [AccountId::CANARY.to_string().into(), public_id.into(), stale.into()];
        self.execute(
            "DELETE FROM credential_secret WHERE credential_id IN \
             (SELECT id FROM credential WHERE account_id = $1 AND (public_id = $2 OR created_at < $3))",
            &which,
        )
        .await?;
        self.execute("DELETE FROM credential WHERE account_id = $1 AND (public_id = $2 OR created_at < $3)", &which).await.map(|_| ())
    }

    /// Takes what the change log says of an ended canary from it: the lines after the first revision, up to the second.
    ///
    /// A node that has not read them would go on knowing a credential whose secret nobody has any more.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn forget_canary(&mut self, public_id: &str, after: i64, until: i64) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM change WHERE rev > $1 AND rev <= $2 AND kind = 'credential' AND object_id = $3",
            &[after.into(), until.into(), public_id.into()],
        )
        .await
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_that_lists_leave_out_is_the_canary_s() {
        assert_eq!(canary_account!(), format!("'{}'", AccountId::CANARY));
    }
}
