//! What all dialects rely on: the hash, the announcement of a body, dates, and the words of a refusal.
use super::{fixture::Headers, *};

#[test]
fn a_prepared_key_is_the_hmac_of_rfc_4231_and_rfc_2202() {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("an encoding");
    // case 1: a short key; case 6: one longer than a block
    for (secret, data, algorithm, expected) in [
        (&[0x0b; 20][..], "Hi There", Algorithm::Sha1, "b617318655057264e28bc0b6fb378c8ef146be00"),
        (&[0x0b; 20], "Hi There", Algorithm::Sha256, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            &[0x0b; 20],
            "Hi There",
            Algorithm::Sha384,
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            &[0x0b; 20],
            "Hi There",
            Algorithm::Sha512,
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            &[0xaa; 131],
            "Test Using Larger Than Block-Size Key - Hash Key First",
            Algorithm::Sha256,
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            "Test Using Larger Than Block-Size Key - Hash Key First",
            Algorithm::Sha512,
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
    ] {
        let key = Key::prepare(secret, algorithm);
        let (first, second) = data.split_at(3);
        let verifies = |signature: &[u8]| {
            key.verifies(signature, |sink| {
                sink(first.as_bytes());
                sink(second.as_bytes());
            })
        };
        let expected = hex(expected);
        assert!(verifies(&expected), "{algorithm:?}");
        assert!(!verifies(&expected[1..]) && !verifies(&[]) && !verifies(&[&expected[..], b"\0"].concat()), "{algorithm:?}");
        assert!(!format!("{key:?}").contains("11"), "{key:?}");
    }
}

#[test]
fn the_fields_say_whether_a_body_was_announced() {
    let announced = |fields: &[(&'static str, &str)]| {
        let headers = Headers::new(fields);
        let exists = |body| Content::of(body, &headers).exists();
        assert_eq!(exists(Body::Absent), exists(Body::NotSeen));
        assert!(exists(Body::Given(b"x")));
        exists(Body::NotSeen)
    };
    assert!(!announced(&[]) && !announced(&[("content-length", "0")]) && !announced(&[("content-length", "00")]));
    for fields in [
        &[("content-length", "1")][..],
        &[("Transfer-Encoding", "chunked")],
        &[("content-length", "0"), ("content-length", "5")],
        &[("content-length", "")],
        &[("content-length", "0"), ("transfer-encoding", "chunked")],
        &[("content-length", "-0")],
    ] {
        assert!(announced(fields), "{fields:?}");
    }
}

#[test]
fn an_http_date_is_read_and_other_text_is_not() {
    let seconds = |text: &str| http_date(text.as_bytes()).map(Timestamp::seconds);
    assert_eq!(seconds("Sat, 30 Jul 2016 05:13:23 GMT"), Some(1_469_855_603));
    assert_eq!(seconds(" Tue, 20 Apr 2021 02:07:55 GMT "), Some(1_618_884_475));
    for bad in ["", "1469855603", "2016-07-30T05:13:23Z", "Sun, 30 Jul 2016 05:13:23 GMT", "Sat, 31 Feb 2016 05:13:23 GMT", "Sat, 30 Jul 2016"] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
}

#[test]
fn every_failure_has_its_own_code_and_says_what_to_do() {
    let name = || "Date".to_owned();
    let all = [
        Failure::MissingDate,
        Failure::DateUnsigned,
        Failure::DateMalformed,
        Failure::DateOutside { difference_seconds: -301 },
        Failure::Expired,
        Failure::RequestLineUnsigned,
        Failure::ComponentUnsigned("@path"),
        Failure::ComponentUnsupported(name()),
        Failure::SignedHeaderMissing(name()),
        Failure::SignedHeaderRepeated(name()),
        Failure::SignedHeaderMalformed(name()),
        Failure::RequestMalformed,
        Failure::AlgorithmOff,
        Failure::AlgorithmOther,
        Failure::DigestMissing,
        Failure::DigestUnsigned,
        Failure::DigestMalformed(name()),
        Failure::DigestMismatch,
        Failure::SignatureMismatch,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Failure::code).collect();
    assert_eq!(codes.len(), all.len());
    assert!(all.iter().all(|failure| failure.to_string().ends_with('.')));
}

proptest::proptest! {
    #[test]
    fn no_date_makes_the_parser_panic(value: Vec<u8>, text in "[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{0,9} ?[A-Z+0-9]{0,5}") {
        let _ = (http_date(&value), http_date(text.as_bytes()));
    }
}
