//! `Content-MD5`, `Digest` (RFC 3230) and `Content-Digest` (RFC 9530).
#![no_main]
use claviger_domain::schemes::digest::ContentDigest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for digest in [ContentDigest::from_content_md5(data), ContentDigest::from_digest(data), ContentDigest::from_content_digest(data)].into_iter().flatten() {
        assert!([16, 20, 32, 48, 64].contains(&digest.as_bytes().len()));
        assert!(!digest.matches(b"nobody's body"));
    }
});
