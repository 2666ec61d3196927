//! Verification: who is calling, and may they? The answer to every API request of the operator.
use std::{borrow::Cow, net::IpAddr};

use claviger_domain::{
    access::{Access, Scope},
    account::{Lineage, Status},
    catalogue::{Match, Missing, Operation, RoleRules, permits},
    id::SecretId,
    judge::{self, Refusal},
    kind::{KeyRole, Kind},
    schemes::{self, Fields, Presented, Request, signing::Body},
    time::Timestamp,
    token::Purpose,
};

pub(crate) mod api;
pub(crate) mod batch;
mod cache;
mod canary;
mod challenge;
mod check;
mod entry;
mod envoy;
mod fields;
mod forward;
mod handed;
mod index;
mod nginx;
mod passwords;
mod rate;
mod refusals;
mod replays;
mod reply;
mod revoked;
mod secrets;
mod signed;
mod silence;
mod table;
mod uses;

pub use cache::Kept;
pub(crate) use canary::{CanaryAnswer, PATH as CANARY, accepts_canary, answer as canary_endpoint};
pub(crate) use challenge::Challenges;
pub(crate) use check::{CheckResponse, PATH as CHECK, answer_check, answer_the_same, check as check_endpoint};
pub(crate) use entry::seal_context;
pub use entry::{Entry, Holder};
pub(crate) use envoy::{answer_envoy, envoy as envoy_endpoint, is_asked_at as is_envoy};
pub use fields::HeaderFields;
pub(crate) use forward::{answer_forward, forward as forward_endpoint};
pub(crate) use index::HAS_LOST;
pub use index::{CannotSay, Index};
pub(crate) use nginx::{answer_nginx, nginx as nginx_endpoint};
pub(crate) use passwords::{Passwords, hash as hash_password};
pub use rate::Rate;
pub(crate) use rate::{Rates, nanos as rate_moment, sweep as sweep_rates};
pub(crate) use refusals::Refusals;
pub use refusals::Refused as RefusedSignature;
pub(crate) use replays::Replays;
pub(crate) use secrets::{authenticate_client, authenticate_key, password};
use signed::Signed;
pub(crate) use uses::Uses;

use crate::{app::App, cluster::Reading};

/// When a request came: read once, for each reading costs as much as a lookup.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) reading: Reading,
}

impl Moment {
    pub(crate) fn now(app: &App) -> Self {
        let reading = app.cluster.gate.clock.read();
        Self { now: app.clock.now_at(reading), reading }
    }
}

/// The verdict.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Yes, as this principal.
    Allowed(Allowed),
    /// No; and what is missing, when the credential is proven and lacks something.
    Refused(Refusal, Option<String>),
    /// Not now: the credential has used up its quota.
    Limited(Rate),
    /// Neither.
    CannotSay,
}

impl Verdict {
    /// In a word, and why not: the refusal's code, or nothing.
    pub(crate) const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Allowed(_) => ("allowed", ""),
            Self::Refused(refusal, _) => ("refused", refusal.code()),
            Self::Limited(_) => ("refused", Refusal::RateLimited.code()),
            Self::CannotSay => ("cannot_say", ""),
        }
    }
}

/// What an allowed request is allowed as.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The credential.
    pub entry: Kept<Entry>,
    /// Its account.
    pub own: Kept<Holder>,
    /// The account acted for, if it is another one.
    pub other: Option<Kept<Holder>>,
    /// What most requests have none of.
    pub special: Option<Box<Special>>,
    /// What is left of the credential's quota, if it has one.
    pub rate: Option<Rate>,
}

/// What few allowed requests have, and is in a box for them: what all others are allowed as is moved from place to place.
#[derive(Clone, Debug, Default)]
pub struct Special {
    /// What its token was given, less what the credential has lost since; None: all that the credential has.
    pub narrowed: Option<String>,
    /// The verified digest of the body, for an upstream that must compare.
    pub content_digest: Option<Cow<'static, str>>,
}

impl Allowed {
    /// The account acted for.
    #[must_use]
    pub fn acting(&self) -> &Holder {
        self.other.as_ref().unwrap_or(&self.own)
    }

    fn narrowed(&self) -> Option<&str> {
        self.special.as_ref()?.narrowed.as_deref()
    }

    /// The verified digest of the body, for an upstream that must compare.
    #[must_use]
    pub fn content_digest(&self) -> Option<&Cow<'static, str>> {
        self.special.as_ref()?.content_digest.as_ref()
    }

    /// What it may do, words joined by blanks: `*` for everything; never more than the credential may now.
    #[must_use]
    pub fn scopes(&self) -> &str {
        self.narrowed().unwrap_or(self.entry.words())
    }
}

