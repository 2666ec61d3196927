//! What becomes of a document, good or bad.
use super::*;

fn lines(catalogue: &Catalogue) -> Vec<String> {
    let line = |operation: &Operation| format!("{operation}  {}{}", operation.requirement, if operation.user_information { "  users" } else { "" });
    catalogue.operations().iter().map(line).collect()
}

#[test]
fn a_yaml_document_of_3_0_becomes_a_catalogue() {
    let catalogue = Catalogue::from_openapi(YAML).expect("good");
    let expected = [
        "GET /v1/orders  orders:read",
        "POST /v1/orders  orders:write or shop:admin",
        "POST /v1/orders/import  orders:write or shop:admin",
        "GET /v1/orders/{order_id}  orders:read",
        "DELETE /v1/orders/{order_id}  orders:delete and orders:write",
        "POST /v1/orders/{order_id}/refunds  refunds:write (derived)",
        "GET /v1/users/{user_id}  users:read  users",
        "HEAD /v1/users/{user_id}  users:read (derived)",
    ];
    assert_eq!(lines(&catalogue), expected);
}

#[test]
fn a_json_document_of_3_1_becomes_a_catalogue() {
    let catalogue = Catalogue::from_openapi(JSON).expect("good");
    let expected = [
        "GET /  root:read (derived)",
        "GET /orders  orders:read",
        "PUT /orders  orders:write (derived)  users",
        "GET /people/users/{id}/  users:read  users",
    ];
    assert_eq!(lines(&catalogue), expected);
}

#[test]
fn every_scope_has_a_sentence() {
    let catalogue = Catalogue::from_openapi(YAML).expect("good");
    let sentences: Vec<_> =
        catalogue.scopes().map(|(scope, entry)| format!("{scope}: {} {} {}", entry.sentence, entry.derived, entry.reads)).collect();
    let expected = [
        "orders:delete: Cancel an order. false false",
        "orders:read: See orders. false true",
        "orders:write: Place an order; Place an order; Cancel an order. false false",
        "refunds:write: POST /v1/orders/{order_id}/refunds. true false",
        "shop:admin: Place an order; Place an order. false false",
        "stock:read: See what is in stock. false false",
        "users:read: Read a user; HEAD /v1/users/{user_id}. false true",
    ];
    assert_eq!(sentences, expected);
}

#[test]
fn the_stored_form_is_stable_and_reads_back_as_the_same_catalogue() {
    let catalogue = Catalogue::from_openapi(YAML).expect("good");
    let again = Catalogue::from_json(catalogue.as_json()).expect("its own text");
    assert_eq!(again.as_json(), catalogue.as_json());
    assert_eq!(again.revision(), catalogue.revision());
    assert_eq!(catalogue.revision().len(), 64);
    assert_eq!(again.operations(), catalogue.operations());
    let yaml_order = "GET /b b:read\nGET /a a:read";
    let other_order = "GET /a a:read\nGET /b b:read";
    assert_eq!(super::catalogue(yaml_order).revision(), super::catalogue(other_order).revision());
    assert_ne!(super::catalogue(yaml_order).revision(), super::catalogue("GET /a a:read").revision());
}

#[test]
fn a_stored_form_that_was_tampered_with_is_refused() {
    let good = catalogue("GET /a a:read").as_json().to_owned();
    for (from, to) in [
        ("\"a:read\"", "\"A\""),
        ("[[\"a:read\"]]", "[]"),
        ("[[\"a:read\"]]", "[[]]"),
        ("\"/a\"", "\"/a//b\""),
        ("\"format\":1", "\"format\":2"),
        ("\"derived\"", "\"dervied\""),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(Catalogue::from_json(&good.replacen(from, to, 1)).is_err(), "{from} {to}");
    }
}

/// A 3.1 document whose only path is `/a` with `item`.
fn with_item(item: &str) -> String {
    format!("openapi: 3.1.0\npaths:\n  /a: {item}\ncomponents: {{ securitySchemes: {{ key: {{ type: apiKey }} }} }}\n")
}

