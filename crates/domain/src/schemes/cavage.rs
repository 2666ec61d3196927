//! `Authorization: Signature` of draft-cavage-http-signatures-12, with HMAC keys only. What replaced it is `message_signatures`.
use super::{
    Fields, Repeated, Request,
    digest::ContentDigest,
    signing::{self, Algorithm, Body, Content, DIGEST_FIELDS, Explanation, Failure, Key, LONGEST_NAME, Policy, Signature, Verified},
};
use crate::time::Timestamp;

/// The longest header value that is looked at.
const LONGEST: usize = 4096;
/// The longest key id; ours are far shorter.
const LONGEST_KEY_ID: usize = 128;
/// The most words of a signed list.
const MOST_WORDS: usize = 32;

/// What a `Signature` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// The key's public part.
    pub key_id: &'a str,
    /// The algorithm it names; None for `hs2019` or none, which leave it to the key.
    pub algorithm: Option<Algorithm>,
    /// Seconds since the Unix epoch.
    pub created: Option<i64>,
    /// Seconds since the Unix epoch.
    pub expires: Option<i64>,
    /// The signed list, as written; `(created)` when there is none (section 2.1.6).
    pub headers: &'a str,
    signature: Signature,
}

impl Parameters<'_> {
    /// The same for every copy of this request, however its base64 is written.
    #[must_use]
    pub fn replay_key(&self) -> [u8; 32] {
        signing::replay_key(self.key_id, self.signature.as_bytes())
    }

    /// The hash to check it by. `hs2019` leaves it to the key, and a key of ours has any: then the signature's length says.
    #[must_use]
    pub fn hash(&self) -> Algorithm {
        self.algorithm.unwrap_or(match self.signature.as_bytes().len() {
            48 => Algorithm::Sha384,
            64 => Algorithm::Sha512,
            _ => Algorithm::Sha256,
        })
    }
}

/// The parameters of an `Authorization: Signature` value, in any order; None when it is of another scheme, when one is unknown, repeated
/// or malformed, when `keyId` or `signature` is missing, or when it is longer than 4096 bytes.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Parameters<'_>> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.trim_ascii().split_once([' ', '\t'])?;
    if scheme.eq_ignore_ascii_case("signature") { parse_field(rest.as_bytes()) } else { None }
}

/// The parameters of a `Signature` header, which has no scheme word. With a `Signature-Input` beside it, it is another dialect's.
#[must_use]
pub fn parse_field(value: &[u8]) -> Option<Parameters<'_>> {
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= LONGEST)?;
    let (mut key_id, mut algorithm, mut headers, mut signature) = (None, None, None, None);
    let (mut created, mut expires) = (None, None);
    signing::each_parameter(value, |name, value, quoted| match (name, quoted) {
        ("keyId", true) => signing::once(&mut key_id, value),
        ("algorithm", true) => signing::once(&mut algorithm, value),
        ("headers", true) => signing::once(&mut headers, value),
        ("signature", true) => signing::once(&mut signature, value),
        ("created", false) => signing::once(&mut created, seconds(value)?),
        ("expires", false) => signing::once(&mut expires, seconds(value)?),
        _ => None,
    })?;
    let key_id = key_id.filter(|id| (1..=LONGEST_KEY_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let headers = headers.unwrap_or("(created)");
    let algorithm = match algorithm {
        None | Some("hs2019") => None,
        Some(name) => Some(Algorithm::from_name(name)?),
    };
    let readable = words(headers).count() <= MOST_WORDS && words(headers).all(is_word);
    readable.then_some(Parameters { key_id, algorithm, created, expires, headers, signature: Signature::decode(signature?)? })
}

fn seconds(text: &str) -> Option<i64> {
    (text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|word| !word.is_empty())
}

fn is_word(word: &str) -> bool {
    matches!(word, "(request-target)" | "(created)" | "(expires)") || word.len() <= LONGEST_NAME && word.bytes().all(signing::is_token_byte)
}

/// Whether the request is what the holder of `key` signed within the policy's window.
///
/// We demand more than the draft: `(request-target)`, `host`, a date or `(created)`, and the digest of a body must be signed, and a
/// repeated header is refused. `host` is the field of that name.
///
/// # Errors
/// The first thing wrong: request, algorithm, what must be signed, dates, each signed header, digest, signature, body.
pub fn check<F: Fields>(
    parameters: &Parameters<'_>,
    request: &Request<'_, F>,
    body: Body<'_>,
    key: &Key,
    now: Timestamp,
    policy: &Policy,
) -> Result<Verified, Failure> {
    signing::is_unambiguous(request)?;
    match parameters.algorithm.unwrap_or(key.algorithm()) {
        Algorithm::Sha1 if !policy.sha1_allowed => return Err(Failure::AlgorithmOff),
        algorithm if algorithm != key.algorithm() => return Err(Failure::AlgorithmOther),
        _ => {}
    }
    let list = List { parameters, method: request.method, target: request.target, fields: request.fields };
    if !list.has("(request-target)") {
        return Err(Failure::ComponentUnsigned("(request-target)"));
    }
    // the signed string has it in lower case, where a method of mixed case is no longer itself
    if request.method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Failure::RequestMalformed);
    }
    if !list.has("host") {
        return Err(Failure::ComponentUnsigned("host"));
    }
    list.each_stands_once()?;
    let signed_at = list.date(now, policy)?;
    let content = Content::of(body, request.fields);
    if let Some((name, _)) = list.digests().find(|(_, digest)| digest.is_none()) {
        return Err(Failure::DigestMalformed(name.to_owned()));
    }
    if content.exists() && list.digests().next().is_none() {
        return Err(signing::no_digest(request.fields));
    }
    let signature = parameters.signature.as_bytes();
    if !key.verifies(signature, |sink| list.write(false, sink)) {
        return Err(Failure::SignatureMismatch);
    }
    let content_digest = content.matches(list.digests().filter_map(|(_, digest)| digest))?;
    Ok(Verified { content_digest, signed_at })
}