/// The scopes that a gateway demands for a route; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand<'a>(&'a str);

impl<'a> Demand<'a> {
    /// Words divided by blanks or commas. None where there is no word: what was to be demanded and got lost must not be taken for no demand.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let demand = Self(text);
        demand.words().next().is_some().then_some(demand)
    }

    fn words(self) -> impl Iterator<Item = &'a str> {
        self.0.split([' ', ',']).filter(|word| !word.is_empty())
    }
}

/// A request to judge, with what only some gateways know.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a, F> {
    /// The request.
    pub request: Request<'a, F>,
    /// Its body, as far as the gateway has it.
    pub body: Body<'a>,
    /// What the gateway demands for this route.
    pub require: Demand<'a>,
    /// Whether the client sent it over TLS, as far as the gateway says.
    pub secure: bool,
    /// This verification's id.
    pub request_id: &'a str,
}

/// Why a request is not allowed.
pub(crate) enum No {
    Refused(Refusal),
    Lacking(String),
    Limited(Rate),
    CannotSay,
}

impl From<CannotSay> for No {
    fn from(_: CannotSay) -> Self {
        Self::CannotSay
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A proven credential, not judged yet.
struct Proven<'a> {
    entry: Kept<Entry>,
    /// The secret that it, or its token, was proven by; None for a password, of which there is one.
    secret: Option<SecretId>,
    special: Option<Box<Special>>,
    /// The signature that it was proven by.
    signed: Option<Box<signed::Verified<'a>>>,
}

impl From<Kept<Entry>> for Proven<'_> {
    fn from(entry: Kept<Entry>) -> Self {
        Self { entry, secret: None, special: None, signed: None }
    }
}

impl From<(Kept<Entry>, SecretId)> for Proven<'_> {
    fn from((entry, secret): (Kept<Entry>, SecretId)) -> Self {
        Self { secret: Some(secret), ..Self::from(entry) }
    }
}

/// Judges a request.
pub async fn verify<F: Fields>(app: &App, question: &Question<'_, F>) -> Verdict {
    verify_at(app, question, Moment::now(app)).await
}

/// As [`verify`], of a request that came at `moment` and not before it.
pub(crate) async fn verify_at<F: Fields>(app: &App, question: &Question<'_, F>, moment: Moment) -> Verdict {
    let traced = app.traces.verification(&app.clock, question.request_id);
    let verdict = match decide(app, question, moment).await {
        Ok(allowed) => Verdict::Allowed(allowed),
        Err(No::Refused(refusal)) => Verdict::Refused(refusal, None),
        Err(No::Lacking(missing)) => Verdict::Refused(Refusal::InsufficientScope, Some(missing)),
        Err(No::Limited(rate)) => Verdict::Limited(rate),
        Err(No::CannotSay) => Verdict::CannotSay,
    };
    app.metrics.count(&verdict);
    if let Some(started) = traced {
        let parent = question.request.fields.single("traceparent").ok().flatten();
        app.traces.judged(&started, &*app.chance, &verdict, question.request_id, parent);
    }
    verdict
}

