//! Signed requests, in whichever dialect: our own family's, draft-cavage-12, RFC 9421. One key, one policy, one memory of what was seen.
use std::hint::black_box;

use claviger_domain::{
    credential,
    judge::Refusal,
    schemes::{
        Fields, cavage, hmac,
        message_signatures::{self, Site, Unreadable},
        signing::{self, Algorithm, Explanation, Failure, Key},
    },
    time::Timestamp,
    token::Purpose,
};

use super::{
    Moment, No, Proven, Question, RefusedSignature, Special,
    entry::nobodys_key,
    replays::{self, SingleUse},
    silence,
};
use crate::app::App;

/// What a signed request says of its signature.
pub(super) enum Signed<'a> {
    Hmac(hmac::Parameters<'a>),
    Cavage(cavage::Parameters<'a>),
    Message(message_signatures::Parameters<'a>),
}

/// A signature that is right.
pub(super) struct Verified<'a> {
    pub(super) signed: Signed<'a>,
    /// Where it may not come twice.
    once: Option<SingleUse>,
}

impl Verified<'_> {
    /// Refuses it where it may not come twice and did, and uses nothing up: of what a stranger repeats, its owner pays nothing.
    pub(super) fn assure_unused(&self, app: &App) -> Result<(), No> {
        let is_used = self.once.as_ref().is_some_and(|once| app.replays.is_seen(once));
        if is_used { Err(Refusal::Replayed.into()) } else { Ok(()) }
    }

    /// Uses it up, where it may not come twice.
    pub(super) fn use_up(&self, app: &App, now: Timestamp) -> Result<(), No> {
        let Some(once) = &self.once else { return Ok(()) };
        match app.replays.note(once, now) {
            replays::Answer::New => Ok(()),
            replays::Answer::Seen => Err(Refusal::Replayed.into()),
            replays::Answer::CannotSay => {
                silence::note(|| "a used signature cannot be remembered");
                Err(No::CannotSay)
            }
        }
    }
}

/// The signature in `Signature` and `Signature-Input`, if it names a key of ours: others there are the business of others.
///
/// # Errors
/// When it cannot be read in one way only.
pub(super) fn in_fields<'a, F: Fields>(app: &App, fields: &'a F) -> Result<Option<Signed<'a>>, Refusal> {
    let one = |name| fields.single(name).map_err(|_| Refusal::SeveralCredentials);
    let Some(signature) = one("signature")? else { return Ok(None) };
    let is_ours = |id: &str| app.format.is_public_id(Purpose::Hmac, id);
    match one("signature-input")? {
        None => Ok(cavage::parse_field(signature).filter(|parameters| is_ours(parameters.key_id)).map(Signed::Cavage)),
        Some(input) => match message_signatures::parse(input, signature, is_ours) {
            Ok(parameters) => Ok(Some(Signed::Message(parameters))),
            Err(Unreadable::NoneOurs) => Ok(None),
            Err(Unreadable::SeveralOurs) => Err(Refusal::SeveralCredentials),
            Err(Unreadable::Malformed | Unreadable::LabelsDiffer) => Err(Refusal::Unauthenticated),
        },
    }
}

