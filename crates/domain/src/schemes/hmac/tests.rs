//! The dialect against the vectors of its field clients, and against each alteration that must be refused.
use super::{
    super::signing::fixture::{Headers, at, sign},
    *,
};

const B1: &str = r#"{"messages": [{"content": "Content", "destination_number": "+1234567890", "delivery_report": true, "format": "SMS"}]}"#;
const B2: &str = r#"{ "something": "Test test test" }"#;
const HELLO: &str = r#"{"hello": "world"}"#;

const V1_DATE: &str = "Fri, 11 Jul 2014 07:16:51 GMT";
const V1_AT: i64 = 1_405_063_011;
const V2_DATE: &str = "Thu, 12 Dec 2019 10:16:19 GMT";
const V2_AT: i64 = 1_576_145_779;
const KONG_DATE: &str = "Tue, 20 Apr 2021 02:07:55 GMT";
const KONG_AT: i64 = 1_618_884_475;

/// A signed request, as a client sends it.
#[derive(Clone)]
struct Sent {
    authorization: String,
    method: String,
    target: String,
    headers: Headers,
    body: Option<Vec<u8>>,
}

impl Sent {
    fn verify(&self, secret: &str, now: Timestamp, policy: &Policy) -> Result<Verified, Failure> {
        let body = self.body.as_deref().map_or(Body::Absent, Body::Given);
        self.verify_with(body, secret, now, policy)
    }

    fn verify_with(&self, body: Body<'_>, secret: &str, now: Timestamp, policy: &Policy) -> Result<Verified, Failure> {
        let parameters = parse(self.authorization.as_bytes()).expect("readable");
        let key = Key::prepare(secret.as_bytes(), parameters.algorithm);
        check(&parameters, &self.request(), body, &key, now, policy)
    }

    fn request(&self) -> Request<'_, Headers> {
        Request { method: &self.method, target: &self.target, fields: &self.headers, client_ip: None }
    }
}

