//! The token endpoint in its two forms, and the documents by which others find keys and endpoints.
mod metadata;
mod token;

pub(crate) use metadata::{__path_authorization_server, __path_jwks, authorization_server, jwks};
pub(crate) use token::{__path_json_token, __path_oauth_token, json_token, oauth_token};
