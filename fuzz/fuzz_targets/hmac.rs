//! `Authorization: hmac …`, the messaging kind's and Kong's; its check, and its explanation.
#![no_main]
use claviger_domain::schemes::hmac;
use claviger_fuzz::{BODY, checked_with, headers, lines, request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([value, target], rest)) = lines(data) else { return };
    let (Some(parameters), Ok(target)) = (hmac::parse(value), std::str::from_utf8(target)) else { return };
    let fields = headers(rest);
    let (key, now, policy) = checked_with(parameters.algorithm);
    if let Err(failure) = hmac::check(&parameters, &request(target, &fields), BODY, &key, now, &policy) {
        let _ = hmac::explain(&parameters, &request(target, &fields), failure, now);
    }
});
