//! What is shown of a credential.
use claviger_domain::{
    access::{Access, Scope},
    credential::{Credential, End, Kind, Reason},
    secret::Plain,
};
use claviger_store::credential::{LastUse, Listed, ListedSecret};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    app::{
        App,
        standing::{self, Standing},
    },
    cluster,
};

/// How a credential is shown. Only the answer to its creation, or to the replacing of its secret, has one.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    /// UUID.
    pub id: String,
    /// The account's UUID.
    pub account_id: String,
    /// The kind.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Client id, key id or username.
    pub public_id: String,
    /// The secret, this once; absent in every later answer.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<Plain>,
    /// Whose or what it is.
    pub label: String,
    /// More about it.
    pub description: Option<String>,
    /// What it may do.
    pub access: AccessView,
    /// Where it stands in its life. `revoking` and `pausing`: some node may still accept it.
    pub state: Standing,
    /// RFC 3339, UTC: when its last change is true on every node at the latest; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settles_by: Option<String>,
    /// RFC 3339, UTC; null: never by itself.
    pub expires_at: Option<String>,
    /// CIDR ranges it may be used from; null: any.
    pub allowed_networks: Option<Vec<String>>,
    /// Whether the same signature is refused the second time.
    pub refuse_replays: bool,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// How it ended; null while it has not.
    pub ended: Option<EndView>,
    /// Its last accepted use, about a minute old at most; null: never.
    pub last_used: Option<UseView>,
    /// Its secrets; only in the answer that shows one credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<SecretShown>>,
}

/// How a credential ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndView {
    at: String,
    by: String,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
}

/// The last use of a credential.
#[derive(Debug, Serialize, ToSchema)]
pub struct UseView {
    at: String,
    source: Option<String>,
    user_agent: Option<String>,
    route: Option<String>,
}

/// What may be seen of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretShown {
    id: String,
    /// Its last characters.
    hint: String,
    created_at: String,
    /// When it stops being accepted, while another takes its place.
    expires_at: Option<String>,
    /// Its last accepted use, about a minute old at most; null: never. Of a client secret, a use of its tokens too.
    last_used: Option<SecretUseView>,
}

/// The last use of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretUseView {
    at: String,
    source: Option<String>,
}

impl From<&ListedSecret> for SecretShown {
    fn from(ListedSecret { view, used }: &ListedSecret) -> Self {
        let expires_at = view.expires_at.map(|at| at.to_string());
        let last_used = used.as_ref().map(|used| SecretUseView { at: used.at.to_string(), source: used.source.clone() });
        Self { id: view.id.to_string(), hint: view.hint.clone(), created_at: view.created_at.to_string(), expires_at, last_used }
    }
}

impl From<&LastUse> for UseView {
    fn from(used: &LastUse) -> Self {
        Self { at: used.at.to_string(), source: used.source.clone(), user_agent: used.user_agent.clone(), route: used.route.clone() }
    }
}

impl CredentialView {
    /// As this request has just changed it.
    pub(crate) fn changed(credential: &Credential) -> Self {
        let later = cluster::told().filter(|settled| !settled.complete);
        Self {
            state: Standing::of(credential, later.is_some()),
            settles_by: later.map(|settled| settled.effective_at.to_string()),
            ..Self::from(credential)
        }
    }

    /// As it was found.
    pub(crate) fn of(app: &App, listed: &Listed) -> Self {
        Self {
            state: Standing::of_listed(listed),
            settles_by: standing::settles_by(app, listed).map(|at| at.to_string()),
            last_used: listed.used.as_ref().map(UseView::from),
            ..Self::from(&listed.credential)
        }
    }
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
        let end = |end: &End| EndView { at: end.at.to_string(), by: end.by.clone(), reason: end.reason };
        Self {
            id: credential.id.to_string(),
            account_id: credential.account_id.to_string(),
            kind: credential.kind,
            public_id: credential.public_id.clone(),
            secret: None,
            label: credential.label.clone(),
            description: credential.description.clone(),
            access: AccessView::from(&credential.access),
            state: Standing::of(credential, false),
            settles_by: None,
            expires_at: credential.expires_at.map(|at| at.to_string()),
            allowed_networks: (!networks.is_empty()).then(|| networks.iter().map(ToString::to_string).collect()),
            refuse_replays: credential.refuse_replays,
            created_at: credential.created_at.to_string(),
            ended: credential.end.as_ref().map(end),
            last_used: None,
            secrets: None,
        }
    }
}
