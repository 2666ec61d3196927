//! Path templates: fixed segments and parameters, each parameter one whole segment. No regular expressions, no greedy tails.
use std::fmt;

/// A path such as `/v1/orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
    trailing_slash: bool,
}

/// A part of a template between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Matches itself.
    Fixed(String),
    /// Matches any one segment that is not empty; the name is for people.
    Parameter(String),
}

/// The most segments a path can have: as many as there are bits in the mask by which matching compares templates.
pub(super) const MOST_SEGMENTS: usize = 64;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence, when it does not begin with a slash, has an empty or a dot segment, mixes text and parameter in one segment, or
    /// has a fixed segment that could be spelled in two ways on the wire (RFC 3986, section 2: anything that needs encoding).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("a path begins with a slash")?;
        if text.len() > 2048 {
            return Err("the path is longer than 2048 bytes");
        }
        let (path, trailing_slash) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let segments = if path.is_empty() && text == "/" { Vec::new() } else { path.split('/').map(segment).collect::<Result<_, _>>()? };
        if segments.len() > MOST_SEGMENTS {
            return Err("the path has more than 64 segments");
        }
        Ok(Self { text: text.to_owned(), segments, trailing_slash })
    }

    /// The template as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether a slash ends it.
    #[must_use]
    pub const fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    pub(super) fn last_fixed(&self) -> Option<&str> {
        self.segments.iter().rev().find_map(|segment| match segment {
            Segment::Fixed(text) => Some(text.as_str()),
            Segment::Parameter(_) => None,
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn segment(text: &str) -> Result<Segment, &'static str> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return match name {
            "" => Err("a parameter has no name"),
            _ if name.contains(['{', '}']) => Err("a segment has two parameters; a parameter must be a whole segment"),
            _ if name.contains(|c: char| c.is_control()) => Err("a parameter's name has a control character"),
            _ => Ok(Segment::Parameter(name.to_owned())),
        };
    }
    if text.contains(['{', '}']) {
        return Err("a segment mixes text and a parameter; a parameter must be a whole segment");
    }
    match text {
        "" => Err("the path has an empty segment"),
        _ if text.bytes().all(|byte| byte == b'.') => Err("the path has a dot segment"),
        _ if !text.bytes().all(is_plain) => Err("a fixed segment has a character that needs percent-encoding or that servers read differently"),
        _ => Ok(Segment::Fixed(text.to_owned())),
    }
}

/// Whether a byte may stand in a path segment for itself: RFC 3986 `pchar` without `%`, and without `;`, after which some servers
/// read path parameters and others the name.
pub(super) const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "",
            "orders",
            "//",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a/{}",
            "/a/{x}.json",
            "/a/x{y}",
            "/a/{x}{y}",
            "/a/}",
            "/a%20b",
            "/a;b",
            "/é",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/a b",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse(&"/a".repeat(65)).is_err());
    }

    #[test]
    fn a_template_keeps_its_segments_and_its_trailing_slash() {
        let template = Template::parse("/v1/orders/{id}/").expect("good");
        assert!(template.trailing_slash() && template.segments().len() == 3 && template.last_fixed() == Some("orders"));
        assert!(Template::parse("/").is_ok_and(|root| root.segments().is_empty() && root.trailing_slash()));
        assert!(Template::parse(&"/a".repeat(64)).is_ok_and(|deep| !deep.trailing_slash()));
    }
}
