//! `Signature-Input` and `Signature` (RFC 9421); the check, and the explanation.
#![no_main]
use claviger_domain::schemes::{
    message_signatures::{self, Site},
    signing::Algorithm,
};
use claviger_fuzz::{BODY, checked_with, headers, lines, request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([input, signature, target], rest)) = lines(data) else { return };
    let Ok(target) = std::str::from_utf8(target) else { return };
    let Ok(parameters) = message_signatures::parse(input, signature, |id| id.starts_with("test")) else { return };
    assert!(parameters.key_id.starts_with("test"));
    let (fields, site) = (headers(rest), Site { secure: true, authority: "example.com" });
    let (key, now, policy) = checked_with(Algorithm::Sha256);
    if let Err(failure) = message_signatures::check(&parameters, &request(target, &fields), &site, BODY, &key, now, &policy) {
        let _ = message_signatures::explain(&parameters, &request(target, &fields), &site, failure, now);
    }
});
