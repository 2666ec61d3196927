//! Which operation a request is: a method, and a target in whatever bytes.
#![no_main]
use std::sync::LazyLock;

use claviger_domain::catalogue::{Catalogue, Match};
use claviger_fuzz::lines;

static SHOP: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::from_openapi(include_str!("../../crates/domain/src/catalogue/samples/shop.yaml")).expect("readable"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(([method], target)) = lines(data) else { return };
    let Ok(method) = std::str::from_utf8(method) else { return };
    let found = SHOP.find(method, target);
    if let Match::Operation(_) = found {
        assert!(target.starts_with(b"/"));
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        assert_eq!(SHOP.find(method, path), found, "a query changes nothing");
        let dots = |segment: &[u8]| matches!(segment, b"." | b"..");
        assert!(!path.split(|byte| *byte == b'/').any(dots), "a path that walks was given a meaning");
    }
});
