//! What a new document changes, and for whom.
use super::*;
use crate::access::{Access, Level};

fn fine(text: &str) -> Access {
    Access::fine_grained(scopes(text)).expect("scopes")
}

fn rules() -> RoleRules {
    serde_json::from_str(r#"{"viewer": {"read": true}, "admin": {"everything": true}}"#).expect("rules")
}

fn compare(old: &str, new: &str, holders: &[(&str, Access)]) -> Changes {
    let (old, new) = (if old.is_empty() { Catalogue::default() } else { catalogue(old) }, catalogue(new));
    let rules = rules();
    Catalogue::compare(&old, &new, holders.iter().map(|(name, access)| (*name, access, &rules)))
}

#[test]
fn the_report_is_one_a_person_can_read() {
    let holders = [
        ("bookkeeping", fine("orders:read")),
        ("shipping", fine("orders:read orders:write")),
        ("reports", fine("orders:read")),
        ("support", Access::Roles(BTreeSet::from(["viewer".to_owned()]))),
        ("back office", Access::Full),
    ];
    let old = "GET /orders orders:read\nPOST /orders orders:write\nGET /users/{id} users:read\nDELETE /orders/{id} orders:write";
    let new = "GET /orders orders:read\nPOST /orders orders:write\nGET /users/{user} orders:read users\nGET /stock stock:read\nGET /refunds";
    let changes = compare(old, new, &holders);
    let expected = "\
Operations: 2 added, 1 removed, 1 changed.
  + GET /refunds  refunds:read (derived)
  + GET /stock  stock:read
  - DELETE /orders/{id}  orders:write
  ~ GET /users/{user}  users:read -> orders:read, user information
bookkeeping, reports (fine-grained):
  may now call GET /users/{id}
shipping (fine-grained):
  may now call GET /users/{id}
  may no longer call DELETE /orders/{id}
support (roles):
  may now call GET /refunds
  may now call GET /stock
  may no longer call GET /users/{id}
";
    assert_eq!(changes.to_string(), expected);
    assert!(changes.widens_fine_grained());
    assert_eq!(changes.of("reports").map(|group| group.may_now.len()).collect::<Vec<_>>(), [1]);
    assert_eq!(changes.of("back office").count(), 0);
}

#[test]
fn the_same_document_changes_nothing() {
    let changes = compare("GET /a/{x} a:read", "GET /a/{y} a:read", &[("x", fine("a:read"))]);
    assert!(changes.is_empty() && !changes.widens_fine_grained());
    assert_eq!(changes.to_string(), "Nothing changes.\n");
}

#[test]
fn what_only_roles_or_full_access_gain_does_not_widen_fine_grained_access() {
    let holders = [("a", fine("b:read")), ("b", Access::Roles(BTreeSet::from(["admin".to_owned()]))), ("c", Access::Full)];
    let changes = compare("GET /a a:read", "GET /a a:read\nGET /c c:read", &holders);
    assert!(!changes.widens_fine_grained());
    assert_eq!(
        changes.affected.iter().map(|group| (group.level, group.may_now.clone())).collect::<Vec<_>>(),
        [(Level::Roles, vec!["GET /c".to_owned()])]
    );
}

#[test]
fn the_first_document_widens_for_those_whose_scopes_it_names() {
    assert!(compare("", "GET /a a:read", &[("x", fine("a:read"))]).widens_fine_grained());
    assert!(!compare("", "GET /a a:read", &[("x", fine("b:read"))]).widens_fine_grained());
}

#[test]
fn every_way_to_widen_is_seen() {
    let holder = [("x", fine("a:read"))];
    for (why, old, new, widens) in [
        ("an operation with a scope already held", "GET /a a:read", "GET /a a:read\nGET /b a:read", true),
        ("a derived scope already held", "GET /x a:read", "GET /x a:read\nGET /v2/a", true),
        ("an alternative more", "GET /a b:read", "GET /a b:read|a:read", true),
        ("one scope fewer", "GET /a a:read+b:read", "GET /a a:read", true),
        ("another scope", "GET /a b:read", "GET /a a:read", true),
        ("a fixed path that falls to a parameter", "GET /u/{id} a:read\nGET /u/export b:read", "GET /u/{id} a:read", true),
        ("a fixed path whose other method kept it apart", "GET /u/{id} a:read\nPOST /u/export b:read", "GET /u/{id} a:read", true),
        ("an overlap that was refused", "GET /m/{x}/c a:read\nGET /m/b/{y} b:read", "GET /m/{x}/c a:read", true),
        (
            "an overlap that is settled",
            "GET /m/{x}/c b:read\nGET /m/b/{y} b:read",
            "GET /m/{x}/c b:read\nGET /m/b/{y} b:read\nGET /m/b/c a:read",
            true,
        ),
        ("HEAD that was apart", "GET /a a:read\nHEAD /a b:read", "GET /a a:read", true),
        ("a slash at the end", "GET /a/ a:read", "GET /a a:read", true),
        ("a parameter in place of a fixed segment", "GET /a/b a:read", "GET /a/{x} a:read", true),
        ("a scope more", "GET /a a:read", "GET /a a:read+b:read", false),
        ("an alternative fewer", "GET /a a:read|b:read", "GET /a b:read", false),
        ("an operation fewer", "GET /a a:read\nGET /b a:read", "GET /a a:read", false),
        ("a fixed path that leaves a parameter", "GET /u/{id} a:read", "GET /u/{id} a:read\nGET /u/export b:read", false),
        ("the mark", "GET /a a:read users", "GET /a a:read", false),
        ("scopes not held", "GET /a b:read", "GET /a c:read\nGET /b c:read", false),
        ("derived, now named", "GET /a", "GET /a a:read", false),
    ] {
        assert_eq!(compare(old, new, &holder).widens_fine_grained(), widens, "{why}");
    }
}

#[test]
fn three_templates_that_share_a_path_are_compared_there_too() {
    let old = "GET /{x}/b/{z} b:read\nGET /a/{y}/{z} b:read\nGET /{x}/{y}/c b:read";
    let changes = compare(old, &format!("{old}\nGET /a/b/c a:read"), &[("x", fine("a:read"))]);
    assert_eq!(changes.affected[0].may_now, ["GET /a/b/c"]);
}

#[test]
fn long_lists_are_cut_and_counted() {
    let new: String = (0..50).map(|n| format!("GET /a{n} a:read\n")).collect();
    let names: Vec<_> = (0..30).map(|n| format!("c{n}")).collect();
    let holders: Vec<_> = names.iter().map(|name| (name.as_str(), fine("a:read"))).collect();
    let text = compare("", &new, &holders).to_string();
    assert!(
        text.contains("c19 and 10 more (fine-grained):") && text.contains("  may now call 30 more\n") && text.contains("\n  30 more\n"),
        "{text}"
    );
}
