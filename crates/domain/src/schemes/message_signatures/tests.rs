//! RFC 9421 against its own vector, what we demand beyond it, and what must be refused.
use data_encoding::BASE64;

use super::{
    super::signing::fixture::{Headers, at, sign},
    *,
};

const AT: i64 = 1_618_884_473;
const BODY: &[u8] = br#"{"hello": "world"}"#;
const DIGEST: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
const SITE: Site<'static> = Site { secure: true, authority: "Example.com:443" };
const LIST: &str = r#"("@method" "@authority" "@path" "@query" "content-digest")"#;
const PARAMETERS: &str = r#";created=1618884473;keyid="cred_1";alg="hmac-sha256""#;

fn ours(key_id: &str) -> bool {
    key_id.starts_with("cred_")
}

/// A signed `POST https://example.com/foo?param=Value&Pet=dog`.
#[derive(Clone)]
struct Sent {
    input: String,
    signature: String,
    method: String,
    target: String,
    headers: Headers,
    body: Vec<u8>,
}

/// Signs `inner`, an inner list with parameters as it stands in the field, over the base of the request with these lines.
fn posted_over(inner: &str, lines: &str) -> Sent {
    let base = format!("{lines}\"@signature-params\": {inner}");
    Sent {
        input: format!("sig1={inner}"),
        signature: format!("sig1=:{}:", sign(b"secret", Algorithm::Sha256, &base)),
        method: "POST".into(),
        target: "/foo?param=Value&Pet=dog".into(),
        headers: Headers::new(&[("Host", "example.com"), ("Content-Digest", DIGEST), ("X-Twice", "a"), ("x-twice", "b")]),
        body: BODY.into(),
    }
}

fn lines() -> String {
    format!("\"@method\": POST\n\"@authority\": example.com\n\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n\"content-digest\": {DIGEST}\n")
}

fn posted() -> Sent {
    posted_over(&format!("{LIST}{PARAMETERS}"), &lines())
}

impl Sent {
    fn parameters(&self) -> Result<Parameters<'_>, Unreadable> {
        parse(self.input.as_bytes(), self.signature.as_bytes(), ours)
    }

    fn verify_at(&self, now: i64) -> Result<Verified, Failure> {
        let request = Request { method: &self.method, target: &self.target, fields: &self.headers, client_ip: None };
        let key = Key::prepare(b"secret", Algorithm::Sha256);
        check(&self.parameters().expect("readable"), &request, &SITE, Body::Given(&self.body), &key, at(now), &Policy::default())
    }

    fn verify(&self) -> Result<Verified, Failure> {
        self.verify_at(AT)
    }
}

#[test]
fn the_vector_of_appendix_b_2_5_has_its_base_and_its_signature() {
    let input = r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
    let signature = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:";
    let parameters = parse(input.as_bytes(), signature.as_bytes(), |id| id == "test-shared-secret").expect("readable");
    let fields = Headers::new(&[("Host", "example.com"), ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("Content-Type", "application/json")]);
    let request = Request { method: "POST", target: "/foo?param=Value&Pet=dog", fields: &fields, client_ip: None };
    let secret = BASE64.decode(b"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==").expect("an encoding");
    let site = Site { secure: false, authority: "example.com" };
    let base = Base { parameters: &parameters, request: &request, site: &site };
    let mut string = Vec::new();
    base.write(false, &mut |piece| string.extend_from_slice(piece));
    assert_eq!(
        String::from_utf8(string).expect("text"),
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\"content-type\": application/json\n\
         \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\""
    );
    let key = Key::prepare(&secret, Algorithm::Sha256);
    assert!(key.verifies(&parameters.signature, |sink| base.write(false, sink)));
    // it covers less than we demand
    let checked = check(&parameters, &request, &site, Body::Given(BODY), &key, at(AT), &Policy::default());
    assert_eq!(checked, Err(Failure::ComponentUnsigned("@method")));
}

#[test]
fn a_request_with_all_we_demand_verifies() {
    let verified = posted().verify().expect("accepted");
    assert_eq!(verified.signed_at, at(AT));
    assert_eq!(verified.content_digest.map(|digest| digest.to_string()).as_deref(), Some(DIGEST));
    let inner = format!(
        r#"("@method" "@authority" "@path" "@query" "content-digest"  "@scheme" "@target-uri" "@request-target" ){PARAMETERS};nonce="n-1";tag="app";expires=1618884533"#
    );
    let more = "\"@scheme\": https\n\"@target-uri\": https://example.com/foo?param=Value&Pet=dog\n\"@request-target\": /foo?param=Value&Pet=dog\n";
    let sent = posted_over(&inner, &format!("{}{more}", lines()));
    assert!(sent.verify().is_ok());
    let parameters = sent.parameters().expect("readable");
    assert_eq!((parameters.nonce, parameters.tag, parameters.key_id, parameters.label), (Some("n-1"), Some("app"), "cred_1", "sig1"));
    assert_eq!((sent.verify_at(AT + 59).is_ok(), sent.verify_at(AT + 60)), (true, Err(Failure::Expired)));
}

