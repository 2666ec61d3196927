//! `Authorization: Bearer …` (RFC 6750).
#![no_main]
use claviger_domain::schemes::bearer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(token) = bearer::parse(data) {
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{token:?}");
        let _ = bearer::has_token_form(token);
    }
});
