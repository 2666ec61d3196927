//! An operator's OpenAPI document; what was read of it is stored and read back the same.
#![no_main]
use claviger_domain::catalogue::Catalogue;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(catalogue) = Catalogue::from_openapi(text) {
        let stored = catalogue.as_json();
        if !stored.is_empty() {
            let read = Catalogue::from_json(stored).expect("what we wrote");
            assert_eq!((read.as_json(), read.operations()), (stored, catalogue.operations()));
        }
    }
    let _ = Catalogue::from_json(text);
});
