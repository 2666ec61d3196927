//! What of an API request may be kept: everything but what proves who sent it. Where that is in doubt, it is left out.
use serde_json::Value;

mod xml;

/// What stands in the place of what is left out.
pub const LEFT_OUT: &str = "***";

/// The longest body that is looked into, in bytes, and the longest text that is kept of one, in characters.
const LARGEST_BODY: usize = 64 * 1024;
const LONGEST_BODY: usize = 8 * 1024;

/// Parts of a name, in lower case and without punctuation, that say its value proves something.
const WITHIN: [&str; 16] = [
    "authoriz",
    "authentic",
    "oauth",
    "xauth",
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "cookie",
    "session",
    "credential",
    "signature",
    "assertion",
    "jwt",
    "apikey",
];
/// Names that say so as a whole, or at their end.
const WHOLE: [&str; 7] = ["auth", "code", "otp", "pass", "pin", "sid", "sig"];
const AT_THE_END: [&str; 3] = ["key", "auth", "otp"];
/// Names that only look so.
const HARMLESS: [&str; 1] = ["idempotencykey"];

/// Leaves out of reported requests what is secret. Knows how this installation writes its credentials.
#[derive(Clone, Debug)]
pub struct Redactor {
    prefix: String,
}

impl Redactor {
    /// `prefix` is the first word of the installation's own credentials.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}_") }
    }

    /// A header's value, as it may be kept.
    #[must_use]
    pub fn header(&self, name: &str, value: &str) -> String {
        let scheme = value.split(' ').next().unwrap_or_default();
        let presents = ["basic", "bearer", "hmac", "digest", "signature"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if is_secret(name) || (presents && value.contains(' ')) {
            return LEFT_OUT.to_owned();
        }
        if value.contains("://") || value.starts_with('/') { self.url(value) } else { self.text(value) }
    }

    /// A URL or a request target, as it may be kept: user information, secret parameters, fragment and whatever looks like a token left out.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let path = match path.split_once("://") {
            Some((scheme, rest)) => {
                let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("{LEFT_OUT}@{host}"));
                format!("{}://{}{}", self.encoded(scheme), self.encoded(&host), self.encoded(rest))
            }
            None => self.encoded(path),
        };
        query.map_or_else(|| path.clone(), |query| format!("{path}?{}", self.pairs(query)))
    }

    /// A body as it may be kept; None when it is of a type that cannot be looked into, or is not what its type says.
    #[must_use]
    pub fn body(&self, content_type: &str, body: &str) -> Option<String> {
        if body.len() > LARGEST_BODY {
            return None;
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let start = body.trim_start().trim_start_matches('\u{feff}');
        let kept = match media_type.as_str() {
            "application/x-www-form-urlencoded" => self.pairs(body),
            json if json == "application/json" || json.ends_with("+json") => self.json(body)?,
            xml if xml == "application/xml" || xml == "text/xml" || xml.ends_with("+xml") => self.xml(body)?,
            // what says that it is mere text may be more
            "" | "text/plain" if start.starts_with(['{', '[', '"']) => self.json(body)?,
            "" | "text/plain" if start.starts_with('<') => self.xml(body)?,
            "" | "text/plain" => body.lines().map(|line| self.line(line)).collect::<Vec<_>>().join("\n"),
            _ => return None,
        };
        Some(clipped(&kept, LONGEST_BODY))
    }

    fn json(&self, body: &str) -> Option<String> {
        let mut value: Value = serde_json::from_str(body).ok()?;
        self.json_value(&mut value);
        Some(value.to_string())
    }

    fn json_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.json_value(item)),
            Value::Object(members) => {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, mut member)| {
                        if is_secret(&name) {
                            member = LEFT_OUT.into();
                        } else {
                            self.json_value(&mut member);
                        }
                        (self.text(&name), member)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `NAME=value`, as the text protocols write it, or any other line.
    fn line(&self, line: &str) -> String {
        match line.split_once(['=', ':']) {
            Some((name, _)) if is_secret(name) => format!("{}={LEFT_OUT}", self.text(name)),
            _ => self.text(line),
        }
    }

    /// `name=value&…`, as in a query or a form.
    fn pairs(&self, text: &str) -> String {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_secret(&decoded(name)) => format!("{}={LEFT_OUT}", self.encoded(name)),
            _ => self.encoded(pair),
        };
        text.split('&').map(pair).collect::<Vec<_>>().join("&")
    }

    /// What is percent-encoded, perhaps to hide something: looked through as it is, and decoded if it holds a token only then.
    fn encoded(&self, text: &str) -> String {
        let as_it_is = self.text(text);
        let plain = decoded(&as_it_is);
        let kept = self.text(&plain);
        if kept == plain { as_it_is } else { kept }
    }

    /// Any text, without what looks like a credential of ours or like a JSON Web Token (RFC 7519).
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let mut kept = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
            self.word(word, &mut kept);
            rest = &rest[word.len()..];
            let between = &rest[..rest.find(is_part).unwrap_or(rest.len())];
            kept.push_str(between);
            rest = &rest[between.len()..];
        }
        kept
    }

    fn word(&self, word: &str, kept: &mut String) {
        if word.match_indices("eyJ").any(|(at, _)| word[at..].matches('.').count() >= 2 && word.len() - at > 30) {
            return kept.push_str(LEFT_OUT);
        }
        let mut rest = word;
        while let Some(at) = rest.find(&self.prefix) {
            let (before, ours) = rest.split_at(at + self.prefix.len());
            kept.push_str(before);
            // an id has 22 characters after the kind, a secret at least 38
            let kind = ours.find('_').map_or(0, |at| at + 1);
            let body = ours[kind..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            kept.push_str(&ours[..kind]);
            if body > 22 {
                kept.push_str(LEFT_OUT);
            } else {
                kept.push_str(&ours[kind..kind + body]);
            }
            rest = &ours[kind + body..];
        }
        kept.push_str(rest);
    }
}

/// Whether the value of what is called so is left out.
fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    !HARMLESS.contains(&plain.as_str())
        && (WHOLE.contains(&plain.as_str()) || AT_THE_END.iter().any(|end| plain.ends_with(end)) || WITHIN.iter().any(|part| plain.contains(part)))
}

/// Percent-decoded (RFC 3986, section 2.1), once; what is no encoding stays, what is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let value = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// At most `most` characters, and a sign that there was more.
#[must_use]
pub fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
