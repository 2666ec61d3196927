//! `Signature …` (draft-cavage-http-signatures-12) in either header; its check, and its explanation.
#![no_main]
use claviger_domain::schemes::cavage;
use claviger_fuzz::{BODY, checked_with, headers, lines, request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([value, target], rest)) = lines(data) else { return };
    let Ok(target) = std::str::from_utf8(target) else { return };
    let fields = headers(rest);
    for parameters in [cavage::parse(value), cavage::parse_field(value)].into_iter().flatten() {
        let (key, now, policy) = checked_with(parameters.hash());
        if let Err(failure) = cavage::check(&parameters, &request(target, &fields), BODY, &key, now, &policy) {
            let _ = cavage::explain(&parameters, &request(target, &fields), failure, now);
        }
    }
});
