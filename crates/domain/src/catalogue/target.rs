//! A request target as sent on the wire, split into segments, or the finding that two servers could read it differently.
use super::template::{MOST_SEGMENTS, is_plain};

/// A target that every server splits in the same way. Its segments are as sent.
pub(super) struct Target<'t> {
    segments: [&'t [u8]; MOST_SEGMENTS],
    length: usize,
    /// Whether a slash ends the path.
    pub(super) trailing_slash: bool,
    /// Whether it has more segments than any template.
    pub(super) too_deep: bool,
}

impl<'t> Target<'t> {
    /// Reads path and query; `None` when it is ambiguous.
    ///
    /// Only origin-form counts (RFC 9112, section 3.2.1): a proxy that took its path out of `http://host/path` is another reader.
    /// Refused in the path: empty and dot segments, `\`, `;`, `#`, bytes that must be encoded and are not, and whatever
    /// [`is_unmistakable`] refuses once decoded.
    pub(super) fn read(bytes: &'t [u8]) -> Option<Self> {
        let (path, query) = match bytes.iter().position(|byte| *byte == b'?') {
            Some(end) => bytes.split_at(end),
            None => (bytes, &[][..]),
        };
        if query.iter().any(|byte| *byte <= b' ' || matches!(byte, 0x7f | b'#')) {
            return None;
        }
        let path = path.strip_prefix(b"/")?;
        let mut target = Self { segments: [&[]; MOST_SEGMENTS], length: 0, trailing_slash: path.is_empty(), too_deep: false };
        if path.is_empty() {
            return Some(target);
        }
        let (path, trailing_slash) = match path.strip_suffix(b"/") {
            Some(path) => (path, true),
            None => (path, false),
        };
        target.trailing_slash = trailing_slash;
        for segment in path.split(|byte| *byte == b'/') {
            if !is_unmistakable(segment) {
                return None;
            }
            match target.segments.get_mut(target.length) {
                Some(place) => *place = segment,
                None => target.too_deep = true,
            }
            target.length = (target.length + 1).min(MOST_SEGMENTS);
        }
        Some(target)
    }

    pub(super) fn segments(&self) -> &[&'t [u8]] {
        self.segments.get(..self.length).unwrap_or_default()
    }
}

/// Whether every server reads a segment as the same text.
fn is_unmistakable(segment: &[u8]) -> bool {
    let mut encoded = false;
    for byte in segment {
        if *byte == b'%' {
            encoded = true;
        } else if !is_plain(*byte) {
            return false;
        }
    }
    if encoded { is_unmistakable_encoded(segment) } else { !is_dots(segment) }
}

/// The same for a segment with percent-encoding (RFC 3986, section 2.1), upper or lower case alike. Refused: half an encoding,
/// what is not UTF-8 (overlong forms included), controls, an encoded delimiter (`/`, `\`, `;`, `?`, `#`: a server that decodes
/// first cuts there), dot segments, and what decodes a second time.
fn is_unmistakable_encoded(segment: &[u8]) -> bool {
    let halves = segment.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    for (at, _) in halves {
        if !segment.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return false;
        }
    }
    let once: Vec<u8> = decoded(segment).collect();
    let twice = once.windows(3).any(|three| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    let Ok(text) = std::str::from_utf8(&once) else { return false };
    !twice && !is_dots(&once) && !text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ';' | '?' | '#'))
}

/// Empty, or nothing but dots and blanks: some file systems and servers take `...` and `. ` for `..` or for nothing.
fn is_dots(segment: &[u8]) -> bool {
    segment.iter().all(|byte| matches!(byte, b'.' | b' '))
}

/// The bytes of a segment, percent-encoding undone once. Half an encoding stands for itself.
pub(super) fn decoded(segment: &[u8]) -> impl Iterator<Item = u8> + Clone {
    let mut rest = segment;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        if let (b'%', [high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = after;
        Some(*first)
    })
}
