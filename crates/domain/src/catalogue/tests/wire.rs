//! Which operation a request is, for every trick that could make two servers disagree.
use proptest::prelude::*;

use super::*;

const API: &str = "
    GET /
    GET /orders
    POST /orders
    GET /orders/{id}
    PUT /orders/{id}
    POST /orders/import
    GET /orders/{id}/items/{item}
    GET /orders/export/items/{item}
    GET /users/{id}
    GET /users/export
    HEAD /users/{id}
    GET /files/{name}/meta
    GET /files/{a}/{b}
    GET /mixed/{x}/c
    GET /mixed/b/{y}
    POST /mixed/{x}/p
    GET /slash/
    GET /v2/Docs/a.b
    GET /orders:search
";

#[test]
fn a_plain_request_is_its_operation() {
    let api = catalogue(API);
    for (method, target, expected) in [
        ("GET", "/", "GET /"),
        ("GET", "/?q=1", "GET /"),
        ("GET", "/orders", "GET /orders"),
        ("GET", "/orders?page=2&x=/../%2F//;a", "GET /orders"),
        ("GET", "/orders?", "GET /orders"),
        ("GET", "/orders?a?b", "GET /orders"),
        ("POST", "/orders", "POST /orders"),
        ("HEAD", "/orders", "GET /orders"),
        ("GET", "/orders/17", "GET /orders/{id}"),
        ("GET", "/orders/import-17", "GET /orders/{id}"),
        ("GET", "/orders/a.b", "GET /orders/{id}"),
        ("GET", "/orders/.well", "GET /orders/{id}"),
        ("GET", "/orders/%7Bx%7d", "GET /orders/{id}"),
        ("GET", "/orders/a%20b", "GET /orders/{id}"),
        ("GET", "/orders/%41bc", "GET /orders/{id}"),
        ("GET", "/orders/J%C3%BCrgen", "GET /orders/{id}"),
        ("GET", "/orders/J%c3%bcrgen", "GET /orders/{id}"),
        ("GET", "/orders/%F0%9F%90%B8", "GET /orders/{id}"),
        ("GET", "/orders/100%25", "GET /orders/{id}"),
        ("GET", "/orders/a@b.test", "GET /orders/{id}"),
        ("GET", "/orders/a:b,c=d!$&'()*+~_-", "GET /orders/{id}"),
        ("POST", "/orders/import", "POST /orders/import"),
        ("GET", "/orders/1/items/2", "GET /orders/{id}/items/{item}"),
        ("GET", "/orders/export/items/2", "GET /orders/export/items/{item}"),
        ("GET", "/users/export", "GET /users/export"),
        ("HEAD", "/users/5", "HEAD /users/{id}"),
        ("GET", "/files/a/meta", "GET /files/{name}/meta"),
        ("GET", "/files/a/b", "GET /files/{a}/{b}"),
        ("GET", "/mixed/1/c", "GET /mixed/{x}/c"),
        ("GET", "/mixed/b/1", "GET /mixed/b/{y}"),
        ("GET", "/slash/", "GET /slash/"),
        ("GET", "/v2/Docs/a.b", "GET /v2/Docs/a.b"),
        ("GET", "/orders:search", "GET /orders:search"),
    ] {
        assert_eq!(found(&api, method, target), expected, "{method} {target}");
    }
}

#[test]
fn what_is_in_no_template_is_unknown() {
    let api = catalogue(API);
    for (method, target) in [
        ("get", "/orders"),
        ("Get", "/orders"),
        ("DELETE", "/orders"),
        ("HEAD", "/orders/import"),
        ("", "/orders"),
        ("CONNECT", "/orders"),
        ("PROPFIND", "/orders"),
        ("GET", "/order"),
        ("GET", "/orders2"),
        ("GET", "/nothing"),
        ("GET", "/nothing/%41"),
        ("GET", "/orders/1/items"),
        ("GET", "/orders/1/items/2/3"),
        ("GET", "/v2"),
        ("POST", "/slash/"),
    ] {
        let expected = if (method, target) == ("HEAD", "/orders/import") { "ambiguous" } else { "unknown" };
        assert_eq!(found(&api, method, target), expected, "{method} {target}");
    }
    assert_eq!(found(&api, "GET", "/a".repeat(5_000)), "unknown");
    assert_eq!(found(&api, "GET", format!("{}/%2e%2e", "/a".repeat(5_000))), "ambiguous");
    assert_eq!(found(&Catalogue::default(), "GET", "/"), "unknown");
}

