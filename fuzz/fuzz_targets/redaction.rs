//! What is kept of a reported request: in whatever text a secret stands as a word of its own, it is not kept.
#![no_main]
use claviger_domain::redaction::{Redactor, clipped};
use claviger_fuzz::lines;

/// As the installation writes one: a kind, and 38 characters or more.
const SECRET: &str = "clv_secret_0123456789abcdefghijklmnopqrstuvwxyzABCDEF";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([name], rest)) = lines(data) else { return };
    let (Ok(name), Ok(text)) = (std::str::from_utf8(name), std::str::from_utf8(rest)) else { return };
    let redactor = Redactor::new("clv");
    let _ = clipped(&redactor.header(name, text), 100);
    let _ = redactor.url(text);
    let planted = [format!("{text} {SECRET}"), format!("{SECRET} {text}"), format!("{text}&{SECRET}"), format!("{text}/{SECRET}")];
    for text in &planted {
        let kept = [Some(redactor.header(name, text)), Some(redactor.url(text)), redactor.body(name, text), Some(redactor.text(text))];
        assert!(!kept.iter().flatten().any(|kept| kept.contains(SECRET)), "kept of {text:?}: {kept:?}");
    }
});
