//! The token endpoint in its two forms, introspection, revocation, and the documents by which others find keys and endpoints.
mod caller;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod token;

pub(crate) use introspect::{__path_introspect, introspect};
pub(crate) use metadata::{__path_authorization_server, __path_jwks, __path_protected_resource, authorization_server, jwks, protected_resource};
pub(crate) use revoke::{__path_revoke, revoke};
pub(crate) use token::{__path_json_token, __path_oauth_token, json_token, oauth_token};
