//! The draft's vector, what we demand beyond it, and what must be refused.
use super::{
    super::signing::fixture::{Headers, at, sign},
    *,
};

const SECRET: &[u8] = b"test-secret-0123456789abcdef";
const DATE: &str = "Tue, 20 Apr 2021 02:07:55 GMT";
const AT: i64 = 1_618_884_475;
const BODY: &[u8] = br#"{"hello": "world"}"#;
const VECTOR: &str = r#"Signature keyId="cred_1",algorithm="hmac-sha256",headers="(request-target) host date digest",signature="Q6xp7SHxu5cDPmkXMgnPGBHJqXHisJxMZTVbNeexriY=""#;

fn headers() -> Headers {
    Headers::new(&[("Host", "example.com"), ("Date", DATE), ("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")])
}

fn verify_at(value: &str, method: &str, target: &str, fields: &Headers, body: &[u8], now: i64) -> Result<Verified, Failure> {
    let parameters = parse(value.as_bytes()).expect("readable");
    let key = Key::prepare(SECRET, parameters.algorithm.unwrap_or(Algorithm::Sha256));
    let policy = Policy { sha1_allowed: false, ..Policy::default() };
    check(&parameters, &Request { method, target, fields, client_ip: None }, Body::Given(body), &key, at(now), &policy)
}

fn verify(value: &str, fields: &Headers, body: &[u8]) -> Result<Verified, Failure> {
    verify_at(value, "POST", "/foo?param=Value&Pet=dog", fields, body, AT)
}