impl Signed<'_> {
    const fn key_id(&self) -> &str {
        match self {
            Self::Hmac(parameters) => parameters.username,
            Self::Cavage(parameters) => parameters.key_id,
            Self::Message(parameters) => parameters.key_id,
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(parameters) => parameters.algorithm,
            Self::Cavage(parameters) => parameters.hash(),
            Self::Message(_) => Algorithm::Sha256,
        }
    }

    fn replay_key(&self) -> [u8; 32] {
        match self {
            Self::Hmac(parameters) => parameters.replay_key(),
            Self::Cavage(parameters) => parameters.replay_key(),
            Self::Message(parameters) => parameters.replay_key(),
        }
    }

    /// Whether it may not come twice, whatever its credential says: a nonce was signed.
    const fn has_nonce(&self) -> bool {
        matches!(self, Self::Message(message_signatures::Parameters { nonce: Some(_), .. }))
    }

    fn check<F: Fields>(
        &self,
        question: &Question<'_, F>,
        key: &Key,
        now: Timestamp,
        policy: &signing::Policy,
    ) -> Result<signing::Verified, Failure> {
        let (request, body) = (&question.request, question.body);
        match self {
            Self::Hmac(parameters) => hmac::check(parameters, request, body, key, now, policy),
            Self::Cavage(parameters) => cavage::check(parameters, request, body, key, now, policy),
            Self::Message(parameters) => message_signatures::check(parameters, request, &site(question), body, key, now, policy),
        }
    }

    /// What a wrong one costs, for one that is right and whose credential has ended.
    pub(super) fn explain_to_nobody<F: Fields>(&self, question: &Question<'_, F>, now: Timestamp) {
        black_box(self.explain(question, Failure::SignatureMismatch, now));
    }

    fn explain<F: Fields>(&self, question: &Question<'_, F>, failure: Failure, now: Timestamp) -> Explanation {
        match self {
            Self::Hmac(parameters) => hmac::explain(parameters, &question.request, failure, now),
            Self::Cavage(parameters) => cavage::explain(parameters, &question.request, failure, now),
            Self::Message(parameters) => message_signatures::explain(parameters, &question.request, &site(question), failure, now),
        }
    }
}

/// Where the client sent it. Every adapter gives the client's own `Host`.
fn site<'a, F: Fields>(question: &Question<'a, F>) -> Site<'a> {
    let host = question.request.fields.single("host").ok().flatten().and_then(|host| std::str::from_utf8(host).ok());
    Site { secure: question.secure, authority: host.unwrap_or_default() }
}

/// Proves a signed request. Why one is refused is kept for the people of its account; the client learns only that it is.
pub(super) async fn prove<'a, F: Fields>(app: &App, signed: Signed<'a>, question: &Question<'_, F>, moment: Moment) -> Result<Proven<'a>, No> {
    let (policy, algorithm, id, now) = (signing::Policy::default(), signed.algorithm(), signed.key_id(), moment.now);
    let entry = match app.index.in_memory(id, moment.reading)? {
        Some(entry) => Some(entry),
        None if !app.format.is_public_id(Purpose::Hmac, id) || app.index.is_known_to_be_absent(id) => None,
        None => Box::pin(app.index.credential(id)).await?,
    };
    let entry = entry.filter(|entry| entry.kind == credential::Kind::Hmac);
    let mut keys = entry.iter().flat_map(|entry| entry.signing_keys(algorithm, now)).peekable();
    let nobody = keys.peek().is_none().then(|| nobodys_key(algorithm));
    let keys = keys.map(|(secret, key)| (Some(secret), key)).chain(nobody.map(|key| (None, key)));
    let mut failure = None;
    for (secret, key) in keys {
        match signed.check(question, key, now, &policy) {
            Ok(verified) => {
                let entry = entry.clone().ok_or(Refusal::Unauthenticated)?;
                let special = verified.content_digest.map(|digest| Box::new(Special { content_digest: Some(digest.text()), ..Special::default() }));
                let comes_once = entry.refuse_replays || signed.has_nonce();
                let once = comes_once.then(|| SingleUse { credential: entry.id, key: signed.replay_key(), signed_at: verified.signed_at });
                return Ok(Proven { secret, special, signed: Some(Box::new(Verified { signed, once })), ..Proven::from(entry) });
            }
            Err(why) => failure = Some(why),
        }
    }
    // explained for nobody too: what an unknown key is spared would show in the time
    let explained = failure.map(|failure| black_box(signed.explain(question, failure, now)));
    if let (Some(entry), Some(explanation)) = (entry, explained) {
        app.refusals.keep(RefusedSignature {
            request_id: question.request_id.to_owned(),
            at: now,
            account_id: entry.account_id,
            public_id: entry.public_id().to_owned(),
            explanation,
        });
    }
    Err(Refusal::Unauthenticated.into())
}
