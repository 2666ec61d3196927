//! HTTP Message Signatures (RFC 9421) with `hmac-sha256`: reading them, checking them, and saying why one was refused.
use super::{
    Fields, Request,
    signing::{self, Algorithm, Body, Content, Explanation, Failure, Key, LONGEST_NAME, Policy, Verified},
};
use crate::time::Timestamp;

mod read;

pub use read::{Unreadable, parse};

/// The one signature of a request that is ours to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// Its label in both fields.
    pub label: &'a str,
    /// The key's public part.
    pub key_id: &'a str,
    /// The algorithm it names, if any. The algorithm comes from the key; this must agree (section 3.2, step 6).
    pub algorithm: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub created: Option<i64>,
    /// Seconds since the Unix epoch.
    pub expires: Option<i64>,
    /// What must not come twice, when the signer gave one.
    pub nonce: Option<&'a str>,
    /// The application it was made for.
    pub tag: Option<&'a str>,
    components: Vec<&'a str>,
    /// What is in it that we do not know how to sign.
    unsupported: Option<&'a str>,
    /// The inner list byte for byte, which is the value of `@signature-params`.
    input: &'a [u8],
    signature: Vec<u8>,
}

impl Parameters<'_> {
    /// The same for every copy of this request, however its base64 is written.
    #[must_use]
    pub fn replay_key(&self) -> [u8; 32] {
        signing::replay_key(self.key_id, &self.signature)
    }
}

/// Where the client sent the request, which only the trusted gateway knows.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Whether by TLS.
    pub secure: bool,
    /// Host, and port if there was one, as the client wrote them.
    pub authority: &'a str,
}

/// Whether the request is what the holder of `key` signed within the policy's window.
///
/// Signed must be `@method`, `@authority`, `@path`, `@query`, the `content-digest` of a body, and `created`. Stricter than the RFC: a
/// repeated header is refused, not joined. A `nonce` is the caller's to remember, with the replay key.
///
/// # Errors
/// The first thing wrong: request, algorithm, what must be signed, dates, each component, digest, signature, body.
pub fn check<F: Fields>(
    parameters: &Parameters<'_>,
    request: &Request<'_, F>,
    site: &Site<'_>,
    body: Body<'_>,
    key: &Key,
    now: Timestamp,
    policy: &Policy,
) -> Result<Verified, Failure> {
    signing::is_unambiguous(request)?;
    if !request.target.starts_with('/') || site.authority.is_empty() || !site.authority.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::RequestMalformed);
    }
    if key.algorithm() != Algorithm::Sha256 || parameters.algorithm.is_some_and(|name| name != Algorithm::Sha256.as_str()) {
        return Err(Failure::AlgorithmOther);
    }
    if let Some(name) = ["@method", "@authority", "@path", "@query"].into_iter().find(|name| !parameters.components.contains(name)) {
        return Err(Failure::ComponentUnsigned(name));
    }
    let created = signing::at_second(parameters.created.ok_or(Failure::MissingDate)?).ok_or(Failure::DateMalformed)?;
    let signed_at = signing::within(created, now, policy)?;
    if parameters.expires.is_some_and(|end| end <= now.seconds()) {
        return Err(Failure::Expired);
    }
    let base = Base { parameters, request, site };
    base.is_complete()?;
    let content = Content::of(body, request.fields);
    let digest = match base.field("content-digest") {
        Some(value) if parameters.components.contains(&"content-digest") => {
            Some(signing::read_digest("content-digest", value).ok_or_else(|| Failure::DigestMalformed("content-digest".to_owned()))?)
        }
        Some(_) if content.exists() => return Err(Failure::DigestUnsigned),
        None if content.exists() => return Err(Failure::DigestMissing),
        _ => None,
    };
    if !key.verifies(&parameters.signature, |sink| base.write(false, sink)) {
        return Err(Failure::SignatureMismatch);
    }
    let content_digest = content.matches(digest.into_iter())?;
    Ok(Verified { content_digest, signed_at })
}

