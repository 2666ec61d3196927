//! The m4u text protocol.
#![no_main]
use claviger_domain::schemes::legacy::text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(call) = text::parse(data) {
        assert!(!call.login.username.contains('\n'));
    }
});
