//! Envoy's `CheckRequest`, as it comes by gRPC: the very messages that the server decodes.
#![no_main]
use prost::Message;

#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/server/src/verify/check/messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(check) = messages::CheckRequest::decode(data) {
        let again = messages::CheckRequest::decode(&*check.encode_to_vec()).expect("what we wrote");
        assert_eq!(again, check);
    }
});
