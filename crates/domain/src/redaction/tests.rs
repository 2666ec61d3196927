use super::*;

const SECRET: &str = "clv_secret_0123456789ABCDEFGHIJKLMNOPQRSTUV0zPBJj";
const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl";

fn redactor() -> Redactor {
    Redactor::new("clv")
}

#[test]
fn headers_that_carry_a_credential_are_left_out_and_the_rest_is_kept() {
    for name in [
        "Authorization",
        "authorization",
        "Cookie",
        "Set-Cookie",
        "X-API-Key",
        "apikey",
        "Proxy-Authorization",
        "Signature",
        "Signature-Input",
        "X-Auth-Token",
        "X-Amz-Security-Token",
        "Ocp-Apim-Subscription-Key",
        "X-CSRF-Token",
        "X_Api_Key",
        "Authentication-Info",
        "X-Session",
    ] {
        assert_eq!(redactor().header(name, "hunter2"), LEFT_OUT, "{name}");
    }
    for (name, value) in [
        ("User-Agent", "curl/8.5"),
        ("Accept", "*/*"),
        ("AccountId", "01890000-0000-7000-8000-000000000001"),
        ("Content-Type", "text/plain"),
        ("Date", "Sat, 30 Jul 2016 05:13:23 GMT"),
        ("Content-MD5", "10fd4feab20d38432480c07301e49616"),
        ("Idempotency-Key", "order-7"),
    ] {
        assert_eq!(redactor().header(name, value), value, "{name}");
    }
    for (name, value, kept) in [
        ("X-Forwarded-Thing", "Bearer hunter2", LEFT_OUT),
        ("X-Old", "Basic aHVudGVyMg==", LEFT_OUT),
        ("Referer", "https://shop.example/pay?token=hunter2&page=1", "https://shop.example/pay?token=***&page=1"),
        ("X-Original-URL", "/orders?api_key=hunter2", "/orders?api_key=***"),
    ] {
        assert_eq!(redactor().header(name, value), kept);
    }
}

#[test]
fn urls_lose_secret_parameters_user_information_and_tokens_wherever_they_stand() {
    for (url, kept) in [
        ("/orders?page=2&sort=date", "/orders?page=2&sort=date"),
        ("/orders?password=hunter2&page=2", "/orders?password=***&page=2"),
        ("/orders?pass%77ord=hunter2", "/orders?pass%77ord=***"),
        ("/login?code=hunter2#access_token=hunter2", "/login?code=***"),
        ("https://ann:hunter2@api.example/x", "https://***@api.example/x"),
        ("/a%20b?q=%C3%A9", "/a%20b?q=%C3%A9"),
        (&format!("/orders/{SECRET}"), "/orders/clv_secret_***"),
        (&format!("/orders?q={SECRET}"), "/orders?q=clv_secret_***"),
        (&format!("{SECRET} https://api.example/x"), "clv_secret_*** https://api.example/x"),
        (&format!("https://{SECRET}.example/x"), "https://clv_secret_***.example/x"),
        (&format!("/orders?q=%63lv_secret_{}", &SECRET[11..]), "/orders?q=clv_secret_***"),
        (&format!("/orders?q={JWT}"), "/orders?q=***"),
        ("/keys/clv_client_0123456789ABCDEFabcdef", "/keys/clv_client_0123456789ABCDEFabcdef"),
    ] {
        assert_eq!(redactor().url(url), kept, "{url}");
    }
}

#[test]
fn bodies_are_redacted_by_their_transport() {
    let soap = r#"<?xml version="1.0"?><e:Envelope xmlns:e="x"><authentication><userId>abcde</userId><password>hunter2</password></authentication><text>hi &amp; bye &#xe4;</text></e:Envelope>"#;
    for (content_type, body, kept) in [
        (
            "application/json",
            r#"{"name":"Ann","password":"hunter2","deep":[{"clientSecret":{"a":"hunter2"}}]}"#,
            r#"{"deep":[{"clientSecret":"***"}],"name":"Ann","password":"***"}"#,
        ),
        ("application/problem+json; charset=utf-8", r#"{"access_token":"hunter2","n":1}"#, r#"{"access_token":"***","n":1}"#),
        ("application/x-www-form-urlencoded", "client_id=a&client_secret=hunter2&scope=b+c", "client_id=a&client_secret=***&scope=b+c"),
        (
            "text/xml",
            soap,
            r#"<e:Envelope xmlns:e="x"><authentication><userId>abcde</userId><password>***</password></authentication><text>hi &amp; bye &#xe4;</text></e:Envelope>"#,
        ),
        (
            "application/xml",
            r#"<a secret="hunter2" b="c"><newPassword><x>hunter2</x><![CDATA[hunter2]]></newPassword></a>"#,
            r#"<a secret="***" b="c"><newPassword><x>***</x>***</newPassword></a>"#,
        ),
        (
            "text/plain",
            "m4u\r\nUSER=abcde\r\nPASSWORD=hunter2\r\nNEWPASSWORD=hunter2\r\nMESSAGES\r\n.",
            "m4u\nUSER=abcde\nPASSWORD=***\nNEWPASSWORD=***\nMESSAGES\n.",
        ),
        ("text/plain", r#"{"pin":"hunter2"}"#, r#"{"pin":"***"}"#),
        ("", "<a><apiKey>hunter2</apiKey></a>", "<a><apiKey>***</apiKey></a>"),
    ] {
        assert_eq!(redactor().body(content_type, body).as_deref(), Some(kept), "{content_type} {body}");
    }
    for (content_type, body) in [
        ("application/json", "{\"password\":\"hunter2\""),
        ("text/xml", "<a><password>hunter2</a>"),
        ("text/xml", "<a>&hunter2;</a>"),
        ("text/xml", "<a>&#hunter2;</a>"),
        ("text/xml", "<!DOCTYPE a [<!ENTITY x \"hunter2\">]><a>&x;</a>"),
        ("image/png", "hunter2"),
        ("multipart/form-data; boundary=x", "hunter2"),
        ("application/json", &format!("\"{}\"", "x".repeat(LARGEST_BODY))),
    ] {
        assert_eq!(redactor().body(content_type, body), None, "{content_type}");
    }
    let long = redactor().body("text/plain", &"x ".repeat(LONGEST_BODY)).expect("kept");
    assert_eq!(long.chars().count(), LONGEST_BODY + 1);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_none_keeps_a_secret(before in ".{0,40}", after in "[^A-Za-z0-9]{0,3}.{0,40}", content_type in "(application/json|text/xml|text/plain|application/x-www-form-urlencoded|)") {
        let text = format!("{before}{SECRET}{after}");
        let body = &SECRET[11..];
        let kept = [Some(redactor().text(&text)), Some(redactor().url(&text)), Some(redactor().header("x-any", &text)), redactor().body(&content_type, &text)];
        for kept in kept.into_iter().flatten() {
            proptest::prop_assert!(!kept.contains(body), "{kept}");
        }
    }
}
