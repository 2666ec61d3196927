//! Who introspects and revokes: a client, for its own tokens, or the operator with an operator API key, for all.
use axum::http::{HeaderMap, header};
use claviger_domain::{policy::Actor, schemes::bearer};

use super::form::{Form, OauthError, basic};
use crate::{
    app::{App, operator_keys},
    request::Context,
    verify::{CannotSay, Entry, Kept, authenticate_client},
};

pub(super) enum Caller {
    Client(Kept<Entry>),
    Operator(Actor),
}

impl Caller {
    /// A client by its id and secret; the operator by `Authorization: Bearer <operator key>`, or, for libraries that know only clients, with the
    /// operator key as the secret of the client id `operator`.
    pub(super) async fn of(app: &App, context: &Context, headers: &HeaderMap, form: &mut Form) -> Result<Self, OauthError> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        if let (Some(key), None) = (fields.next().and_then(|value| bearer::parse(value.as_bytes())), fields.next()) {
            if form.names_a_client() {
                return Err(OauthError::request("authenticate in one way only"));
            }
            return Self::operator(app, key).await?.ok_or(OauthError::client());
        }
        let basic = basic(headers)?;
        let (id, secret) = form.client(basic)?;
        if id == "operator" {
            return Self::operator(app, secret.expose()).await?.ok_or(OauthError::client());
        }
        let entry = authenticate_client(app, &id, &secret, context.source).await.map_err(|CannotSay| OauthError::cannot_say())?;
        entry.map(|(entry, _)| Self::Client(entry)).ok_or(OauthError::client())
    }

    async fn operator(app: &App, key: &str) -> Result<Option<Self>, OauthError> {
        let actor = operator_keys::authenticate(app, key).await.map_err(|_| OauthError::cannot_say())?;
        Ok(actor.map(Self::Operator))
    }
}
