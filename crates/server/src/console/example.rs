//! A command to paste beside a secret that is shown once: a request with it in place.
use claviger_domain::{credential::Kind, secret::Plain};

use crate::app::{App, credentials::CredentialView};

/// Stands for the operator's API, whose address is the gateway's and not known here.
const API: &str = "https://api.example.com/";

/// The example of a credential just made, if there is something secret to show. Its parts hold nothing that a shell would read: see `token.rs`.
pub(super) fn of(app: &App, made: &CredentialView) -> Option<Plain> {
    let (id, secret) = (&made.public_id, made.secret.as_ref()?.expose());
    let text = match made.kind {
        Kind::Client => format!(
            "curl {}/auth/token -H 'Content-Type: application/json' \\\n  -d '{{\"clientId\":\"{id}\",\"clientSecret\":\"{secret}\"}}'",
            app.public_url()
        ),
        Kind::ApiKey => format!("curl {API} -H 'X-API-Key: {secret}'"),
        Kind::Basic => format!("curl {API} -u '{id}:{secret}'"),
        Kind::Hmac => format!(
            "DATE=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')\n\
             SIGNATURE=$(printf 'Date: %s\\nGET / HTTP/1.1' \"$DATE\" | openssl dgst -sha256 -hmac '{secret}' -binary | base64)\n\
             curl --http1.1 {API} -H \"Date: $DATE\" \\\n  \
             -H \"Authorization: hmac username=\\\"{id}\\\", algorithm=\\\"hmac-sha256\\\", headers=\\\"Date request-line\\\", signature=\\\"$SIGNATURE\\\"\""
        ),
        // nothing of it is shown: whoever made it chose the password
        Kind::Legacy => return None,
    };
    Some(Plain::new(text))
}