#[test]
fn what_two_servers_could_read_differently_is_ambiguous() {
    let api = catalogue(API);
    let tricks: [(&str, &[u8]); 76] = [
        ("empty", b""),
        ("query only", b"?a=/orders"),
        ("asterisk", b"*"),
        ("no leading slash", b"orders"),
        ("absolute form", b"http://shop.test/orders"),
        ("absolute form, upper case", b"HTTPS://shop.test/orders"),
        ("authority form", b"shop.test:443"),
        ("network path", b"//shop.test/orders"),
        ("double slash", b"/orders//1"),
        ("double slash in front", b"//orders"),
        ("double slash at the end", b"/orders//"),
        ("only slashes", b"//"),
        ("trailing slash", b"/orders/"),
        ("trailing slash on a parameter", b"/orders/1/"),
        ("trailing slash missing", b"/slash"),
        ("trailing slash missing, query", b"/slash?a"),
        ("dot", b"/./orders"),
        ("dot at the end", b"/orders/."),
        ("dot dot", b"/users/../orders"),
        ("dot dot at the end", b"/orders/1/.."),
        ("encoded dot dot", b"/users/%2e%2e/orders"),
        ("half encoded dot dot", b"/users/.%2E/orders"),
        ("encoded dot", b"/orders/%2e"),
        ("three dots", b"/orders/..."),
        ("dots and a blank", b"/orders/..%20"),
        ("a blank only", b"/orders/%20"),
        ("dot dot with a path parameter", b"/users/..;/orders"),
        ("encoded slash", b"/orders%2F1"),
        ("encoded slash in a parameter", b"/orders/1%2fitems%2f2"),
        ("backslash", b"/orders\\1"),
        ("encoded backslash", b"/orders/..%5Corders"),
        ("encoded backslash, lower case", b"/orders/1%5c2"),
        ("path parameter", b"/orders;a=1"),
        ("path parameter on a parameter", b"/orders/1;a=1"),
        ("encoded semicolon", b"/orders/1%3Bexport"),
        ("encoded question mark", b"/orders/export%3Fx"),
        ("encoded number sign", b"/orders/export%23x"),
        ("fragment", b"/orders#x"),
        ("fragment in the query", b"/orders?x#y"),
        ("encoded NUL", b"/orders/1%00"),
        ("NUL", b"/orders/1\0"),
        ("encoded control", b"/orders/1%0d%0a"),
        ("encoded delete", b"/orders/%7f"),
        ("encoded C1 control", b"/orders/%C2%85"),
        ("tab", b"/orders/\t"),
        ("blank", b"/orders/a b"),
        ("line feed in the query", b"/orders?a\nb"),
        ("blank in the query", b"/orders?a HTTP/1.1"),
        ("raw bytes", b"/orders/J\xc3\xbcrgen"),
        ("raw latin-1", b"/orders/J\xfcrgen"),
        ("encoded latin-1", b"/orders/J%FCrgen"),
        ("overlong slash", b"/orders/%C0%AF"),
        ("overlong dot", b"/orders/%c0%ae%c0%ae"),
        ("overlong, three bytes", b"/orders/%E0%80%AF"),
        ("surrogate", b"/orders/%ED%A0%80"),
        ("half a character", b"/orders/%C3"),
        ("percent alone", b"/orders/100%"),
        ("percent and one digit", b"/orders/%4"),
        ("percent and no digit", b"/orders/%zz"),
        ("IIS percent-u", b"/orders/%u002f"),
        ("encoded twice", b"/orders/%252e%252e"),
        ("encoded twice, plain letter", b"/users/%2565xport"),
        ("braces", b"/orders/{id}"),
        ("angle brackets", b"/orders/<x>"),
        ("caret", b"/orders/a^b"),
        ("pipe", b"/orders/a|b"),
        ("encoded letter in a fixed segment", b"/%6frders"),
        ("encoded letter in a fixed segment, upper-case hex", b"/%6Frders/1"),
        ("encoded letter of the fixed segment beside a parameter", b"/users/%65xport"),
        ("encoded colon in a fixed segment", b"/orders%3Asearch"),
        ("another case", b"/Orders"),
        ("another case of the fixed segment beside a parameter", b"/users/EXPORT"),
        ("another case, encoded", b"/users/%45xport"),
        ("a format beside a parameter", b"/users/export.json"),
        ("a dot beside a parameter", b"/users/export."),
        ("a blank beside a parameter", b"/users/export%20"),
    ];
    for (name, target) in tricks {
        assert_eq!(found(&api, "GET", target), "ambiguous", "{name}: {}", target.escape_ascii());
    }
    for (method, target) in
        [("GET", "/mixed/b/c"), ("GET", "/orders/import"), ("HEAD", "/users/export"), ("GET", "/v2/docs/a.b"), ("GET", "/v2/Docs/a.b.c")]
    {
        assert_eq!(found(&api, method, target), "ambiguous", "{method} {target}");
    }
}