fn authorization(user: &str, algorithm: &str, list: &str, signature: &str) -> String {
    format!(r#"hmac username="{user}", algorithm="{algorithm}", headers="{list}", signature="{signature}""#)
}

/// V2 b of messaging-wire.md, 4.7: everything that can be altered is in it.
fn posted() -> Sent {
    Sent {
        authorization: authorization(
            "API_KEY_12345678",
            "hmac-sha256",
            "Date x-Content-MD5 request-line",
            "76yOYg2MXckrkv60DF/EoJtXBMGocHrfXYFHjhA26Es=",
        ),
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers: Headers::new(&[("Date", V2_DATE), ("x-Content-MD5", "5fe6c18746c7d300f04f08a1db90ced2")]),
        body: Some(B1.into()),
    }
}

const SECRET: &str = "API_SECRET_12345678";

#[test]
fn the_vectors_of_the_field_clients_verify() {
    let v1 = ("123", "456", V1_DATE, V1_AT);
    let v2 = ("API_KEY_12345678", SECRET, V2_DATE, V2_AT);
    let (md5_b1, md5_b2) = (Some((B1, "5fe6c18746c7d300f04f08a1db90ced2")), Some((B2, "9388bdde7687be0933cc1a68cc44a6b1")));
    let with_body = "Date x-Content-MD5 request-line";
    for ((user, secret, date, now), method, target, body, list, algorithm, signature) in [
        (v1, "POST", "/v1/messages", None, "Date request-line", "hmac-sha1", "bUAvEbDgutL51S3dmtpFp5ONgy0="),
        (v1, "POST", "/v1/messages", None, "date request-line", "hmac-sha1", "tehb61NX6NfLyYSlwQqf4ggOsvg="),
        (v1, "POST", "/v1/messages", None, "Date request-line", "hmac-sha256", "3RuKQQXnJqgrRDwKsYtAnhbxrOFMVcnrj0IzwD5Jq78="),
        (v2, "GET", "/v1", None, "Date request-line", "hmac-sha1", "GXoYmlLRdJSmIMbeM8YfL+ngCnY="),
        (v2, "GET", "/v1", None, "Date request-line", "hmac-sha256", "smoeZNk31YWTYoiVH4hi73tI5i7xAVaTNjm2PjLexZQ="),
        (v2, "POST", "/v1/messages", md5_b1, with_body, "hmac-sha1", "sLAeOwXXix428meq3vhSmwdN2gg="),
        (v2, "POST", "/v1/messages", md5_b1, with_body, "hmac-sha256", "76yOYg2MXckrkv60DF/EoJtXBMGocHrfXYFHjhA26Es="),
        (v2, "GET", "/v1", md5_b2, with_body, "hmac-sha1", "4s+H5SQr4Ucc5dAHO/KdJ1RDj0k="),
        (v2, "GET", "/v1", md5_b2, with_body, "hmac-sha256", "Ps7g0v24KnJ4c4VBsRmQhbKCmIp7cbuHMjrBmWRcK94="),
    ] {
        // header names travel in any case; the word in the list keeps its own
        for name in ["Date", "date", "DATE"] {
            let mut headers = Headers::new(&[(name, date)]);
            if let Some((_, md5)) = body {
                headers = headers.with("X-CONTENT-MD5", md5);
            }
            let authorization = authorization(user, algorithm, list, signature);
            let body = body.map(|(body, _)| body.into());
            let sent = Sent { authorization, method: method.into(), target: target.into(), headers, body };
            let verified = sent.verify(secret, at(now), &Policy::default());
            assert_eq!(verified.map(|verified| verified.signed_at), Ok(at(now)), "{list} {algorithm} {signature}");
        }
    }
}

#[test]
fn a_signature_over_another_case_of_the_word_is_refused() {
    let mut sent = posted();
    sent.authorization = authorization("123", "hmac-sha1", "Date request-line", "tehb61NX6NfLyYSlwQqf4ggOsvg=");
    sent.headers = Headers::new(&[("Date", V1_DATE)]);
    sent.body = None;
    assert_eq!(sent.verify("456", at(V1_AT), &Policy::default()), Err(Failure::SignatureMismatch));
}

#[test]
fn the_request_target_of_kong_is_computed() {
    let digest = "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
    let mut sent = Sent {
        authorization: authorization("alice", "hmac-sha256", "x-date @request-target host digest", "9JG2LFqANuY7TQ37aZGFya3EIyQV8SeNObTOlKlvFxU="),
        method: "POST".into(),
        target: "/foo?param=Value&Pet=dog".into(),
        headers: Headers::new(&[("x-date", KONG_DATE), ("host", "example.com"), ("digest", digest)]),
        body: Some(HELLO.into()),
    };
    let secret = "test-secret-0123456789abcdef";
    let verified = sent.verify(secret, at(KONG_AT), &Policy::default()).expect("accepted");
    assert_eq!(verified.content_digest.map(|digest| digest.to_string()).as_deref(), Some("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"));
    // never from a header of that name
    sent.headers = sent.headers.with("@request-target", "get /other");
    assert!(sent.verify(secret, at(KONG_AT), &Policy::default()).is_ok());
    // in the signed string it has lost its case
    sent.method = "Post".into();
    assert_eq!(sent.verify(secret, at(KONG_AT), &Policy::default()), Err(Failure::RequestLineUnsigned));
}

#[test]
fn a_header_called_request_line_is_never_read() {
    let mut sent = posted();
    sent.headers = sent.headers.with("request-line", "POST /v1/messages HTTP/1.1");
    assert!(sent.verify(SECRET, at(V2_AT), &Policy::default()).is_ok());
    sent.target = "/v1/other".into();
    assert_eq!(sent.verify(SECRET, at(V2_AT), &Policy::default()), Err(Failure::SignatureMismatch));
}

#[test]
fn every_alteration_of_a_signed_request_is_refused() {
    let ok = |sent: &Sent| sent.verify(SECRET, at(V2_AT), &Policy::default());
    assert!(ok(&posted()).is_ok());
    let altered = |change: fn(&mut Sent)| {
        let mut sent = posted();
        change(&mut sent);
        ok(&sent).expect_err("refused")
    };
    let listed = |list: &str| {
        let mut sent = posted();
        sent.authorization = sent.authorization.replace("Date x-Content-MD5 request-line", list);
        ok(&sent).expect_err("refused")
    };
    let repeated = |name: &str| Failure::SignedHeaderRepeated(name.to_owned());
    assert_eq!(altered(|sent| sent.body.as_mut().expect("a body")[5] ^= 1), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.body.as_mut().expect("a body").push(b'\n')), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.body = None), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.body = Some(Vec::new())), Failure::DigestMismatch);
    assert_eq!(altered(|sent| sent.target = "/v1/messagez".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.target = "/v1/messages?a=1".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.target = "/v1/messages?".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.method = "PUT".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.method = "post".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.headers.0[0].1[6] ^= 1), Failure::DateMalformed);
    assert_eq!(altered(|sent| sent.headers.0[0].1 = V2_DATE.replace(":19", ":20").into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.headers.0[1].1 = b"5fe6c18746c7d300f04f08a1db90ced3".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.headers.0[1].1 = b"5FE6C18746C7D300F04F08A1DB90CED2".into()), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.headers.0[1].1 = b"nonsense".into()), Failure::DigestMalformed("x-Content-MD5".into()));
    assert_eq!(altered(|sent| sent.headers = sent.headers.clone().with("date", V2_DATE)), repeated("Date"));
    assert_eq!(altered(|sent| sent.headers = sent.headers.clone().with("X-CONTENT-MD5", "")), repeated("x-Content-MD5"));
    assert_eq!(altered(|sent| drop(sent.headers.0.remove(0))), Failure::MissingDate);
    assert_eq!(altered(|sent| drop(sent.headers.0.remove(1))), Failure::SignedHeaderMissing("x-Content-MD5".into()));
    assert_eq!(altered(|sent| sent.authorization = sent.authorization.replace("hmac-sha256", "hmac-sha1")), Failure::SignatureMismatch);
    assert_eq!(altered(|sent| sent.method = "POST /v1/messages HTTP/1.1\nGET".into()), Failure::RequestMalformed);
    assert_eq!(altered(|sent| sent.target = "/v1/messages HTTP/1.1\nx:".into()), Failure::RequestMalformed);
    assert_eq!(altered(|sent| sent.target = String::new()), Failure::RequestMalformed);
    assert_eq!(listed("x-Content-MD5 request-line"), Failure::DateUnsigned);
    assert_eq!(listed("Date request-line"), Failure::DigestUnsigned);
    assert_eq!(listed("Date x-Content-MD5"), Failure::RequestLineUnsigned);
    assert_eq!(listed(""), Failure::DateUnsigned);
    assert_eq!(listed("Date x-Content-MD5 request-line date"), repeated("date"));
    assert_eq!(listed("Date x-Content-MD5 request-line request-line"), repeated("request-line"));
    assert_eq!(listed("Date x-Content-MD5 request-line Host"), Failure::SignedHeaderMissing("Host".into()));
    assert_eq!(listed("Date x-Content-MD5 request-line @path"), Failure::SignedHeaderMissing("@path".into()));
    assert_eq!(listed("request-line x-Content-MD5 Date"), Failure::SignatureMismatch);
}

