//! Who may call what.
use super::*;
use crate::access::Access;

const API: &str = "
    GET /orders orders:read
    POST /orders orders:write+shop:use|shop:admin
    DELETE /orders/{id}
    GET /users/{id} users:read users
    PUT /users/{id} users:write users
";
const RULES: &str = r#"{"viewer": {"read": true}, "GL": {"read": true, "write": true}, "admin": {"everything": true}, "nothing": {}, "prying": {"user_information": true}}"#;

fn rules() -> RoleRules {
    serde_json::from_str(RULES).expect("rules")
}

#[test]
fn roles_grant_what_the_table_says_and_add_up() {
    let api = catalogue(API);
    for (roles, granted) in [
        ("", "-----"),
        ("viewer", "R----"),
        ("GL", "RWD--"),
        ("admin", "RWDUP"),
        ("nothing", "-----"),
        ("unheard-of", "-----"),
        ("prying", "-----"),
        ("viewer prying", "R----"),
        ("viewer admin", "RWDUP"),
        ("viewer GL", "RWD--"),
    ] {
        let access = Access::Roles(roles.split(' ').filter(|role| !role.is_empty()).map(str::to_owned).collect());
        let requests =
            [("R", "GET", "/orders"), ("W", "POST", "/orders"), ("D", "DELETE", "/orders/1"), ("U", "GET", "/users/1"), ("P", "PUT", "/users/1")];
        let answer = |(letter, method, target)| if permits(&access, &rules(), &api.find(method, target)).is_ok() { letter } else { "-" };
        assert_eq!(requests.map(answer).concat(), granted, "{roles}");
    }
}

#[test]
fn a_role_rule_with_an_unknown_word_is_refused() {
    assert!(serde_json::from_str::<RoleRule>(r#"{"evrything": false}"#).is_err());
}

#[test]
fn fine_grained_needs_one_whole_alternative_and_is_told_the_nearest() {
    let api = catalogue(API);
    let post = api.find("POST", "/orders");
    for (held, missing) in [
        ("orders:write shop:use", None),
        ("shop:admin", None),
        ("shop:admin x:y", None),
        ("shop:use", Some("This needs the scope orders:write.")),
        ("orders:read", Some("This needs the scope shop:admin.")),
    ] {
        let access = Access::fine_grained(scopes(held)).expect("scopes");
        assert_eq!(permits(&access, &rules(), &post).err().map(|missing| missing.to_string()).as_deref(), missing, "{held}");
    }
    let both = catalogue("GET /a a:read+b:read+c:read");
    let access = Access::fine_grained(scopes("b:read")).expect("scopes");
    assert_eq!(permits(&access, &rules(), &both.find("GET", "/a")), Err(Missing::Scopes(scopes("a:read c:read"))));
    let nearer = Requirement::any_of_these(vec![scopes("a:read b:read c:read"), scopes("d:read e:read")]).expect("scopes");
    assert_eq!(nearer.missing(&scopes("a:read b:read")), Some(scopes("c:read")));
}

#[test]
fn an_empty_set_of_scopes_or_roles_may_do_nothing() {
    let api = catalogue(API);
    for access in [Access::FineGrained(BTreeSet::new()), Access::Roles(BTreeSet::new())] {
        for operation in api.operations() {
            assert!(permits(&access, &rules(), &Match::Operation(operation)).is_err());
        }
    }
}

#[test]
fn what_is_unknown_or_ambiguous_is_refused_to_everything_but_full_access() {
    let api = catalogue(API);
    let admin = Access::Roles(BTreeSet::from(["admin".to_owned()]));
    let fine = Access::fine_grained(scopes("orders:read")).expect("scopes");
    for (target, missing) in [("/nothing", Missing::Unknown), ("/orders/", Missing::Ambiguous), ("/%6frders", Missing::Ambiguous)] {
        let found = api.find("GET", target);
        assert_eq!(permits(&admin, &rules(), &found), Err(missing.clone()));
        assert_eq!(permits(&fine, &rules(), &found), Err(missing));
        assert_eq!(permits(&Access::Full, &rules(), &found), Ok(()));
    }
}
