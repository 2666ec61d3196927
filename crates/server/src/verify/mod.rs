//! Verification: who is calling, and may they? The answer to every API request of the operator.
use std::{net::IpAddr, sync::Arc};

use claviger_domain::{
    access::Access,
    account::Account,
    credential::Credential,
    id::AccountId,
    judge::{self, Refusal},
    kind::Kind,
    schemes::{self, Fields, Presented, Request},
    secret::Plain,
    token::Purpose,
};
use claviger_store::credential::Loaded;

pub(crate) mod api;
mod index;
mod nginx;

pub use index::{CannotSay, Index};

pub(crate) use nginx::{answer_nginx, nginx as nginx_endpoint};

use crate::app::App;

/// The verdict.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Yes, as this principal.
    Allowed(Allowed),
    /// No.
    Refused(Refusal),
    /// Neither.
    CannotSay,
}

/// What an allowed request is allowed as.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The credential.
    pub loaded: Arc<Loaded>,
    /// The account acted for.
    pub acting_account: AccountId,
    /// What its token says it may do; never more than the credential may now.
    pub scopes: String,
}

impl From<CannotSay> for Verdict {
    fn from(_: CannotSay) -> Self {
        Self::CannotSay
    }
}

/// Judges a request.
pub async fn verify<F: Fields>(app: &App, request: &Request<'_, F>) -> Verdict {
    let verdict = match decide(app, request).await {
        Ok(Ok(allowed)) => Verdict::Allowed(allowed),
        Ok(Err(refusal)) => Verdict::Refused(refusal),
        Err(CannotSay) => Verdict::CannotSay,
    };
    app.metrics.count(&verdict);
    verdict
}

async fn decide<F: Fields>(app: &App, request: &Request<'_, F>) -> Result<Result<Allowed, Refusal>, CannotSay> {
    let token = match schemes::present(request.fields) {
        Presented::Nothing => return Ok(Err(Refusal::NoCredential)),
        Presented::Several => return Ok(Err(Refusal::SeveralCredentials)),
        Presented::Junk => return Ok(Err(Refusal::Unauthenticated)),
        Presented::Token(token) => token,
    };
    let Some(claims) = app.tokens.check(token, app.clock.now()) else { return Ok(Err(Refusal::Unauthenticated)) };
    let Some(loaded) = app.index.credential(&claims.sub).await? else { return Ok(Err(Refusal::Unauthenticated)) };
    let Some((own, kind)) = living(app, &loaded.credential, request.client_ip).await? else { return Ok(Err(Refusal::Unauthenticated)) };
    let acting_account = match judge::acting_account(own.id, kind, request.fields) {
        Ok(id) => id,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if acting_account != own.id {
        let acting = app.index.account(acting_account).await?;
        if let Err(refusal) = judge::may_act_for(&own, kind, acting.as_deref()) {
            return Ok(Err(refusal));
        }
    }
    let scopes = narrowed(&claims.scope, &loaded.credential.access);
    Ok(Ok(Allowed { loaded, acting_account, scopes }))
}

/// What a token was given, less what its credential has lost since.
fn narrowed(granted: &str, access: &Access) -> String {
    match access {
        Access::Full => granted.to_owned(),
        limited => {
            let now = limited.words();
            if granted == "*" || granted == now {
                return now;
            }
            let still = |word: &&str| now.split(' ').any(|scope| scope == *word);
            granted.split(' ').filter(still).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The account and kind of a credential that is alive and whose account is in good standing; None when it is not.
async fn living<'a>(app: &'a App, credential: &Credential, client_ip: Option<IpAddr>) -> Result<Option<(Arc<Account>, &'a Kind)>, CannotSay> {
    if !judge::is_alive(credential, app.clock.now(), client_ip) {
        return Ok(None);
    }
    let Some(own) = app.index.account(credential.account_id).await? else { return Ok(None) };
    let Some(kind) = app.kinds.find(&own.kind) else { return Ok(None) };
    let mut above = Vec::with_capacity(own.lineage.depth());
    for id in own.lineage.iter() {
        let Some(account) = app.index.account(id).await? else { return Ok(None) };
        above.push(account);
    }
    Ok(judge::in_good_standing(&own, kind, above.iter().map(AsRef::as_ref)).then_some((own, kind)))
}

/// The living client credential with this id and secret; None for unknown, wrong, ended and suspended alike, after the same work.
pub(crate) async fn authenticate_client(app: &App, id: &str, secret: &Plain, client_ip: Option<IpAddr>) -> Result<Option<Arc<Loaded>>, CannotSay> {
    if !app.format.is_public_id(Purpose::Client, id) || !app.format.is_secret(secret.expose()) {
        return Ok(None);
    }
    let loaded = app.index.credential(id).await?;
    let presented = app.keys.pepper.digest(secret.expose().as_bytes());
    let now = app.clock.now();
    let mut proven = subtle::Choice::from(0);
    let mut compared = 0;
    for stored in loaded.iter().flat_map(|loaded| &loaded.secrets) {
        let lives = u8::from(stored.expires_at.is_none_or(|end| now < end));
        proven |= stored.digest.matches(&presented) & subtle::Choice::from(lives);
        compared += 1;
    }
    if compared == 0 {
        // nothing to compare with: compare all the same
        proven &= presented.matches(&app.dummy_digest);
    }
    let Some(loaded) = loaded else { return Ok(None) };
    let standing = living(app, &loaded.credential, client_ip).await?;
    Ok((bool::from(proven) && standing.is_some()).then_some(loaded))
}
