//! Logins in SOAP and plain XML, and everything that two readers could read differently.
use super::*;

const SOAP_CALL: &str = r#"<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns="http://xml.m4u.com.au/2009">
  <env:Body>
    <ns:checkUser>
      <ns:authentication>
        <ns:userId>my-user-id</ns:userId>
        <ns:password>my-password</ns:password>
      </ns:authentication>
    </ns:checkUser>
  </env:Body>
</env:Envelope>"#;

const PLAIN_CALL: &str = r#"<sendMessages xmlns="http://xml.m4u.com.au/2009"><authentication><userId>my-user-id</userId><password>my-password</password></authentication><requestBody><messages/></requestBody></sendMessages>"#;

fn read(body: &str) -> Result<(Envelope, String, String, String), Unreadable> {
    let Call { envelope, operation, login } = parse(body.as_bytes())?;
    Ok((envelope, operation, login.username, login.password.expose().to_owned()))
}

fn found(envelope: Envelope, operation: &str) -> Result<(Envelope, String, String, String), Unreadable> {
    Ok((envelope, operation.into(), "my-user-id".into(), "my-password".into()))
}

#[test]
fn a_login_is_found_under_any_prefix_with_and_without_an_envelope() {
    assert_eq!(read(SOAP_CALL), found(Envelope::Soap, "checkUser"));
    assert_eq!(read(PLAIN_CALL), found(Envelope::Plain, "sendMessages"));
    let prefixed = SOAP_CALL.replace("env:", "S:").replace(":env=", ":S=").replace("<ns:", "<a:").replace("</ns:", "</a:").replace(":ns=", ":a=");
    assert_eq!(read(&prefixed), found(Envelope::Soap, "checkUser"));
    let declared = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- hello -->\n{SOAP_CALL}\n<!-- bye -->\n");
    assert_eq!(read(&declared), found(Envelope::Soap, "checkUser"));
    assert!(parse(SOAP_CALL.as_bytes()).expect("readable").is_check_user() && !parse(PLAIN_CALL.as_bytes()).expect("readable").is_check_user());
    assert!(!format!("{:?}", parse(SOAP_CALL.as_bytes())).contains("my-password"));
}

#[test]
fn a_soap_header_with_another_login_is_passed_over() {
    let header = r#"<env:Header><w:Security xmlns:w="urn:w" env:mustUnderstand="1"><w:UsernameToken><w:Username>x</w:Username><w:Password>y</w:Password></w:UsernameToken></w:Security></env:Header><env:Body>"#;
    assert_eq!(read(&SOAP_CALL.replace("<env:Body>", header)), found(Envelope::Soap, "checkUser"));
}

