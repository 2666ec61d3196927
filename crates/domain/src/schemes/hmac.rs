//! `Authorization: hmac` of the messaging kind and of Kong's `hmac-auth`: reading it, checking it, and saying why it was refused.
pub use super::signing::{Algorithm, Body, Explanation, Failure, Key, Policy, Verified};
use super::{
    Fields, Repeated, Request,
    digest::ContentDigest,
    signing::{self, Content, DIGEST_FIELDS, LONGEST_NAME, Signature},
};
use crate::time::Timestamp;

/// The longest header value that is looked at.
const LONGEST: usize = 4096;
/// The longest username; ours are far shorter.
const LONGEST_USERNAME: usize = 128;
/// The most words of a signed list.
const MOST_WORDS: usize = 32;

/// What an `Authorization: hmac` value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// The key's public part.
    pub username: &'a str,
    /// The hash the signature was made with.
    pub algorithm: Algorithm,
    /// The signed list, as written.
    pub headers: &'a str,
    signature: Signature,
}

impl<'a> Parameters<'a> {
    /// The words of the signed list, in order, their case kept.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        words(self.headers)
    }

    /// The same for every copy of this request, however its base64 is written.
    #[must_use]
    pub fn replay_key(&self) -> [u8; 32] {
        signing::replay_key(self.username, self.signature.as_bytes())
    }
}

/// Blanks divide them: other white space, tabs included, stands in no parameter's value.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split_ascii_whitespace()
}

/// The four parameters of an `Authorization` value, in any order; None when it is of another scheme, when one is missing, unknown, repeated
/// or malformed, or when it is longer than 4096 bytes. Blanks around `=` and commas are accepted.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Parameters<'_>> {
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= LONGEST)?;
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(value.bytes().position(|byte| matches!(byte, b' ' | b'\t'))?)?;
    if !scheme.eq_ignore_ascii_case("hmac") {
        return None;
    }
    let (mut username, mut algorithm, mut headers, mut signature) = (None, None, None, None);
    signing::each_parameter(rest, |name, value, quoted| {
        let slot = match name {
            _ if !quoted => return None,
            name if name.eq_ignore_ascii_case("username") => &mut username,
            name if name.eq_ignore_ascii_case("algorithm") => &mut algorithm,
            name if name.eq_ignore_ascii_case("headers") => &mut headers,
            name if name.eq_ignore_ascii_case("signature") => &mut signature,
            _ => return None,
        };
        signing::once(slot, value)
    })?;
    let username =
        username.filter(|name| (1..=LONGEST_USERNAME).contains(&name.len()) && name.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic()))?;
    let headers = headers.filter(|list| words(list).enumerate().all(|(at, word)| at < MOST_WORDS && is_word(word)))?;
    Some(Parameters { username, algorithm: Algorithm::from_name(algorithm?)?, headers, signature: Signature::decode(signature?)? })
}

fn is_word(word: &str) -> bool {
    word.len() <= LONGEST_NAME && word.bytes().all(|byte| signing::is_token_byte(byte) || byte == b'@')
}

/// Whether the request is what the holder of `key` signed within the policy's window.
///
/// An unknown username should be checked with a key of no one, so
/// that it takes the same time.
///
/// # Errors
/// The first thing wrong: request, algorithm, date, what must be signed, each signed header, digest, signature, body.
pub fn check<F: Fields>(
    parameters: &Parameters<'_>,
    request: &Request<'_, F>,
    body: Body<'_>,
    key: &Key,
    now: Timestamp,
    policy: &Policy,
) -> Result<Verified, Failure> {
    signing::is_unambiguous(request)?;
    match parameters.algorithm {
        Algorithm::Sha1 if !policy.sha1_allowed => return Err(Failure::AlgorithmOff),
        algorithm if algorithm != key.algorithm() => return Err(Failure::AlgorithmOther),
        _ => {}
    }
    let lines = Lines::of(parameters.headers, request.fields);
    let signed_at = lines.date(request.fields, now, policy)?;
    if !lines.all().any(|line| line.holds_request_line(request.method)) {
        return Err(Failure::RequestLineUnsigned);
    }
    lines.each_stands_once()?;
    let content = Content::of(body, request.fields);
    lines.digests_are_readable()?;
    if content.exists() && lines.digests().next().is_none() {
        return Err(signing::no_digest(request.fields));
    }
    let signature = parameters.signature.as_bytes();
    if !key.verifies(signature, |sink| lines.write(request.method, request.target, sink)) {
        return Err(Failure::SignatureMismatch);
    }
    let content_digest = content.matches(lines.digests())?;
    Ok(Verified { content_digest, signed_at })
}