#[test]
fn an_absent_query_is_a_question_mark_and_a_request_without_a_body_needs_no_digest() {
    let inner = format!(r#"("@method" "@authority" "@path" "@query"){PARAMETERS}"#);
    let mut sent = posted_over(&inner, "\"@method\": GET\n\"@authority\": example.com\n\"@path\": /\n\"@query\": ?\n");
    (sent.method, sent.target, sent.body) = ("GET".into(), "/".into(), Vec::new());
    assert_eq!(sent.verify().map(|verified| verified.content_digest), Ok(None));
    sent.body = BODY.into();
    assert_eq!(sent.verify(), Err(Failure::DigestUnsigned));
    sent.headers = Headers::new(&[]);
    assert_eq!(sent.verify(), Err(Failure::DigestMissing));
    sent.target = "*".into();
    assert_eq!(sent.verify(), Err(Failure::RequestMalformed));
}

#[test]
fn every_alteration_is_refused() {
    let altered = |change: fn(&mut Sent)| {
        let mut sent = posted();
        change(&mut sent);
        sent.verify().expect_err("refused")
    };
    assert_eq!(altered(|sent| sent.body[0] ^= 1), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.body.clear()), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.method = "PUT".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.method = "post".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.target = "/fooo?param=Value&Pet=dog".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.target = "/foo?param=Value&Pet=cat".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.target = "/foo".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.input = sent.input.replace("4473", "4474")), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.input = sent.input.replace("\"@method\" ", "\"@method\"  ")), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.input = sent.input.replace("cred_1", "cred_2")), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| drop(sent.headers.0.remove(1))), Failure::SignedHeaderMissing("content-digest".into()));
    assert_eq!(
        altered(|sent| sent.headers = sent.headers.clone().with("content-digest", DIGEST)),
        Failure::SignedHeaderRepeated("content-digest".into())
    );
    assert_eq!(altered(|sent| sent.headers.0[1].1 = b"md5=:k4i93naHvgkzzBpozESmsQ==:".into()), Failure::DigestMalformed("content-digest".into()));
    assert_eq!(altered(|sent| sent.headers.0[1].1.push(0xe9)), Failure::SignedHeaderMalformed("content-digest".into()));
    assert_eq!(altered(|sent| sent.input = sent.input.replace("hmac-sha256", "hmac-sha1")), Failure::AlgorithmOther);
    assert_eq!(altered(|sent| sent.input = sent.input.replace("created=1618884473;", "")), Failure::MissingDate);
    assert_eq!(altered(|sent| sent.input = sent.input.replace("\"@path\"", "\"@path\" \"@path\"")), Failure::SignedHeaderRepeated("@path".into()));
    assert_eq!(
        altered(|sent| sent.input = sent.input.replace("\"content-digest\"", "\"content-digest\" \"x-twice\"")),
        Failure::SignedHeaderRepeated("x-twice".into())
    );
    for name in ["@method", "@authority", "@path", "@query"] {
        let mut sent = posted();
        sent.input = sent.input.replace(&format!("\"{name}\""), "\"host\"");
        assert_eq!(sent.verify(), Err(Failure::ComponentUnsigned(name)));
    }
    for unsupported in ["\"@status\"", "\"Host\"", "\"host\";sf", "\"@query-param\";name=\"x\"", "\"@method\";req", "\"@signature-params\"", "\"\""] {
        let mut sent = posted();
        sent.input = sent.input.replace("\"content-digest\"", &format!("\"content-digest\" {unsupported}"));
        assert!(matches!(sent.verify(), Err(Failure::ComponentUnsupported(_))), "{unsupported}");
    }
}

#[test]
fn the_window_is_300_seconds_either_way() {
    for (difference, accepted) in [(300, true), (-300, true), (301, false), (-301, false)] {
        let outside = Err(Failure::DateOutside { difference_seconds: difference });
        assert_eq!(posted().verify_at(AT - difference).map(|_| ()), if accepted { Ok(()) } else { outside });
    }
}

#[test]
fn the_authority_is_in_lower_case_without_the_scheme_s_own_port() {
    let written = |secure, authority| {
        let sent = posted();
        let request = Request { method: "GET", target: "/", fields: &sent.headers, client_ip: None };
        let mut text = Vec::new();
        let parameters = sent.parameters().expect("readable");
        Base { parameters: &parameters, request: &request, site: &Site { secure, authority } }
            .write_authority(&mut |piece| text.extend_from_slice(piece));
        String::from_utf8(text).expect("text")
    };
    assert_eq!(written(true, "WWW.Example.COM:443"), "www.example.com");
    assert_eq!(written(true, "example.com:80"), "example.com:80");
    assert_eq!(written(false, "example.com:80"), "example.com");
    assert_eq!(written(false, "[::1]:8080"), "[::1]:8080");
}

