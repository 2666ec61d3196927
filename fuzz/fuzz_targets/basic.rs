//! `Authorization: Basic …` (RFC 7617).
#![no_main]
use claviger_domain::schemes::basic;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(pair) = basic::parse(data) {
        assert!(!pair.user().contains(':'));
        assert!(!pair.user().chars().chain(pair.password().chars()).any(char::is_control));
    }
});