/// Says how a request that was refused with `failure` looked to us. Needs no key, and so cannot give one away.
#[must_use]
pub fn explain<F: Fields>(parameters: &Parameters<'_>, request: &Request<'_, F>, site: &Site<'_>, failure: Failure, now: Timestamp) -> Explanation {
    let base = Base { parameters, request, site };
    let signed = parameters.components.iter().filter(|name| !name.starts_with('@')).map(|name| (*name).to_owned());
    let date = parameters.created.and_then(signing::at_second);
    Explanation::new(request.fields, signed, date, now, failure, |sink| base.write(true, sink))
}

/// The signature base (section 2.5).
struct Base<'a, F> {
    parameters: &'a Parameters<'a>,
    request: &'a Request<'a, F>,
    site: &'a Site<'a>,
}

impl<F: Fields> Base<'_, F> {
    /// Whether every component can be given, once.
    fn is_complete(&self) -> Result<(), Failure> {
        if let Some(name) = self.parameters.unsupported {
            return Err(Failure::ComponentUnsupported(name.to_owned()));
        }
        for (index, name) in self.parameters.components.iter().enumerate() {
            if self.parameters.components[..index].contains(name) {
                return Err(Failure::SignedHeaderRepeated((*name).to_owned()));
            }
            if name.starts_with('@') {
                continue;
            }
            match self.request.fields.single(name) {
                Ok(Some(value)) if value.is_ascii() && signing::is_plain(value) => {}
                Ok(Some(_)) => return Err(Failure::SignedHeaderMalformed((*name).to_owned())),
                Ok(None) => return Err(Failure::SignedHeaderMissing((*name).to_owned())),
                Err(_) => return Err(Failure::SignedHeaderRepeated((*name).to_owned())),
            }
        }
        Ok(())
    }

    /// The value of a field; None when it is missing or repeated.
    fn field(&self, name: &str) -> Option<&[u8]> {
        self.request.fields.single(name).ok().flatten().map(<[u8]>::trim_ascii)
    }

    /// Hands over the base, piece by piece; no line feed at the end.
    fn write(&self, hide: bool, sink: &mut dyn FnMut(&[u8])) {
        for name in &self.parameters.components {
            [b"\"", name.as_bytes(), b"\": "].iter().for_each(|piece| sink(piece));
            self.write_value(name, hide, sink);
            sink(b"\n");
        }
        sink(b"\"@signature-params\": ");
        sink(self.parameters.input);
    }

    /// Section 2.1 for fields, 2.2 for what is derived.
    fn write_value(&self, name: &str, hide: bool, sink: &mut dyn FnMut(&[u8])) {
        let target = self.request.target;
        let (path, query) = target.split_once('?').map_or((target, ""), |(path, query)| (path, query));
        match name {
            "@method" => sink(self.request.method.as_bytes()),
            "@authority" => self.write_authority(sink),
            "@scheme" => sink(self.scheme()),
            "@target-uri" => {
                sink(self.scheme());
                sink(b"://");
                self.write_authority(sink);
                sink(target.as_bytes());
            }
            "@request-target" => sink(target.as_bytes()),
            "@path" => sink(path.as_bytes()),
            "@query" => [b"?", query.as_bytes()].iter().for_each(|piece| sink(piece)),
            name => {
                let value = self.field(name).unwrap_or_default();
                sink(if hide { signing::shown(name, value) } else { value });
            }
        }
    }

    const fn scheme(&self) -> &'static [u8] {
        if self.site.secure { b"https" } else { b"http" }
    }

    /// In lower case, without the scheme's own port (section 2.2.3).
    fn write_authority(&self, sink: &mut dyn FnMut(&[u8])) {
        let authority = self.site.authority;
        signing::write_lower(authority.strip_suffix(if self.site.secure { ":443" } else { ":80" }).unwrap_or(authority), sink);
    }
}

/// Whether a component without parameters is one that we can sign.
fn is_supported(name: &str) -> bool {
    const DERIVED: [&str; 7] = ["@method", "@authority", "@scheme", "@target-uri", "@request-target", "@path", "@query"];
    let field = |byte: u8| signing::is_token_byte(byte) && !byte.is_ascii_uppercase();
    DERIVED.contains(&name) || (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(field)
}

#[cfg(test)]
mod tests;