/// Says how a request that was refused with `failure` looked to us. Needs no key, and so cannot give one away.
#[must_use]
pub fn explain<F: Fields>(parameters: &Parameters<'_>, request: &Request<'_, F>, failure: Failure, now: Timestamp) -> Explanation {
    let mut lines = Lines::of(parameters.headers, request.fields);
    for line in &mut lines.lines {
        if let Line::Field { word, value, .. } = line {
            *value = signing::shown(word, value);
        }
    }
    let fields = lines.all().filter(|line| !matches!(line, Line::Request | Line::Target));
    let signed = fields.map(|line| line.word().to_ascii_lowercase());
    let sent = |name| request.fields.values(name).find_map(signing::http_date);
    let date = lines.dates().find_map(signing::http_date).or_else(|| sent("x-date")).or_else(|| sent("date"));
    Explanation::new(request.fields, signed, date, now, failure, |sink| lines.write(request.method, request.target, sink))
}

/// One line of the string that is signed.
#[derive(Clone, Copy)]
enum Line<'a> {
    /// `METHOD path?query HTTP/1.1`: that text always, as the messaging kind's clients sign it, whatever version was spoken.
    Request,
    /// `@request-target: method path?query`, the method in lower case (Kong).
    Target,
    /// `Word: value`, the word as written in the list.
    Field { word: &'a str, name: Name, value: &'a [u8] },
    /// A header that is not there.
    Missing(&'a str),
    /// A header that is there several times, or in the list twice.
    Repeated(&'a str),
}

/// What a signed header is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    XDate,
    Date,
    Digest(&'static str),
    Other,
}

impl Name {
    fn of(name: &str) -> Self {
        match name {
            "x-date" => Self::XDate,
            "date" => Self::Date,
            name => DIGEST_FIELDS.into_iter().find(|field| *field == name).map_or(Self::Other, Self::Digest),
        }
    }
}

impl<'a> Line<'a> {
    const fn word(&self) -> &'a str {
        match *self {
            Self::Request => "request-line",
            Self::Target => "@request-target",
            Self::Field { word, .. } | Self::Missing(word) | Self::Repeated(word) => word,
        }
    }

    /// Whether this signs method, path and query. In lower case a method of mixed case is no longer itself.
    fn holds_request_line(&self, method: &str) -> bool {
        match self {
            Self::Request => true,
            Self::Target => !method.bytes().any(|byte| byte.is_ascii_lowercase()),
            _ => false,
        }
    }
}