#[test]
fn of_several_signatures_exactly_one_may_be_ours() {
    let sent = posted();
    let proxy = r#"proxy_sig=("@method" "@authority";req "x";key="a");created=1;keyid="rsa, (\"x\")";alg="rsa-v1_5-sha256";unknown"#;
    let proxy_signature = "proxy_sig=:AAAA:";
    for (input, signature) in [
        (format!("{}, {proxy}", sent.input), format!("{proxy_signature}, {}", sent.signature)),
        (format!("{proxy} \t,\t {}  ", sent.input), format!("{} ,{proxy_signature}", sent.signature)),
    ] {
        let both = Sent { input, signature, ..sent.clone() };
        assert_eq!(both.verify(), sent.verify());
    }
    let twice = format!("{}, {}", sent.input, sent.input.replace("sig1", "sig2"));
    let signatures = format!("{}, {}", sent.signature, sent.signature.replace("sig1", "sig2"));
    for (input, signature, why) in [
        (twice, signatures, Unreadable::SeveralOurs),
        (proxy.to_owned(), proxy_signature.to_owned(), Unreadable::NoneOurs),
        (sent.input.replace(";keyid=\"cred_1\"", ""), sent.signature.clone(), Unreadable::NoneOurs),
        (sent.input.clone(), sent.signature.replace("sig1", "sig2"), Unreadable::LabelsDiffer),
        (sent.input.clone(), format!("{}, {proxy_signature}", sent.signature), Unreadable::LabelsDiffer),
        (String::new(), String::new(), Unreadable::NoneOurs),
        (format!("{}, {}", sent.input, sent.input), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.clone(), format!("{}, {}", sent.signature, sent.signature), Unreadable::Malformed),
        (format!("{};created=1618884473", sent.input), sent.signature.clone(), Unreadable::Malformed),
        (format!("{};keyid=\"cred_1\"", sent.input), sent.signature.clone(), Unreadable::Malformed),
        (format!("{};other=1", sent.input), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.replace("1618884473", "\"1618884473\""), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.replace("1618884473", "1618884473.5"), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.replace("\"@method\"", "method"), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.replace("\"@method\"", "\"\\\"@method\""), sent.signature.clone(), Unreadable::Malformed),
        ("sig1=\"x\"".to_owned(), sent.signature.clone(), Unreadable::Malformed),
        (sent.input.clone(), "sig1=\"x\"".to_owned(), Unreadable::Malformed),
        (sent.input.clone(), format!("sig1=:{}:", "A".repeat(8000)), Unreadable::Malformed),
    ] {
        assert_eq!(parse(input.as_bytes(), signature.as_bytes(), ours), Err(why), "{input}");
    }
}

#[test]
fn an_explanation_shows_the_base() {
    let sent = posted();
    let request = Request { method: "POST", target: "/bar", fields: &sent.headers, client_ip: None };
    let explanation = explain(&sent.parameters().expect("readable"), &request, &SITE, Failure::SignatureMismatch, at(AT + 5));
    assert_eq!(
        explanation.signing_string,
        format!("{}\"@signature-params\": {LIST}{PARAMETERS}", lines().replace("/foo", "/bar").replace("param=Value&Pet=dog", ""))
    );
    assert_eq!(explanation.clock_difference_seconds, Some(-5));
    assert_eq!(explanation.headers_seen.iter().map(|seen| &*seen.name).collect::<Vec<_>>(), ["content-digest", "host"]);
}

proptest::proptest! {
    #[test]
    fn no_fields_make_the_parser_panic(input: Vec<u8>, signature: Vec<u8>, text in "(sig[12]=\\((\"[@a-z]{0,9}\" ?){0,3}\\)(;[a-z]{2,7}=(\"[a-z_]{0,6}\"|[0-9]{1,9}))?,? ?){0,4}") {
        let _ = parse(&input, &signature, |_| true);
        let _ = parse(text.as_bytes(), b"sig1=:AAAA:, sig2=:AAAA:", |_| true);
        let _ = parse(text.as_bytes(), b"sig1=:AAAA:", |_| true);
    }

    #[test]
    fn what_our_signer_signs_verifies_and_no_other_byte_does(path in "/[!-~&&[^?]]{0,20}", query in "[!-~]{0,20}", nonce in "[ -~&&[^\"\\\\]]{0,20}", index: proptest::sample::Index, bit in 0..7_u32) {
        let inner = format!("{LIST}{PARAMETERS};nonce=\"{nonce}\"");
        let lines = format!("\"@method\": POST\n\"@authority\": example.com\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {DIGEST}\n");
        let mut sent = posted_over(&inner, &lines);
        sent.target = format!("{path}?{query}");
        proptest::prop_assert!(sent.verify().is_ok());
        proptest::prop_assert_eq!(sent.parameters().expect("readable").nonce, Some(&*nonce));
        let mut bytes = sent.target.clone().into_bytes();
        let at = index.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut other = sent.clone();
        other.target = String::from_utf8(bytes).expect("text");
        proptest::prop_assert!(other.verify().is_err());
        let mut bytes = sent.input.clone().into_bytes();
        let at = index.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let other = Sent { input: String::from_utf8(bytes).expect("text"), ..sent };
        // a flipped label is another label; anything else must not verify
        proptest::prop_assert!(other.parameters().is_err() || other.verify().is_err());
    }
}