#[test]
fn the_date_may_differ_by_300_seconds_and_not_by_301() {
    for (difference, accepted) in [(0, true), (300, true), (-300, true), (301, false), (-301, false), (100_000_000, false), (-1_000_000_000, false)] {
        let verified = posted().verify(SECRET, at(V2_AT - difference), &Policy::default());
        let outside = Err(Failure::DateOutside { difference_seconds: difference });
        assert_eq!(verified.map(|_| ()), if accepted { Ok(()) } else { outside }, "{difference}");
    }
    let wide = Policy { skew: std::time::Duration::from_secs(900), ..Policy::default() };
    assert!(posted().verify(SECRET, at(V2_AT + 900), &wide).is_ok());
    assert!(posted().verify(SECRET, at(V2_AT) + std::time::Duration::from_micros(300_000_001), &Policy::default()).is_err());
}

#[test]
fn either_signed_date_within_the_window_will_do() {
    let old = "Fri, 11 Jul 2014 07:16:51 GMT";
    for (x_date, date, expected) in
        [(V2_DATE, old, Ok(())), (old, V2_DATE, Ok(())), ("soon", V2_DATE, Ok(())), ("soon", "later", Err(Failure::DateMalformed))]
    {
        let string = format!("x-date: {x_date}\ndate: {date}\nGET /v1 HTTP/1.1");
        let signature = sign(b"s", Algorithm::Sha256, &string);
        let sent = Sent {
            authorization: authorization("k", "hmac-sha256", "x-date date request-line", &signature),
            method: "GET".into(),
            target: "/v1".into(),
            headers: Headers::new(&[("Date", date), ("X-Date", x_date)]),
            body: None,
        };
        assert_eq!(sent.verify("s", at(V2_AT), &Policy::default()).map(|_| ()), expected, "{x_date} {date}");
    }
}

