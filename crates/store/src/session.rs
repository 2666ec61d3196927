//! Sign-in links and console sessions. Only digests are stored: a copy of the database signs no one in.
use claviger_domain::{id::AccountId, secret::Digest, time::Timestamp};

use crate::{
    Reader, StoreError, Tx,
    value::{Row, unexpected},
};

/// Who a link or a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account they are a member of; None for the operator.
    pub account_id: Option<AccountId>,
    /// Their folded address, or the operator's name.
    pub name: String,
}

/// From where a session was begun, as far as that was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address.
    pub source: Option<String>,
    /// The browser, in words.
    pub browser: Option<String>,
}

/// A console session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub person: Person,
    /// From where it was begun.
    pub origin: Origin,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
}

fn person(row: &mut Row) -> Result<Person, StoreError> {
    Ok(Person { account_id: row.optional_parsed()?, name: row.text()? })
}

fn session(row: &mut Row) -> Result<Session, StoreError> {
    let (person, created_at, seen_at) = (person(row)?, row.time()?, row.time()?);
    Ok(Session { person, origin: Origin { source: row.optional_text()?, browser: row.optional_text()? }, created_at, seen_at })
}

impl Reader {
    /// The session whose token has this digest.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_session(&mut self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT account_id, person, created_at, seen_at, source, browser FROM session WHERE digest = $1";
        self.query(sql, &[digest.as_bytes().into()]).await?.first_mut().map(session).transpose()
    }

    /// Who a sign-in link is for, and until when, without using it up.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_sign_in_link(&mut self, digest: &Digest) -> Result<Option<(Person, Timestamp)>, StoreError> {
        let rows = self.query("SELECT account_id, person, expires_at FROM sign_in_link WHERE digest = $1", &[digest.as_bytes().into()]).await?;
        rows.into_iter().next().map(|mut row| Ok((person(&mut row)?, row.time()?))).transpose()
    }

    /// A person's sessions, the last seen first, each with the digest of its token.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list_sessions(&mut self, of: &Person) -> Result<Vec<(Digest, Session)>, StoreError> {
        let parameters = [of.account_id.map(|id| id.to_string()).into(), of.name.as_str().into()];
        let rows = self
            .query(
                "SELECT digest, account_id, person, created_at, seen_at, source, browser FROM session \
                 WHERE account_id IS NOT DISTINCT FROM $1 AND person = $2 ORDER BY seen_at DESC, created_at DESC, digest",
                &parameters,
            )
            .await?;
        let with_digest = |mut row: Row| {
            let digest = Digest::from_stored(&row.bytes()?).ok_or_else(|| unexpected("a digest"))?;
            Ok((digest, session(&mut row)?))
        };
        rows.into_iter().map(with_digest).collect()
    }
}

impl Tx {
    /// Remembers a sign-in link.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_sign_in_link(&mut self, digest: &Digest, person: &Person, expires_at: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO sign_in_link (digest, account_id, person, expires_at) VALUES ($1, $2, $3, $4)",
            &[digest.as_bytes().into(), person.account_id.map(|id| id.to_string()).into(), person.name.as_str().into(), expires_at.into()],
        )
        .await
        .map(|_| ())
    }

    /// Uses a sign-in link up. None when there is none, or it had expired. Of two at once, one gets it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn take_sign_in_link(&mut self, digest: &Digest, now: Timestamp) -> Result<Option<Person>, StoreError> {
        let rows =
            self.query("DELETE FROM sign_in_link WHERE digest = $1 RETURNING account_id, person, expires_at", &[digest.as_bytes().into()]).await?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let person = person(&mut row)?;
        Ok((now < row.time()?).then_some(person))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn insert_session(&mut self, digest: &Digest, person: &Person, origin: &Origin, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO session (digest, account_id, person, created_at, seen_at, source, browser) VALUES ($1, $2, $3, $4, $4, $5, $6)",
            &[
                digest.as_bytes().into(),
                person.account_id.map(|id| id.to_string()).into(),
                person.name.as_str().into(),
                now.into(),
                origin.source.as_deref().into(),
                origin.browser.as_deref().into(),
            ],
        )
        .await
        .map(|_| ())
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn touch_session(&mut self, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE session SET seen_at = $2 WHERE digest = $1", &[digest.as_bytes().into(), now.into()]).await.map(|_| ())
    }

    /// Ends a session. How many ended: one, or none when it had ended.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_session(&mut self, digest: &Digest) -> Result<u64, StoreError> {
        self.execute("DELETE FROM session WHERE digest = $1", &[digest.as_bytes().into()]).await
    }

    /// Ends a person's sessions, but not the one whose token has the digest `but`, and every link that would sign them in. How many sessions ended.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_sessions(&mut self, of: &Person, but: Option<&Digest>) -> Result<u64, StoreError> {
        let but: &[u8] = but.map_or(&[], |digest| digest.as_bytes());
        let (account, person) = (of.account_id.map(|id| id.to_string()), of.name.as_str());
        let links = "DELETE FROM sign_in_link WHERE account_id IS NOT DISTINCT FROM $1 AND person = $2";
        self.execute(links, &[account.clone().into(), person.into()]).await?;
        self.execute(
            "DELETE FROM session WHERE account_id IS NOT DISTINCT FROM $1 AND person = $2 AND digest <> $3",
            &[account.into(), person.into(), but.into()],
        )
        .await
    }

    /// Drops links, sessions and remembered answers that are past their time.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn sweep(&mut self, now: Timestamp, sessions_begun_before: Timestamp, sessions_seen_before: Timestamp) -> Result<(), StoreError> {
        self.execute("DELETE FROM sign_in_link WHERE expires_at <= $1", &[now.into()]).await?;
        self.execute("DELETE FROM idempotency WHERE expires_at <= $1", &[now.into()]).await?;
        self.execute("DELETE FROM session WHERE created_at <= $1 OR seen_at <= $2", &[sessions_begun_before.into(), sessions_seen_before.into()])
            .await
            .map(|_| ())
    }
}