/// What is large and not on the way of every request is boxed: a future is as large as its largest branch, and is moved.
async fn decide<F: Fields>(app: &App, question: &Question<'_, F>, moment: Moment) -> Result<Allowed, No> {
    let (request, now) = (&question.request, moment.now);
    let in_fields = signed::in_fields(app, request.fields)?;
    let presented = schemes::present(request.fields);
    let in_body = legacy_body(question).filter(|login| !is_the_same(&presented, login));
    let Proven { entry, secret, special, signed } = match (presented, in_fields, in_body) {
        (Presented::Nothing, Some(signature), None) => Box::pin(signed::prove(app, signature, question, moment)).await?,
        (Presented::Nothing, None, Some(login)) => Box::pin(password(app, &login.username, &login.password, request.client_ip)).await?.into(),
        (Presented::Nothing, None, None) => return Err(Refusal::NoCredential.into()),
        (Presented::Several, ..) | (_, Some(_), _) | (_, _, Some(_)) => return Err(Refusal::SeveralCredentials.into()),
        (Presented::Junk, ..) => return Err(Refusal::Unauthenticated.into()),
        (Presented::Token(token), ..) => {
            let claims = app.tokens.check(token, now).ok_or(Refusal::Unauthenticated)?;
            let entry = match app.index.in_memory(&claims.sub, moment.reading)? {
                Some(entry) => entry,
                None => Box::pin(app.index.credential(&claims.sub)).await?.ok_or(Refusal::Unauthenticated)?,
            };
            if !entry.has_living(claims.secret, now) || app.index.is_token_revoked(&claims.jti) {
                return Err(Refusal::Unauthenticated.into());
            }
            let narrowed = narrowed(&claims.scope, &entry);
            Proven {
                special: narrowed.map(|scopes| Box::new(Special { narrowed: Some(scopes), ..Special::default() })),
                ..Proven::from((entry, claims.secret))
            }
        }
        (Presented::Key(text), ..) => secrets::key(app, Purpose::ApiKey, text, moment).await?.into(),
        (Presented::Pair(pair), ..) => secrets::pair(app, &pair, request.client_ip, moment).await?,
        (Presented::Signed(parameters), ..) => Box::pin(signed::prove(app, Signed::Hmac(parameters), question, moment)).await?,
        (Presented::DraftSigned(parameters), ..) => Box::pin(signed::prove(app, Signed::Cavage(parameters), question, moment)).await?,
    };
    let Some((own, kind)) = living(app, &entry, request.client_ip, now).await? else {
        // what a wrong one costs: that it was right must not show in the time
        match &signed {
            Some(verified) => verified.signed.explain_to_nobody(question, now),
            None => secrets::look_up_for_nobody(app, &entry),
        }
        return Err(Refusal::Unauthenticated.into());
    };
    let other = match judge::acting_account(own.account.id, kind, request.fields)? {
        id if id == own.account.id => None,
        id => {
            let acting = app.index.account(id).await?;
            judge::may_act_for(&own.account, kind, acting.as_ref().map(|acting| &acting.account))?;
            if let Some(acting) = &acting
                && !are_active(app, &acting.account.lineage).await?
            {
                return Err(Refusal::AccountForbidden.into());
            }
            acting
        }
    };
    let mut allowed = Allowed { entry, own, other, special, rate: None };
    may_call(app, kind, &allowed, question)?;
    // that a signature is right, or was used, is told to nobody who is refused for another reason; and a repeated one takes nothing of a quota
    if let Some(verified) = &signed {
        verified.assure_unused(app)?;
    }
    allowed.rate = rate::take(app, allowed.entry.id, now).await.transpose().map_err(No::Limited)?;
    if let Some(verified) = &signed {
        verified.use_up(app, now)?;
    }
    if allowed.entry.should_note(now) {
        app.uses.note(allowed.entry.id, request, now);
    }
    note_secret(app, &allowed.entry, secret, request.client_ip, now);
    Ok(allowed)
}

/// A login in the body of the older transports, where the gateway hands us the body.
fn legacy_body<F: Fields>(question: &Question<'_, F>) -> Option<schemes::legacy::Login> {
    let Body::Given(body) = question.body else { return None };
    if question.request.method != "POST" {
        return None;
    }
    if body.starts_with(b"m4u") {
        return schemes::legacy::text::parse(body).ok().map(|call| call.login);
    }
    let may_be_xml = body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'<' | 0xef));
    may_be_xml.then(|| schemes::legacy::xml::parse(body).ok()).flatten().map(|call| call.login)
}

/// Whether the login in the body is the one that stands in the header fields as well.
fn is_the_same(presented: &Presented<'_>, login: &schemes::legacy::Login) -> bool {
    matches!(presented, Presented::Pair(pair) if pair.user() == login.username && pair.password() == login.password.expose())
}

fn note_secret(app: &App, entry: &Entry, secret: Option<SecretId>, client_ip: Option<IpAddr>, now: Timestamp) {
    if let Some(secret) = secret.filter(|secret| entry.should_note_secret(*secret, now)) {
        app.uses.note_secret(secret, client_ip, now);
    }
}