#[test]
fn overlapping_templates_are_ambiguous_only_where_both_answer() {
    let api = catalogue("GET /m/{x}/c\nGET /m/b/{y}\nPOST /m/{x}/d\nGET /t/{x}\nGET /t/a/\nGET /s/{x}/{y}\nGET /s/a/b\nGET /s/{x}/b\nGET /s/a/{y}");
    assert_eq!(found(&api, "GET", "/m/b/c"), "ambiguous");
    assert_eq!(found(&api, "GET", "/m/b/d"), "GET /m/b/{y}");
    assert_eq!(found(&api, "POST", "/m/b/d"), "ambiguous");
    assert_eq!(found(&api, "POST", "/m/a/d"), "POST /m/{x}/d");
    assert_eq!(found(&api, "GET", "/t/a"), "ambiguous");
    assert_eq!(found(&api, "GET", "/t/a/"), "GET /t/a/");
    assert_eq!(found(&api, "GET", "/t/b/"), "ambiguous");
    assert_eq!(found(&api, "GET", "/s/a/b"), "GET /s/a/b");
    assert_eq!(found(&api, "GET", "/s/a/c"), "GET /s/a/{y}");
}

/// A parameter's value that is no fixed segment of [`API`] and no trick: first a word, then anything the wire may carry.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[a-zA-Z0-9_~!$&'()*+,=:@-]{1,4}", "[ \"<>\\[\\]^`{|}àß漢🐸-]{1,3}"];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| {
        let plain = |byte: u8| if crate::catalogue::template::is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        format!("zz{}", pieces.concat().bytes().map(plain).collect::<String>())
    })
}

/// The same path with some of its bytes spelled otherwise.
fn respelled() -> impl Strategy<Value = (String, String)> {
    let paths = ["/orders", "/orders/17", "/orders/import", "/users/export", "/users/5", "/files/a/meta", "/slash/", "/mixed/b/c"];
    (proptest::sample::select(paths.to_vec()), proptest::collection::vec(0..6_u8, 20)).prop_map(|(path, how)| {
        let other: String = path
            .chars()
            .zip(how.iter().cycle())
            .map(|(c, how)| match (c, how) {
                ('/', 1) => "//".to_owned(),
                ('/', 2) => "/./".to_owned(),
                ('/', 3) => "/a/../".to_owned(),
                ('/', 4) => "%2F".to_owned(),
                ('/', 5) => ";a/".to_owned(),
                (c, 1) => c.to_ascii_uppercase().to_string(),
                (c, 2) => format!("%{:02x}", u32::from(c)),
                (c, 3) => format!("%{:02X}", u32::from(c)),
                (c, 4) => format!("%25{:02X}", u32::from(c)),
                (c, _) => c.to_string(),
            })
            .collect();
        (path.to_owned(), other)
    })
}

proptest! {
    #[test]
    fn finding_never_panics(method in "GET|HEAD|[A-Z]{0,5}", target in proptest::collection::vec(any::<u8>(), 0..80)) {
        let api = catalogue(API);
        let _ = api.find(&method, &target);
        let _ = api.find(&method, [b"/orders/", &target[..]].concat());
    }

    #[test]
    fn tricky_targets_never_panic(target in "[/.%;?#\\\\a-f0-9 éE]{0,40}") {
        let _ = catalogue(API).find("GET", format!("/{target}"));
    }

    #[test]
    fn a_path_built_from_a_template_finds_that_template(values in proptest::collection::vec(value(), 4), at in any::<proptest::sample::Index>(), query in "(\\?[a-z=&/%0-9]{0,9})?") {
        let api = catalogue(API);
        let operation = &api.operations()[at.index(api.operations().len())];
        let mut values = values.into_iter();
        let segments = operation.path.segments().iter().map(|segment| match segment {
            Segment::Fixed(text) => format!("/{text}"),
            Segment::Parameter(_) => format!("/{}", values.next().unwrap_or_default()),
        });
        let path: String = segments.collect();
        let path = if operation.path.trailing_slash() { format!("{path}/") } else { path };
        prop_assert_eq!(found(&api, operation.method.as_str(), format!("{path}{query}")), operation.to_string());
    }

    #[test]
    fn two_spellings_never_find_different_operations((path, other) in respelled(), method in "GET|POST|HEAD|PUT") {
        let api = catalogue(API);
        if let (Match::Operation(a), Match::Operation(b)) = (api.find(&method, &path), api.find(&method, &other)) {
            prop_assert_eq!(a, b, "{} {}", path, other);
        }
    }
}