#[test]
fn a_key_is_of_one_algorithm_and_sha_1_can_be_off() {
    let sent = posted();
    let parameters = parse(sent.authorization.as_bytes()).expect("readable");
    let key = Key::prepare(SECRET.as_bytes(), Algorithm::Sha512);
    let checked = check(&parameters, &sent.request(), Body::Given(B1.as_bytes()), &key, at(V2_AT), &Policy::default());
    assert_eq!(checked, Err(Failure::AlgorithmOther));
    let mut old = posted();
    old.authorization = authorization("API_KEY_12345678", "hmac-sha1", "Date x-Content-MD5 request-line", "sLAeOwXXix428meq3vhSmwdN2gg=");
    let off = Policy { sha1_allowed: false, ..Policy::default() };
    assert_eq!(old.verify(SECRET, at(V2_AT), &off), Err(Failure::AlgorithmOff));
    assert!(old.verify(SECRET, at(V2_AT), &Policy::default()).is_ok() && sent.verify(SECRET, at(V2_AT), &off).is_ok());
    assert_eq!(sent.verify("another secret", at(V2_AT), &off), Err(Failure::SignatureMismatch));
}

#[test]
fn where_the_body_is_not_seen_its_signed_digest_goes_to_the_upstream() {
    let verify = |sent: &Sent, body: Body<'_>| sent.verify_with(body, SECRET, at(V2_AT), &Policy::default());
    let digest = |sent: &Sent, body: Body<'_>| verify(sent, body).expect("accepted").content_digest.map(|digest| digest.to_string());
    let md5 = Some("md5=:X+bBh0bH0wDwTwih25DO0g==:".to_owned());
    let mut sent = posted();
    assert_eq!(digest(&sent, Body::NotSeen), md5);
    assert_eq!(digest(&sent, Body::Given(B1.as_bytes())), md5);
    sent.headers = sent.headers.with("Content-Length", "117");
    assert_eq!(digest(&sent, Body::NotSeen), md5);
    // a gateway that says there is none, while the fields announce one, is not believed
    assert_eq!(digest(&sent, Body::Absent), md5);

    let signature = "smoeZNk31YWTYoiVH4hi73tI5i7xAVaTNjm2PjLexZQ=";
    let authorization = authorization("API_KEY_12345678", "hmac-sha256", "Date request-line", signature);
    let bare = Sent { authorization, method: "GET".into(), target: "/v1".into(), headers: Headers::new(&[("Date", V2_DATE)]), body: None };
    assert_eq!(digest(&bare, Body::Absent), None);
    assert_eq!(digest(&bare, Body::Given(b"")), None);
    // signed as a request without a body: the upstream must find none
    assert_eq!(digest(&bare, Body::NotSeen).as_deref(), Some("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"));
    let mut announced = bare.clone();
    announced.headers = announced.headers.with("Content-Length", "5");
    for body in [Body::Absent, Body::NotSeen, Body::Given(b"hello")] {
        assert_eq!(verify(&announced, body), Err(Failure::DigestMissing));
    }
    let mut unsigned = announced.clone();
    unsigned.headers = unsigned.headers.with("Content-MD5", "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(verify(&unsigned, Body::Given(b"hello")), Err(Failure::DigestUnsigned));
}

#[test]
fn every_form_of_digest_counts_and_all_that_are_signed_must_match() {
    use super::super::digest::Hash;
    let md5 = ContentDigest::of(Hash::Md5, HELLO.as_bytes());
    let sha = ContentDigest::of(Hash::Sha256, HELLO.as_bytes());
    let base64 = data_encoding::BASE64.encode(sha.as_bytes());
    let verify = |fields: &[(&str, String)]| {
        let mut headers = Headers::new(&[("Date", V2_DATE)]);
        let mut string = format!("Date: {V2_DATE}");
        let mut list = "Date".to_owned();
        for (name, value) in fields {
            headers = headers.with(name, value);
            string += &format!("\n{name}: {value}");
            list += &format!(" {name}");
        }
        let signature = sign(b"s", Algorithm::Sha384, &format!("{string}\nPOST /?q HTTP/1.1"));
        let authorization = authorization("k", "hmac-sha384", &format!("{list} request-line"), &signature);
        let sent = Sent { authorization, method: "POST".into(), target: "/?q".into(), headers, body: Some(HELLO.into()) };
        sent.verify("s", at(V2_AT), &Policy::default()).map(|verified| verified.content_digest.expect("a digest").hash())
    };
    let upper = data_encoding::HEXUPPER.encode(md5.as_bytes());
    assert_eq!(verify(&[("Content-MD5", upper.clone())]), Ok(Hash::Md5));
    assert_eq!(verify(&[("content-md5", upper.to_lowercase())]), Ok(Hash::Md5));
    assert_eq!(verify(&[("X-Content-MD5", data_encoding::BASE64.encode(md5.as_bytes()))]), Ok(Hash::Md5));
    assert_eq!(verify(&[("Digest", format!("SHA-256={base64}"))]), Ok(Hash::Sha256));
    assert_eq!(verify(&[("Content-Digest", sha.to_string()), ("Content-MD5", upper.clone())]), Ok(Hash::Sha256));
    assert_eq!(verify(&[("Content-Digest", sha.to_string()), ("Content-MD5", upper.replace(['A', 'B'], "0"))]), Err(Failure::DigestMismatch));
    assert_eq!(verify(&[("Digest", "MD5=abc".into())]), Err(Failure::DigestMalformed("Digest".into())));
    assert_eq!(verify(&[]), Err(Failure::DigestMissing));
}

#[test]
fn copies_of_a_request_have_one_replay_key() {
    let key = |sent: &Sent| parse(sent.authorization.as_bytes()).expect("readable").replay_key();
    let mut copy = posted();
    copy.authorization = copy.authorization.replace(", ", " ,  ").replace("hmac ", "Hmac  ");
    copy.headers = copy.headers.with("X-Unsigned", "1");
    assert_eq!(key(&posted()), key(&copy));
    let mut other = posted();
    other.authorization = other.authorization.replace("API_KEY_12345678", "API_KEY_12345679");
    assert_ne!(key(&posted()), key(&other));
}

#[test]
fn parameters_come_in_any_order_with_blanks() {
    let sent = posted();
    let expected = parse(sent.authorization.as_bytes());
    assert!(expected.is_some());
    for value in [
        r#"hmac headers  =  "Date x-Content-MD5 request-line" ,signature= "76yOYg2MXckrkv60DF/EoJtXBMGocHrfXYFHjhA26Es=",username ="API_KEY_12345678",   algorithm="hmac-sha256" "#,
        "Hmac\tusername=\"API_KEY_12345678\",algorithm=\"HMAC-SHA256\",headers=\"Date x-Content-MD5 request-line\",Signature=\"76yOYg2MXckrkv60DF/EoJtXBMGocHrfXYFHjhA26Es=\"",
    ] {
        assert_eq!(parse(value.as_bytes()), expected, "{value}");
    }
    let words: Vec<_> = expected.expect("readable").words().collect();
    assert_eq!(words, ["Date", "x-Content-MD5", "request-line"]);
}

#[test]
fn what_is_not_exactly_the_four_parameters_is_refused() {
    let good = posted().authorization;
    let signature = r#", signature="76yOYg2MXckrkv60DF/EoJtXBMGocHrfXYFHjhA26Es=""#;
    let many_words = format!("Date{}", " x".repeat(MOST_WORDS));
    for bad in [
        String::new(),
        "hmac".into(),
        "hmac ".into(),
        good.replace("hmac ", "basic "),
        good.replace("hmac ", "hmac"),
        good.replace(signature, ""),
        format!("{good}{signature}"),
        format!("{good}, realm=\"x\""),
        format!("{good},"),
        format!("{good} x"),
        good.replace("\", ", "\" "),
        good.replace("hmac-sha256", "hmac-sha224"),
        good.replace("hmac-sha256", "none"),
        good.replace("\"hmac-sha256\"", "hmac-sha256"),
        good.replace("API_KEY", "API KEY"),
        good.replace("API_KEY", "API\\KEY"),
        good.replace("API_KEY_12345678", ""),
        good.replace("API_KEY", "API_KEY\u{e9}"),
        good.replace("API_KEY", &"A".repeat(LONGEST_USERNAME)),
        good.replace("Es=\"", "Es\""),
        good.replace("Es=\"", "Et=\""),
        good.replace("76yO", "76y!"),
        good.replace("76yO", &"76yO".repeat(40)),
        good.replace("Date", "Da:te"),
        good.replace("Date", &"x".repeat(LONGEST_NAME + 1)),
        good.replace("Date", &many_words),
        good.replace("Date", &" ".repeat(LONGEST)),
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(parse(b"hmac \xff"), None);
}

#[test]
fn an_explanation_shows_what_we_signed_and_no_credential() {
    let mut sent = posted();
    sent.authorization = sent.authorization.replace("request-line", "request-line Cookie Account");
    sent.headers = sent.headers.with("cookie", "session=topsecret").with("content-md5", "abc");
    let now = at(V2_AT + 42);
    let failure = sent.verify(SECRET, now, &Policy::default()).expect_err("refused");
    assert_eq!(failure, Failure::SignedHeaderMissing("Account".into()));
    let explanation = explain(&parse(sent.authorization.as_bytes()).expect("readable"), &sent.request(), failure.clone(), now);
    assert_eq!(
        explanation.signing_string,
        "Date: Thu, 12 Dec 2019 10:16:19 GMT\nx-Content-MD5: 5fe6c18746c7d300f04f08a1db90ced2\nPOST /v1/messages HTTP/1.1\nCookie: ***\nAccount: "
    );
    assert_eq!((explanation.clock_difference_seconds, &explanation.failure), (Some(-42), &failure));
    let seen: Vec<_> =
        explanation.headers_seen.iter().map(|seen| (&*seen.name, seen.values.iter().map(|value| &**value).collect::<Vec<_>>())).collect();
    assert_eq!(
        seen,
        [
            ("date", vec![V2_DATE]),
            ("x-content-md5", vec!["5fe6c18746c7d300f04f08a1db90ced2"]),
            ("cookie", vec!["***"]),
            ("account", vec![]),
            ("content-md5", vec!["abc"]),
        ]
    );
    let shown = format!("{explanation:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("topsecret") && !shown.contains("76yO"), "{shown}");
}

/// What our own signer makes of any request.
fn signed(method: &str, target: &str, body: &[u8], algorithm: Algorithm, x_date: bool) -> Sent {
    let word = if x_date { "X-Date" } else { "Date" };
    let digest = format!("SHA-256={}", data_encoding::BASE64.encode(ContentDigest::of(super::super::digest::Hash::Sha256, body).as_bytes()));
    let string = format!("{word}: {V2_DATE}\n{method} {target} HTTP/1.1\ndigest: {digest}");
    Sent {
        authorization: authorization("k", algorithm.as_str(), &format!("{word} request-line digest"), &sign(b"s", algorithm, &string)),
        method: method.into(),
        target: target.into(),
        headers: Headers::new(&[(word, V2_DATE), ("Digest", &digest)]),
        body: Some(body.to_vec()),
    }
}

proptest::proptest! {
    #[test]
    fn no_value_makes_the_parser_panic(value: Vec<u8>, text in "hmac ([a-z]{1,9} ?= ?\"?[a-zA-Z0-9 +/=-]{0,50}\"?,? ?){0,5}") {
        for value in [&value[..], text.as_bytes()] {
            let _ = parse(value).map(|parameters| parameters.words().count());
        }
    }

    #[test]
    fn what_our_signer_signs_verifies_and_no_flipped_byte_does(
        method in "[A-Z]{1,9}",
        target in "/[!-~]{0,30}",
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..40),
        algorithm in 0..4_usize,
        x_date: bool,
        place in 0..4_usize,
        index: proptest::sample::Index,
        bit in 0..8_u32,
    ) {
        let algorithm = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512][algorithm];
        let mut sent = signed(&method, &target, &body, algorithm, x_date);
        proptest::prop_assert!(sent.verify("s", at(V2_AT), &Policy::default()).is_ok());
        let flip = |bytes: &mut Vec<u8>| { let at = index.index(bytes.len()); bytes[at] ^= 1 << bit; };
        let flip_text = |text: &mut String| { let mut bytes = text.clone().into_bytes(); flip(&mut bytes); String::from_utf8(bytes).map(|flipped| *text = flipped).is_ok() };
        let flipped = match place {
            0 => flip_text(&mut sent.method),
            1 => flip_text(&mut sent.target),
            2 => { flip(sent.body.as_mut().expect("a body")); true }
            _ => { flip(&mut sent.headers.0[0].1); true }
        };
        if flipped {
            proptest::prop_assert!(sent.verify("s", at(V2_AT), &Policy::default()).is_err());
        }
    }
}
