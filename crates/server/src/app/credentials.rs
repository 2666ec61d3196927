//! Credentials: making, showing and ending them.
use claviger_domain::{
    access::{Access, Scope},
    credential::{CannotIssue, Credential, Kind, State, Wish, may_issue},
    event::Action,
    id::{CredentialId, SecretId},
    policy::{Grant, ManageCredentials},
    secret::Plain,
    token::{self, Purpose},
};
use claviger_store::{
    credential::StoredSecret,
    page::{Page, PageRequest},
};
use serde::{Serialize, Serializer};
use serde_json::json;
use utoipa::ToSchema;

use super::{App, accounts, once::Once};
use crate::{problem::Problem, request::Context};

/// How a credential is shown. Only the answer to its creation has a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    /// UUID.
    pub id: String,
    /// The account's UUID.
    pub account_id: String,
    /// The kind.
    pub kind: &'static str,
    /// Client id, key id or username.
    pub public_id: String,
    /// The secret, this once; absent in every later answer.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<Plain>,
    /// Whose or what it is.
    pub label: String,
    /// What it may do.
    pub access: AccessView,
    /// Where it stands in its life.
    #[schema(value_type = String)]
    pub state: State,
    /// RFC 3339, UTC; null: never by itself.
    pub expires_at: Option<String>,
    /// CIDR ranges it may be used from; null: any.
    pub allowed_networks: Option<Vec<String>>,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// What a credential may do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "level", rename_all = "snake_case")]
pub enum AccessView {
    /// Every operation of the account.
    Full,
    /// These scopes.
    FineGrained {
        /// Never empty.
        scopes: Vec<String>,
    },
    /// What these roles may, together.
    Roles {
        /// None: nothing.
        roles: Vec<String>,
    },
}

impl From<&Access> for AccessView {
    fn from(access: &Access) -> Self {
        match access {
            Access::Full => Self::Full,
            Access::FineGrained(scopes) => Self::FineGrained { scopes: scopes.iter().map(Scope::to_string).collect() },
            Access::Roles(roles) => Self::Roles { roles: roles.iter().cloned().collect() },
        }
    }
}

fn expose<S: Serializer>(secret: &Option<Plain>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.expose()),
        None => serializer.serialize_none(),
    }
}

impl From<&Credential> for CredentialView {
    fn from(credential: &Credential) -> Self {
        let networks = &credential.allowed_networks;
        Self {
            id: credential.id.to_string(),
            account_id: credential.account_id.to_string(),
            kind: credential.kind.as_str(),
            public_id: credential.public_id.clone(),
            secret: None,
            label: credential.label.clone(),
            access: AccessView::from(&credential.access),
            state: credential.state,
            expires_at: credential.expires_at.map(|at| at.to_string()),
            allowed_networks: (!networks.is_empty()).then(|| networks.iter().map(ToString::to_string).collect()),
            created_at: credential.created_at.to_string(),
        }
    }
}

/// Makes a credential. Its secret is in the answer, and never anywhere again.
pub(crate) async fn create(
    app: &App,
    context: &Context,
    grant: &Grant<ManageCredentials>,
    wish: Wish,
    once: Option<&Once>,
) -> Result<CredentialView, Problem> {
    let kind = app.kinds.find(&grant.account().kind).ok_or_else(Problem::not_found)?;
    let specification = wish.check(&kind.credentials)?;
    if accounts::is_any_above_suspended(app, grant.account()).await? {
        return Err(CannotIssue::Suspended.into());
    }
    let mut tx = app.store.begin().await?;
    let account = tx.find_account_for_update(grant.account().id).await?.ok_or_else(Problem::not_found)?;
    may_issue(&account, kind, tx.count_credentials(account.id).await?)?;
    let now = app.clock.now();
    let (public_id, secret) = match specification.kind {
        Kind::Client => (app.format.public_id(Purpose::Client, &*app.chance), app.format.secret(&*app.chance)),
    };
    let credential = Credential {
        id: CredentialId::new(now, &*app.chance),
        account_id: account.id,
        kind: specification.kind,
        public_id,
        label: specification.label,
        access: specification.access,
        state: State::Active,
        expires_at: None,
        allowed_networks: Vec::new(),
        created_at: now,
    };
    let stored = StoredSecret {
        id: SecretId::new(now, &*app.chance),
        digest: app.keys.pepper.digest(secret.expose().as_bytes()),
        hint: token::hint(secret.expose()),
        expires_at: None,
    };
    tx.insert_credential(&credential, &stored, &grant.actor().as_text()).await?;
    let view = CredentialView { secret: Some(secret), ..CredentialView::from(&credential) };
    if let Some(once) = once {
        once.remember(app, &mut tx, &view).await?;
    }
    let detail = json!({ "kind": credential.kind, "label": credential.label, "access": credential.access.words() });
    let event = app.event(context, grant.actor(), Action::CredentialCreated, Some(account.id), &credential.public_id, detail);
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok(view)
}

/// The credentials that are listed, newest first.
pub(crate) async fn list(app: &App, grant: &Grant<ManageCredentials>, page: &PageRequest) -> Result<Page<Credential>, Problem> {
    Ok(app.store.reader().await?.list_credentials(grant.account().id, page).await?)
}

/// A listed credential.
pub(crate) async fn find(app: &App, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<Credential, Problem> {
    app.store.reader().await?.find_credential(grant.account().id, id).await?.ok_or_else(Problem::not_found)
}

/// Ends a credential. When this returns, no request of it is accepted. Ending an ended one is done again in full: the caller of the
/// first time may never have heard the answer.
pub(crate) async fn delete(app: &App, context: &Context, grant: &Grant<ManageCredentials>, id: CredentialId) -> Result<Credential, Problem> {
    let mut tx = app.store.begin().await?;
    tx.lock_account(grant.account().id).await?;
    let credential = tx.find_credential_ever(grant.account().id, id).await?.ok_or_else(Problem::not_found)?;
    if credential.state == State::Deleted {
        drop(tx);
        app.index.catch_up().await?;
        return Ok(credential);
    }
    let actor = grant.actor().as_text();
    tx.end_credential(id, State::Deleted, app.clock.now(), &actor).await?;
    let detail = json!({ "kind": credential.kind, "label": credential.label });
    let event = app.event(context, grant.actor(), Action::CredentialDeleted, Some(grant.account().id), &credential.public_id, detail);
    let recorded = tx.record(&event).await?;
    app.commit(tx, recorded).await?;
    Ok(credential)
}