/// The signed list, each word looked up.
struct Lines<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> Lines<'a> {
    fn of<F: Fields>(list: &'a str, fields: &'a F) -> Self {
        let mut found = Self { lines: Vec::with_capacity(4) };
        for word in words(list).take(MOST_WORDS) {
            let line =
                if found.all().any(|line| line.word().eq_ignore_ascii_case(word)) { Line::Repeated(word) } else { Self::look_up(word, fields) };
            found.lines.push(line);
        }
        found
    }

    fn look_up<F: Fields>(word: &'a str, fields: &'a F) -> Line<'a> {
        let mut room = [0; LONGEST_NAME];
        // the computed words first: a header of that name is never read
        match signing::lower(word, &mut room) {
            "request-line" => Line::Request,
            "@request-target" => Line::Target,
            name => match fields.single(name) {
                Ok(Some(value)) => Line::Field { word, name: Name::of(name), value: value.trim_ascii() },
                Ok(None) => Line::Missing(word),
                Err(Repeated) => Line::Repeated(word),
            },
        }
    }

    fn all(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter()
    }

    fn values(&self, of: Name) -> impl Iterator<Item = &'a [u8]> {
        self.all().filter_map(move |line| match line {
            Line::Field { name, value, .. } if *name == of => Some(*value),
            _ => None,
        })
    }

    /// The signed dates; Kong looks at `X-Date` first.
    fn dates(&self) -> impl Iterator<Item = &'a [u8]> {
        self.values(Name::XDate).chain(self.values(Name::Date))
    }

    /// The first signed date within the window: of `X-Date` and `Date` either will do.
    fn date<F: Fields>(&self, fields: &F, now: Timestamp, policy: &Policy) -> Result<Timestamp, Failure> {
        let mut failure = None;
        for value in self.dates() {
            match signing::http_date(value).ok_or(Failure::DateMalformed).and_then(|date| signing::within(date, now, policy)) {
                Ok(date) => return Ok(date),
                Err(why) => failure = failure.or(Some(why)),
            }
        }
        let listed = |line: &Line<'_>| ["x-date", "date"].iter().any(|name| line.word().eq_ignore_ascii_case(name));
        let repeated = || self.all().find(|line| matches!(line, Line::Repeated(_)) && listed(line));
        let sent = || ["x-date", "date"].into_iter().any(|name| fields.values(name).next().is_some());
        Err(match (failure, repeated()) {
            (Some(failure), _) => failure,
            (None, Some(line)) => Failure::SignedHeaderRepeated(line.word().to_owned()),
            (None, None) if sent() => Failure::DateUnsigned,
            (None, None) => Failure::MissingDate,
        })
    }

    fn each_stands_once(&self) -> Result<(), Failure> {
        self.all().try_for_each(|line| match *line {
            Line::Missing(word) => Err(Failure::SignedHeaderMissing(word.to_owned())),
            Line::Repeated(word) => Err(Failure::SignedHeaderRepeated(word.to_owned())),
            Line::Field { word, value, .. } if !signing::is_plain(value) => Err(Failure::SignedHeaderMalformed(word.to_owned())),
            _ => Ok(()),
        })
    }

    fn digests_are_readable(&self) -> Result<(), Failure> {
        self.all().try_for_each(|line| match *line {
            Line::Field { word, name: Name::Digest(name), value } if signing::read_digest(name, value).is_none() => {
                Err(Failure::DigestMalformed(word.to_owned()))
            }
            _ => Ok(()),
        })
    }

    /// The signed digests that could be read.
    fn digests(&self) -> impl Iterator<Item = ContentDigest> {
        self.all().filter_map(|line| match *line {
            Line::Field { name: Name::Digest(name), value, .. } => signing::read_digest(name, value),
            _ => None,
        })
    }

    /// Hands over the signed string, piece by piece: lines joined by a line feed, none at the end.
    fn write(&self, method: &str, target: &str, sink: &mut dyn FnMut(&[u8])) {
        for (index, line) in self.all().enumerate() {
            if index > 0 {
                sink(b"\n");
            }
            match *line {
                Line::Request => [method, " ", target, " HTTP/1.1"].iter().for_each(|piece| sink(piece.as_bytes())),
                Line::Target => {
                    sink(b"@request-target: ");
                    signing::write_lower(method, sink);
                    sink(b" ");
                    sink(target.as_bytes());
                }
                Line::Field { word, value, .. } => [word.as_bytes(), b": ", value].iter().for_each(|piece| sink(piece)),
                Line::Missing(word) | Line::Repeated(word) => [word, ": "].iter().for_each(|piece| sink(piece.as_bytes())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