#[test]
fn text_is_put_together_from_references_and_cdata() {
    for (written, password) in [
        ("a&amp;b&lt;&gt;&quot;&apos;", "a&b<>\"'"),
        ("&#65;&#x42;c", "ABc"),
        ("<![CDATA[a<&]]>b", "a<&b"),
        (" Abc ", " Abc "),
        ("\u{e9}\u{1f511}", "\u{e9}\u{1f511}"),
    ] {
        assert_eq!(read(&PLAIN_CALL.replace("my-password", written)).expect("readable").3, password, "{written}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let authentication = "<authentication><userId>other</userId><password>other</password></authentication>";
    let bomb = r#"<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    for (body, why) in [
        (format!("{bomb}{PLAIN_CALL}"), Unreadable::Doctype),
        (format!(r#"<!DOCTYPE x SYSTEM "http://127.0.0.1/x">{SOAP_CALL}"#), Unreadable::Doctype),
        (PLAIN_CALL.replace("my-password", "&b;"), Unreadable::Entity),
        (PLAIN_CALL.replace("<messages/>", "&b;"), Unreadable::Entity),
        (PLAIN_CALL.replace("<messages/>", "<messages a='&b;'/>"), Unreadable::Entity),
        (PLAIN_CALL.replace("<messages/>", "<messages a='a & b'/>"), Unreadable::Entity),
        (PLAIN_CALL.replace("my-password", "&#0;"), Unreadable::Entity),
        (PLAIN_CALL.replace("my-password", "&#xD800;"), Unreadable::Entity),
        (PLAIN_CALL.replace("my-password", "&#1;"), Unreadable::Entity),
        (PLAIN_CALL.replace("my-password", "&#xFFFE;"), Unreadable::Entity),
        (PLAIN_CALL.replace("com.au", "com&#46;au"), Unreadable::Entity),
        (PLAIN_CALL.replace("<messages/>", "<?php x?>"), Unreadable::Instruction),
        (format!("{PLAIN_CALL}<?x y?>"), Unreadable::Instruction),
        (format!("<?xml-stylesheet href='x'?>{PLAIN_CALL}"), Unreadable::Instruction),
        (PLAIN_CALL.replace("</authentication>", &format!("</authentication>{authentication}")), Unreadable::Repeated),
        (PLAIN_CALL.replace("<messages/>", authentication), Unreadable::Repeated),
        (PLAIN_CALL.replace("<messages/>", "<userId/>"), Unreadable::Repeated),
        (PLAIN_CALL.replace("</password>", "</password><password>x</password>"), Unreadable::Repeated),
        (PLAIN_CALL.replace("<userId>", "<userId>x</userId><userId>"), Unreadable::Repeated),
        (SOAP_CALL.replace("</ns:checkUser>", "</ns:checkUser><ns:sendMessages/>"), Unreadable::Repeated),
        (SOAP_CALL.replace("</env:Body>", "</env:Body><env:Body/>"), Unreadable::Repeated),
        (SOAP_CALL.replace("<env:Body>", "<env:Header><ns:password>x</ns:password></env:Header><env:Body>"), Unreadable::Repeated),
        (SOAP_CALL.replace("</env:Body>", "</env:Body><env:Header/>"), Unreadable::Malformed),
        (SOAP_CALL.replace("<env:Body>", "<env:Body><x/>"), Unreadable::Malformed),
        (format!("{PLAIN_CALL}{PLAIN_CALL}"), Unreadable::Malformed),
        (format!("{PLAIN_CALL}x"), Unreadable::Malformed),
        (format!("x{PLAIN_CALL}"), Unreadable::Malformed),
        (format!(" <?xml version='1.0'?>{PLAIN_CALL}"), Unreadable::Malformed),
        (format!("<?xml version='1.1'?>{PLAIN_CALL}"), Unreadable::Malformed),
        (format!("<?xml version='1.0' encoding='utf-16'?>{PLAIN_CALL}"), Unreadable::NotUtf8),
        (PLAIN_CALL.replace("my-password", "my<!-- -->password"), Unreadable::Malformed),
        (PLAIN_CALL.replace("my-password", "my<b/>password"), Unreadable::Malformed),
        (PLAIN_CALL.replace("my-password", "my\npassword"), Unreadable::Malformed),
        (PLAIN_CALL.replace("my-password", "my\u{1}password"), Unreadable::Malformed),
        (PLAIN_CALL.replace("my-password", &"x".repeat(LONGEST + 1)), Unreadable::Malformed),
        (PLAIN_CALL.replace("<userId>", "<x/><userId>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("<userId>", "stray<userId>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("<messages/>", "<messages a='1' a='2'/>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("<messages/>", "<messages a='<'/>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("<messages/>", "<m:messages/>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("<messages/>", "<messages>"), Unreadable::Malformed),
        (PLAIN_CALL.replace("</sendMessages>", ""), Unreadable::Malformed),
        (PLAIN_CALL.replace("2009", "2010"), Unreadable::Malformed),
        (PLAIN_CALL.replace(" xmlns=\"http://xml.m4u.com.au/2009\"", ""), Unreadable::Malformed),
        (SOAP_CALL.replace("schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope"), Unreadable::Malformed),
        (PLAIN_CALL.replace("my-password", ""), Unreadable::LoginMissing),
        (PLAIN_CALL.replace("<password>my-password</password>", ""), Unreadable::LoginMissing),
        (PLAIN_CALL.replace("<userId>my-user-id</userId>", "<userId/>"), Unreadable::LoginMissing),
        ("<checkUser xmlns='http://xml.m4u.com.au/2009'/>".into(), Unreadable::LoginMissing),
        ("<a/>".into(), Unreadable::Malformed),
        (String::new(), Unreadable::Malformed),
        ("USER=abcde".into(), Unreadable::Malformed),
    ] {
        assert_eq!(read(&body), Err(why), "{body}");
    }
    // an unqualified element is not one of ours
    assert_eq!(read(&SOAP_CALL.replace("ns:password", "password")), Err(Unreadable::Malformed));
}

#[test]
fn a_body_has_at_most_1_mib_and_32_levels_of_utf_8() {
    let filled = |length: usize| PLAIN_CALL.replace("<messages/>", &format!("<messages>{}</messages>", "x".repeat(length - PLAIN_CALL.len() - 10)));
    assert_eq!(filled(LARGEST_BODY).len(), LARGEST_BODY);
    assert!(read(&filled(LARGEST_BODY)).is_ok());
    assert_eq!(read(&filled(LARGEST_BODY + 1)), Err(Unreadable::TooLarge));
    let nested = |levels: usize| PLAIN_CALL.replace("<messages/>", &format!("{}{}", "<m>".repeat(levels), "</m>".repeat(levels)));
    assert!(read(&nested(DEEPEST - 2)).is_ok());
    assert_eq!(read(&nested(DEEPEST - 1)), Err(Unreadable::TooDeep));
    assert_eq!(read(&"<m>".repeat(300_000)), Err(Unreadable::Malformed));
    assert_eq!(read(&PLAIN_CALL.replace("<messages/>", &"<m>".repeat(300_000))), Err(Unreadable::TooDeep));
    for bytes in [&b"\xff\xfe<\0a\0/\0>\0"[..], b"<a>\xe9</a>", b"\xc0\xbca/>"] {
        assert_eq!(parse(bytes).expect_err("refused"), Unreadable::NotUtf8);
    }
}

#[test]
fn an_element_has_at_most_64_attributes() {
    for (count, accepted) in [(64, true), (65, false), (60_000, false)] {
        for prefix in ["a", "xmlns:a"] {
            let attributes: String = (0..count).map(|number| format!(" {prefix}{number}='1'")).collect();
            let body = PLAIN_CALL.replace("<messages/>", &format!("<messages{attributes}/>"));
            assert_eq!(read(&body).map(|_| ()), if accepted { Ok(()) } else { Err(Unreadable::Malformed) }, "{count} {prefix}");
        }
    }
}

#[test]
fn answers_are_those_of_the_namespace() {
    let details = AccountDetails { kind: "daily", credit_limit: 500, credit_remaining: 499 };
    let plain = r#"<checkUserResponse xmlns="http://xml.m4u.com.au/2009"><result><accountDetails type="daily" creditLimit="500" creditRemaining="499"/></result></checkUserResponse>"#;
    assert_eq!(details.answer(Envelope::Plain), plain);
    let soap = |content: &str| {
        format!(r#"<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>{content}</env:Body></env:Envelope>"#)
    };
    assert_eq!(details.answer(Envelope::Soap), soap(plain));
    assert!(AccountDetails { kind: "a\"<b", ..details }.answer(Envelope::Plain).contains(r#"type="a&quot;&lt;b""#));

    let response = r#"<faultResponse xmlns="http://xml.m4u.com.au/2009"><error code="invalidDataFormat"/></faultResponse>"#;
    assert_eq!(Fault::InvalidDataFormat.answer(Envelope::Plain), response);
    let fault = "<env:Fault><faultcode>env:Client</faultcode><faultstring>The request is not in the expected format.</faultstring><detail>";
    assert_eq!(Fault::InvalidDataFormat.answer(Envelope::Soap), soap(&format!("{fault}{response}</detail></env:Fault>")));
    for (fault, code) in [
        (Fault::AuthenticationFailed, "authenticationFailed"),
        (Unreadable::Doctype.into(), "invalidDataFormat"),
        (Fault::PerDayMessageLimit, "perDayMessageLimit"),
        (Unreadable::TooLarge.into(), "requestSizeLimit"),
    ] {
        assert!(fault.answer(Envelope::Soap).contains(&format!(r#"<error code="{code}"/>"#)));
    }
    assert_eq!((Envelope::guess(SOAP_CALL.as_bytes()), Envelope::guess(PLAIN_CALL.as_bytes())), (Envelope::Soap, Envelope::Plain));
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body: Vec<u8>, text in "(<[/?!a]?[a:]{0,3}( x?m?l?n?s?:?a?=['\"]?)?[>/]?|&[#x]{0,2}[a-f0-9]{0,9};?|]]>|<!--|--|<!\\[CDATA\\[|.){0,30}") {
        let nested = PLAIN_CALL.replace("<messages/>", &text);
        let password = PLAIN_CALL.replace("my-password", &text);
        for body in [&body[..], text.as_bytes(), nested.as_bytes(), password.as_bytes()] {
            let _ = (parse(body), Envelope::guess(body));
        }
    }

    #[test]
    fn a_login_is_read_as_it_was_written(username in "[^\\p{Cc}\u{fffe}\u{ffff}]{1,40}", password in "[^\\p{Cc}\u{fffe}\u{ffff}]{1,40}") {
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        let body = SOAP_CALL.replace("my-user-id", &escape(&username)).replace("my-password", &escape(&password));
        proptest::prop_assert_eq!(read(&body), Ok((Envelope::Soap, "checkUser".to_owned(), username, password)));
    }
}