#[test]
fn a_document_that_would_be_judged_by_a_guess_is_refused_and_told_where() {
    let bad = [
        ("{}", "no \"openapi\""),
        ("{\"swagger\": \"2.0\", \"paths\": {}}", "no \"openapi\""),
        ("openapi: 3.2.0", "3.2.0"),
        ("openapi: 3.10.0", "3.10.0"),
        ("openapi: 3.1.0", "no operation"),
        ("[1]", "cannot be read"),
        ("", "3.0 or 3.1"),
        ("openapi: [", "cannot be read"),
        (&with_item("{ $ref: other.yaml }"), "/a: its $ref"),
        (&with_item("{ $ref: '#/components/pathItems/a' }"), "/a: its $ref"),
        (&with_item("{ $ref: '#/components/pathItems/a', get: {} }"), "beside it"),
        (&with_item("{ get: { security: [ { nokey: [] } ] } }"), "GET /a: the security scheme \"nokey\""),
        (&with_item("{ get: { security: [ { key: [read] } ] } }"), "GET /a: the scope \"read\""),
        (&with_item("{ get: { security: [ { key: ['Orders:read'] } ] } }"), "Orders:read"),
        (&with_item("{ get: { security: } }"), "cannot be read"),
        (&with_item("{ get: { security: {} } }"), "cannot be read"),
        (&with_item("{ get: {}, get: {} }"), "cannot be read"),
        (r#"{"openapi":"3.1.0","paths":{"/a":{"get":{"x-claviger-user-information":"true"}}}}"#, "cannot be read"),
        (&with_item("{ get: { x-claviger-user-information: yes } }"), "cannot be read"),
        (&with_item("{ get: { x-claviger-user-information: ~ } }"), "cannot be read"),
        (&with_item("{ get: { x-claviger-user-info: true } }"), "did you mean"),
        (&with_item("{ get: { responses: { 200: { x-claviger-user-information: true } } } }"), "would do nothing"),
        (&with_item("{ servers: [ { url: v1 } ], get: {} }"), "relative"),
        (&with_item("{ servers: [ { url: 'https://a/{b}' } ], get: {} }"), "not described"),
        (&with_item("{ servers: [ { url: 'https://a/b/../c' } ], get: {} }"), "dot segment"),
        (&with_item("{ get: {} }\n  /b.{format}: { get: {} }"), "mixes"),
        (&with_item("{ get: {} }\n  b: { get: {} }"), "begins with a slash"),
        (&with_item("{ get: {} }\n  /A: { post: {} }"), "case"),
        (&with_item("{ get: {} }\n  /a/: { post: {} }"), "slash"),
        (&with_item("{ get: {} }\n  /a: { post: {} }"), "cannot be read"),
        (&with_item("{ get: {} }\n  /x/{a}: { get: {} }\n  /x/{b}: { get: {} }"), "no request could tell it from GET /x/{a}"),
        (r#"{"openapi":"3.1.0","paths":{"/a":{"get":{}},"/a":{"get":{}}}}"#, "twice"),
        (r#"{"openapi":"3.1.0","paths":{"/a":{"get":{},"get":{}}}}"#, "twice"),
        (
            r#"{"openapi":"3.0.0","paths":{"/a":{"get":{"security":[{"key":["a:read"]}]}}},"components":{"securitySchemes":{"key":{"type":"http"}}}}"#,
            "only oauth2",
        ),
    ];
    for (text, reason) in bad {
        let error = Catalogue::from_openapi(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}\n{error}");
    }
}

#[test]
fn two_parameters_of_the_same_shape_are_one_path_with_several_methods() {
    let catalogue = Catalogue::from_openapi(&with_item("{ get: {} }\n  /x/{a}: { get: {} }\n  /x/{b}: { put: {} }")).expect("good");
    assert_eq!(found(&catalogue, "PUT", "/x/1"), "PUT /x/{b}");
}

#[test]
fn bombs_are_refused_before_they_are_built() {
    let doubling: String = (1..40).map(|n| format!("  b{n}: &b{n} [*b{p}, *b{p}, *b{p}, *b{p}]\n", p = n - 1)).collect();
    let aliases = format!("openapi: 3.1.0\nx-bomb:\n  b0: &b0 [lol]\n{doubling}paths: {{ /a: {{ get: {{}} }} }}\n");
    let deep_yaml = format!("openapi: 3.1.0\nx-deep: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
    let deep_json = format!("{{\"openapi\":\"3.1.0\",\"x-deep\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_block: String = (0..5_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    for (name, bomb) in [("aliases", aliases), ("deep YAML", deep_yaml), ("deep JSON", deep_json), ("deep blocks", deep_block)] {
        assert!(matches!(Catalogue::from_openapi(&bomb), Err(CatalogueError::Unreadable(_))), "{name}");
    }
    assert_eq!(Catalogue::from_openapi(&" ".repeat((16 << 20) + 1)).err(), Some(CatalogueError::TooLarge));
}

#[test]
fn a_derived_scope_is_always_a_scope() {
    for (path, scope) in [
        ("/v1/{id}", "v1:read"),
        ("/{id}", "root:read"),
        ("/a/Orders.json", "orders-json:read"),
        ("/2fa", "r-2fa:read"),
        ("/404", "r-404:read"),
        ("/~~~", "r-:read"),
        ("/orders:search", "orders-search:read"),
        ("/@me/{x}/{y}", "me:read"),
    ] {
        assert_eq!(catalogue(&format!("GET {path}")).scopes().next().map(|(scope, _)| scope.to_string()), Some(scope.to_owned()));
    }
    let long = catalogue(&format!("DELETE /{}", "a".repeat(200)));
    assert!(long.scopes().all(|(scope, _)| scope.as_str().len() == 64));
}

#[test]
fn a_requirement_that_contains_another_never_decides() {
    let requirement = Requirement::any_of_these(vec![scopes("a:read b:read"), scopes("a:read"), scopes("a:read")]).expect("scopes");
    assert_eq!(requirement.any_of(), [scopes("a:read")]);
    assert!(Requirement::any_of_these(Vec::new()).is_none());
    assert!(Requirement::any_of_these(vec![scopes("a:read"), BTreeSet::new()]).is_none());
}

proptest::proptest! {
    #[test]
    fn reading_any_text_ends_without_a_panic(text in "(openapi: 3.1.0\n)?[ -~\n]{0,200}") {
        let _ = Catalogue::from_openapi(&text);
        let _ = Catalogue::from_json(&text);
    }

    #[test]
    fn a_document_with_any_one_byte_changed_is_read_or_refused(at in 0..YAML.len(), byte in 0x20_u8..0x7f) {
        let mut bytes = YAML.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(catalogue) = Catalogue::from_openapi(&String::from_utf8(bytes).expect("ASCII")) {
            let again = Catalogue::from_json(catalogue.as_json()).expect("its own text");
            proptest::prop_assert_eq!(again.revision(), catalogue.revision());
        }
    }
}
