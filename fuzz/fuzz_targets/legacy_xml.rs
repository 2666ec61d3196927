//! The SOAP and XML calls of the older transports.
#![no_main]
use claviger_domain::schemes::legacy::xml;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = xml::Envelope::guess(data);
    if let Ok(call) = xml::parse(data) {
        assert!(!call.login.username.is_empty());
    }
});