/// Says how a request that was refused with `failure` looked to us. Needs no key, and so cannot give one away.
#[must_use]
pub fn explain<F: Fields>(parameters: &Parameters<'_>, request: &Request<'_, F>, failure: Failure, now: Timestamp) -> Explanation {
    let list = List { parameters, method: request.method, target: request.target, fields: request.fields };
    let signed = words(parameters.headers).filter(|word| !word.starts_with('(')).map(str::to_ascii_lowercase);
    let sent = |name| request.fields.values(name).find_map(signing::http_date);
    let date = parameters.created.and_then(signing::at_second).or_else(|| sent("date"));
    Explanation::new(request.fields, signed, date, now, failure, |sink| list.write(true, sink))
}

/// The signed list and what it is looked up in.
struct List<'a, F> {
    parameters: &'a Parameters<'a>,
    method: &'a str,
    target: &'a str,
    fields: &'a F,
}

impl<'a, F: Fields> List<'a, F> {
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a, F> {
        words(self.parameters.headers)
    }

    fn has(&self, word: &str) -> bool {
        self.words().any(|other| other.eq_ignore_ascii_case(word))
    }

    /// The value of a header word; None when it is missing or repeated.
    fn value(&self, word: &str) -> Option<&'a [u8]> {
        let mut room = [0; LONGEST_NAME];
        self.fields.single(signing::lower(word, &mut room)).ok().flatten().map(<[u8]>::trim_ascii)
    }

    fn each_stands_once(&self) -> Result<(), Failure> {
        for (index, word) in self.words().enumerate() {
            if self.words().skip(index + 1).any(|other| other.eq_ignore_ascii_case(word)) {
                return Err(Failure::SignedHeaderRepeated(word.to_owned()));
            }
            // only `hs2019` has these two (section 2.3)
            let (dated, moment) = match word {
                "(request-target)" => continue,
                "(created)" => (true, self.parameters.created),
                "(expires)" => (true, self.parameters.expires),
                _ => (false, None),
            };
            if dated && self.parameters.algorithm.is_some() {
                return Err(Failure::ComponentUnsupported(word.to_owned()));
            }
            if dated && moment.is_none() {
                return Err(Failure::SignedHeaderMissing(word.to_owned()));
            }
            if dated {
                continue;
            }
            let mut room = [0; LONGEST_NAME];
            match self.fields.single(signing::lower(word, &mut room)) {
                Ok(Some(value)) if signing::is_plain(value) => {}
                Ok(Some(_)) => return Err(Failure::SignedHeaderMalformed(word.to_owned())),
                Ok(None) => return Err(Failure::SignedHeaderMissing(word.to_owned())),
                Err(Repeated) => return Err(Failure::SignedHeaderRepeated(word.to_owned())),
            }
        }
        Ok(())
    }

    /// The signed moment: `(created)`, else `X-Date`, else `Date`. An `expires` counts whether it is signed or not.
    fn date(&self, now: Timestamp, policy: &Policy) -> Result<Timestamp, Failure> {
        if self.parameters.expires.is_some_and(|end| end <= now.seconds()) {
            return Err(Failure::Expired);
        }
        let created = self.parameters.created.filter(|_| self.has("(created)"));
        let date = match ["x-date", "date"].into_iter().find(|name| self.has(name)) {
            _ if created.is_some() => created.and_then(signing::at_second),
            Some(name) => self.value(name).and_then(signing::http_date),
            None if self.fields.values("date").next().is_some() => return Err(Failure::DateUnsigned),
            None => return Err(Failure::MissingDate),
        };
        signing::within(date.ok_or(Failure::DateMalformed)?, now, policy)
    }

    /// The signed digests; None for what could not be read.
    fn digests(&self) -> impl Iterator<Item = (&'static str, Option<ContentDigest>)> {
        let signed = DIGEST_FIELDS.into_iter().filter(|name| self.has(name));
        signed.map(|name| (name, self.value(name).and_then(|value| signing::read_digest(name, value))))
    }

    /// Hands over the signed string, piece by piece (section 2.3): lines joined by a line feed, none at the end.
    fn write(&self, hide: bool, sink: &mut dyn FnMut(&[u8])) {
        for (index, word) in self.words().enumerate() {
            if index > 0 {
                sink(b"\n");
            }
            signing::write_lower(word, sink);
            sink(b": ");
            match word {
                "(request-target)" => {
                    signing::write_lower(self.method, sink);
                    sink(b" ");
                    sink(self.target.as_bytes());
                }
                "(created)" => write_number(self.parameters.created, sink),
                "(expires)" => write_number(self.parameters.expires, sink),
                word => {
                    let value = self.value(word).unwrap_or_default();
                    sink(if hide { signing::shown(word, value) } else { value });
                }
            }
        }
    }
}

fn write_number(number: Option<i64>, sink: &mut dyn FnMut(&[u8])) {
    if let Some(number) = number {
        sink(number.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests;
