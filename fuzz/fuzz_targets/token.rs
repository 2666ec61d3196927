//! What generated credentials look like.
#![no_main]
use std::sync::LazyLock;

use claviger_domain::{
    keyed::Tag,
    token::{Format, Purpose},
};

static FORMAT: LazyLock<Format> = LazyLock::new(|| Format::new("clv", Tag::new(&[7; 32])).expect("a prefix"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for purpose in [Purpose::Client, Purpose::ApiKey, Purpose::Basic, Purpose::Hmac, Purpose::Operator, Purpose::Canary] {
        if let Some(parts) = FORMAT.parse_key(purpose, text) {
            assert!(FORMAT.is_public_id(purpose, parts.public_id) && text.starts_with(parts.public_id));
        }
        let _ = FORMAT.is_public_id(purpose, text);
    }
    let _ = FORMAT.is_secret(text);
    let _ = Format::new(text, Tag::new(&[7; 32]));
});
