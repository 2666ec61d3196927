//! What the targets share: a request made of a stranger's bytes. Each target is one file in `fuzz_targets/`, its seeds in `corpus/`.
use claviger_domain::{
    schemes::{
        Fields, Request,
        signing::{Algorithm, Body, Key, Policy},
    },
    time::Timestamp,
};

/// Header fields in the order of the request, each a line `name: value`, in whatever bytes.
pub struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

impl Fields for Headers<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let wanted: Vec<&[u8]> = self.0.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect();
        wanted.into_iter()
    }
}

/// What is left of `data` after `count` lines, and those lines.
pub fn lines<const COUNT: usize>(data: &[u8]) -> Option<([&[u8]; COUNT], &[u8])> {
    let mut rest = data;
    let mut first = [&[][..]; COUNT];
    for line in &mut first {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        (*line, rest) = (&rest[..end], &rest[end + 1..]);
    }
    Some((first, rest))
}

/// The header fields in `data`; lines that are none are passed over.
pub fn headers(data: &[u8]) -> Headers<'_> {
    let split = |line: &'_ [u8]| line.windows(2).position(|two| two == b": ");
    let fields =
        data.split(|byte| *byte == b'\n').filter_map(|line| Some((std::str::from_utf8(&line[..split(line)?]).ok()?, &line[split(line)? + 2..])));
    Headers(fields.collect())
}

/// A request with these fields.
pub fn request<'a>(target: &'a str, fields: &'a Headers<'a>) -> Request<'a, Headers<'a>> {
    Request { method: "POST", target, fields, client_ip: None }
}

/// What a signature is checked with: a key, the time, the policy.
pub fn checked_with(algorithm: Algorithm) -> (Key, Timestamp, Policy) {
    (Key::prepare(b"secret", algorithm), Timestamp::from_micros(1_618_884_475_000_000), Policy::default())
}

/// The body of every signed request.
pub const BODY: Body<'static> = Body::Given(b"{\"hello\": \"world\"}");