/// Whether what a credential may do now (`access`, and of that what its token was given, `scopes`) suffices for the request.
///
/// Two things can ask for something: the gateway for its route, and the operator's catalogue for the operation. Where neither does, only
/// full access passes: what nobody described, a limited credential may not do.
fn may_call<F: Fields>(app: &App, kind: &Kind, allowed: &Allowed, question: &Question<'_, F>) -> Result<(), No> {
    let (access, scopes) = (allowed.entry.access(), allowed.scopes());
    let everything = match access {
        Access::Full => scopes == "*",
        Access::FineGrained(_) => false,
        Access::Roles(roles) => roles.iter().filter_map(|role| kind.credentials.find_role(role)).any(|role| role.allows.everything),
    };
    let held = |word: &&str| scopes.split(' ').any(|scope| scope == *word);
    if everything && access == &Access::Full {
        return Ok(());
    }
    let demanded: Vec<&str> = question.require.words().collect();
    let lacking: Vec<&str> = demanded.iter().copied().filter(|word| !everything && !held(word)).collect();
    if !lacking.is_empty() {
        return Err(No::Lacking(lacking.join(" ")));
    }
    let Some(catalogue) = app.index.catalogue() else {
        // a client that asked for less than its full access is told on to the upstream; nothing here could judge it
        let narrowed_itself = access == &Access::Full;
        return if everything || !demanded.is_empty() || narrowed_itself { Ok(()) } else { Err(No::Lacking(least_role(kind, access, None))) };
    };
    let found = catalogue.find(question.request.method, question.request.target);
    let narrowed;
    let (access, rules) = match access {
        Access::Roles(_) => {
            let rules: RoleRules = kind.credentials.roles.iter().map(|role| (role.id.clone(), role.allows)).collect();
            (access, rules)
        }
        Access::FineGrained(_) if allowed.narrowed().is_none() => (access, RoleRules::new()),
        // a token may have been given less than its credential has
        _ => {
            narrowed = Access::FineGrained(scopes.split(' ').filter_map(|scope| scope.parse::<Scope>().ok()).collect());
            (&narrowed, RoleRules::new())
        }
    };
    match permits(access, &rules, &found) {
        Ok(()) => Ok(()),
        Err(Missing::Ambiguous) => Err(Refusal::TargetAmbiguous.into()),
        Err(Missing::Scopes(scopes)) => Err(No::Lacking(scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "))),
        // a role that may do everything needs no catalogue entry, but a path that reads one way
        Err(Missing::Unknown) if everything => Ok(()),
        Err(Missing::Unknown | Missing::Role { .. }) => {
            let operation = if let Match::Operation(operation) = found { Some(operation) } else { None };
            Err(No::Lacking(least_role(kind, access, operation)))
        }
    }
}

/// The first of the kind's roles that would do for an operation, or for what nobody described. Nothing for a credential that cannot have roles.
fn least_role(kind: &Kind, access: &Access, operation: Option<&Operation>) -> String {
    let Access::Roles(_) = access else { return String::new() };
    let would_do = |role: &&KeyRole| role.allows.everything || operation.is_some_and(|operation| role.allows.grants(operation));
    kind.credentials.roles.iter().find(would_do).map(|role| role.id.to_string()).unwrap_or_default()
}

/// What a token was given, less what its credential has lost since; None: all that the credential has.
pub(crate) fn narrowed(granted: &str, entry: &Entry) -> Option<String> {
    let now = entry.words();
    if granted == now || granted == "*" {
        return None;
    }
    if entry.access() == &Access::Full {
        return Some(granted.to_owned());
    }
    let still = |word: &&str| now.split(' ').any(|scope| scope == *word);
    Some(granted.split(' ').filter(still).collect::<Vec<_>>().join(" "))
}

/// The account and kind of a credential that is alive and whose account is in good standing; None when it is not.
async fn living<'a>(app: &'a App, entry: &Entry, client_ip: Option<IpAddr>, now: Timestamp) -> Result<Option<(Kept<Holder>, &'a Kind)>, CannotSay> {
    if !entry.life().is_alive(now, client_ip) {
        return Ok(None);
    }
    let Some(own) = app.index.account(entry.account_id).await? else { return Ok(None) };
    let Some(kind) = app.kinds.find(&own.account.kind) else { return Ok(None) };
    let lives = are_active(app, &own.account.lineage).await? && judge::in_good_standing(&own.account, kind);
    Ok(lives.then_some((own, kind)))
}

/// Whether all accounts above one are active.
async fn are_active(app: &App, lineage: &Lineage) -> Result<bool, CannotSay> {
    for id in lineage.iter() {
        if app.index.account(id).await?.is_none_or(|above| above.account.status != Status::Active) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The living credential behind `entry`, or None: what the native legacy operations and the key-management API ask.
pub(crate) async fn is_living(app: &App, entry: &Entry, client_ip: Option<IpAddr>) -> Result<bool, CannotSay> {
    Ok(living(app, entry, client_ip, app.clock.now()).await?.is_some())
}