/// A request without a body, signed over `string`.
fn signed(parameters: &str, list: &str, string: &str, now: i64) -> Result<Verified, Failure> {
    let value = format!(r#"Signature keyId="cred_1",{parameters}headers="{list}",signature="{}""#, sign(SECRET, Algorithm::Sha256, string));
    verify_at(&value, "GET", "/", &headers(), b"", now)
}

#[test]
fn the_vector_verifies_with_each_name_that_leaves_the_algorithm_to_the_key() {
    for value in [VECTOR.to_owned(), VECTOR.replace("hmac-sha256", "hs2019"), VECTOR.replace(r#"algorithm="hmac-sha256","#, "")] {
        let verified = verify(&value, &headers(), BODY).expect("accepted");
        assert_eq!(verified.signed_at, at(AT));
        assert!(verified.content_digest.is_some_and(|digest| digest.matches(BODY)));
    }
    assert_eq!(parse_field(VECTOR.trim_start_matches("Signature ").as_bytes()), parse(VECTOR.as_bytes()));
}

#[test]
fn every_alteration_is_refused() {
    let (path, fields) = ("/foo?param=Value&Pet=dog", headers());
    assert_eq!(verify(VECTOR, &fields, b"{}"), Err(Failure::DigestMismatch));
    assert_eq!(verify(VECTOR, &fields, b""), Err(Failure::DigestMismatch));
    assert_eq!(verify_at(VECTOR, "PUT", path, &fields, BODY, AT), Err(Failure::SignatureMismatch));
    assert_eq!(verify_at(VECTOR, "post", path, &fields, BODY, AT), Err(Failure::RequestMalformed));
    assert_eq!(verify_at(VECTOR, "POST", "/foo?param=Value&Pet=cat", &fields, BODY, AT), Err(Failure::SignatureMismatch));
    assert_eq!(verify_at(VECTOR, "POST", "/foo", &fields, BODY, AT), Err(Failure::SignatureMismatch));
    assert_eq!(verify_at(VECTOR, "POST", path, &fields, BODY, AT + 301), Err(Failure::DateOutside { difference_seconds: -301 }));
    assert_eq!(verify_at(VECTOR, "POST", path, &fields, BODY, AT - 301), Err(Failure::DateOutside { difference_seconds: 301 }));
    assert!(verify_at(VECTOR, "POST", path, &fields, BODY, AT + 300).is_ok());
    assert_eq!(verify(VECTOR, &fields.clone().with("date", DATE), BODY), Err(Failure::SignedHeaderRepeated("date".into())));
    assert_eq!(verify(VECTOR, &Headers::new(&[("Host", "example.com")]), BODY), Err(Failure::SignedHeaderMissing("date".into())));
    let listed = |list: &str| verify(&VECTOR.replace("(request-target) host date digest", list), &headers(), BODY);
    assert_eq!(listed("host date digest"), Err(Failure::ComponentUnsigned("(request-target)")));
    assert_eq!(listed("(request-target) date digest"), Err(Failure::ComponentUnsigned("host")));
    assert_eq!(listed("(request-target) host digest"), Err(Failure::DateUnsigned));
    assert_eq!(listed("(request-target) host date"), Err(Failure::DigestUnsigned));
    assert_eq!(listed("(request-target) host date digest Date"), Err(Failure::SignedHeaderRepeated("date".into())));
    assert_eq!(verify(&VECTOR.replace("hmac-sha256", "hmac-sha1"), &headers(), BODY), Err(Failure::AlgorithmOff));
    assert_eq!(
        verify(&VECTOR.replace(r#",headers="(request-target) host date digest""#, ""), &headers(), BODY),
        Err(Failure::ComponentUnsigned("(request-target)"))
    );
}

#[test]
fn created_and_expires_are_signed_numbers_that_only_the_key_s_own_algorithm_has() {
    let list = "(request-target) (created) (expires) host";
    let string = format!("(request-target): get /\n(created): {AT}\n(expires): {}\nhost: example.com", AT + 60);
    let parameters = format!("created={AT},expires={},", AT + 60);
    assert_eq!(signed(&parameters, list, &string, AT + 59).map(|verified| verified.signed_at), Ok(at(AT)));
    assert_eq!(signed(&parameters, list, &string, AT + 60), Err(Failure::Expired));
    assert_eq!(signed(&parameters, list, &string, AT - 301), Err(Failure::DateOutside { difference_seconds: 301 }));
    let named = format!("algorithm=\"hmac-sha256\",{parameters}");
    assert_eq!(signed(&named, list, &string, AT), Err(Failure::ComponentUnsupported("(created)".into())));
    assert_eq!(signed("", list, &string, AT), Err(Failure::SignedHeaderMissing("(created)".into())));
}

#[test]
fn what_is_not_exactly_the_parameters_is_refused() {
    for bad in [
        String::new(),
        "Signature".into(),
        VECTOR.replace("Signature ", "Basic "),
        VECTOR.replace("keyId=\"cred_1\",", ""),
        VECTOR.replace("cred_1", ""),
        VECTOR.replace("hmac-sha256", "rsa-sha256"),
        VECTOR.replace("keyId", "keyid"),
        VECTOR.replace("\",", "\" "),
        format!("{VECTOR},created=\"{AT}\""),
        format!("{VECTOR},created=-1"),
        format!("{VECTOR},created=1.5"),
        format!("{VECTOR},created={AT},created={AT}"),
        format!("{VECTOR},extra=1"),
        VECTOR.replace("(request-target)", "(Request-Target)"),
        VECTOR.replace("(request-target)", "(other)"),
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn an_explanation_shows_the_string_and_the_clock() {
    let parameters = parse(VECTOR.as_bytes()).expect("readable");
    let fields = headers().with("authorization", VECTOR);
    let request = Request { method: "POST", target: "/foo", fields: &fields, client_ip: None };
    let explanation = explain(&parameters, &request, Failure::SignatureMismatch, at(AT - 10));
    assert!(explanation.signing_string.starts_with("(request-target): post /foo\nhost: example.com\ndate: Tue"));
    assert_eq!(explanation.clock_difference_seconds, Some(10));
    assert_eq!(explanation.headers_seen.len(), 3);
}

proptest::proptest! {
    #[test]
    fn no_value_makes_the_parser_panic(value: Vec<u8>, text in "Signature ([a-zA-Z]{1,9}=\"?[a-z0-9() +/=-]{0,50}\"?,?){0,6}") {
        let _ = (parse(&value), parse(text.as_bytes()), parse_field(&value));
    }

    #[test]
    fn what_our_signer_signs_verifies_for_it_alone(target in "/[!-~]{0,30}", other in "/[!-~]{0,30}") {
        let string = format!("(request-target): get {target}\nhost: example.com\ndate: {DATE}");
        let value = format!(r#"Signature keyId="k",headers="(request-target) host date",signature="{}""#, sign(SECRET, Algorithm::Sha256, &string));
        proptest::prop_assert!(verify_at(&value, "GET", &target, &headers(), b"", AT).is_ok());
        proptest::prop_assert_eq!(verify_at(&value, "GET", &other, &headers(), b"", AT).is_ok(), other == target);
    }
}
