//! Who cannot prove a living credential learns nothing about it: the same status, headers and bytes.
use claviger_domain::{id::SecretId, token::Purpose};
use claviger_server::clock::OsChance;
use serde_json::json;

use crate::common::{Answer, Made, World, on_both_engines};

/// Client ids and secrets that must all be answered alike.
async fn wrong_pairs(world: &World) -> Vec<(&'static str, String, String)> {
    let [acme, withdrawn, suspended] =
        [world.account("corporate", "A").await, world.account("corporate", "B").await, world.account("corporate", "C").await];
    let partner = world.account("partner", "P").await;
    let below = world.account_under("corporate", "D", Some(&partner)).await;
    let (living, deleted) = (world.credential(&acme).await, world.credential(&acme).await);
    let (gateless, paused, under) = (world.credential(&withdrawn).await, world.credential(&suspended).await, world.credential(&below).await);
    world.delete(&deleted).await;
    world.change(&withdrawn, json!({ "api_access": false })).await;
    world.change(&suspended, json!({ "status": "suspended" })).await;
    world.change(&partner, json!({ "status": "suspended" })).await;
    let format = &world.app.format;
    let (unknown, wrong) = (format.public_id(Purpose::Client, &OsChance), format.secret(&OsChance).expose().to_owned());
    let pair = |name, made: &Made| (name, made.public_id.clone(), made.secret.clone());
    vec![
        ("unknown id", unknown, living.secret.clone()),
        ("wrong secret", living.public_id.clone(), wrong.clone()),
        ("a secret of another", living.public_id.clone(), paused.secret.clone()),
        ("not a secret at all", living.public_id.clone(), "hunter2".into()),
        ("not an id at all", "hunter2".into(), living.secret.clone()),
        ("of another installation", "clv_client_0000000000000000000000".into(), wrong),
        pair("deleted", &deleted),
        pair("gate withdrawn", &gateless),
        pair("suspended", &paused),
        pair("parent suspended", &under),
    ]
}

fn assert_all_alike(answers: &[(&'static str, Answer)]) {
    let (first_name, first) = &answers[0];
    for (name, answer) in answers {
        // the order of the headers too
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(answer), names(first), "{name} and {first_name}");
        assert_eq!(answer, first, "{name} and {first_name}");
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
    }
}

on_both_engines! {
    async fn unknown_wrong_and_ended_clients_are_one_answer_at_both_token_endpoints(world) {
        let pairs = wrong_pairs(&world).await;
        let (mut json_form, mut basic_form, mut body_form) = (Vec::new(), Vec::new(), Vec::new());
        for (name, id, secret) in &pairs {
            json_form.push((*name, world.exchange(id, secret).await));
            let fixed = world.anyone().with("x-request-id", "fixed");
            let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{id}:{secret}").as_bytes()));
            basic_form.push((*name, fixed.clone().with("authorization", &basic).form("/oauth2/token", &[("grant_type", "client_credentials")]).await));
            let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
            body_form.push((*name, fixed.form("/oauth2/token", &form).await));
        }
        for answers in [&json_form, &basic_form, &body_form] {
            assert_all_alike(answers);
        }
        json_form[0].1.assert_problem(401, "credential_invalid");
        for answers in [&basic_form, &body_form] {
            let answer = &answers[0].1;
            assert_eq!(answer.json()["error"], "invalid_client");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }

    async fn tokens_of_ended_unknown_and_forged_credentials_are_one_answer_at_verification(world) {
        let acme = world.account("corporate", "Acme").await;
        let partner = world.account("partner", "Partner").await;
        let below = world.account_under("corporate", "Below", Some(&partner)).await;
        let (deleted, gateless, under, living) =
            (world.credential(&acme).await, world.credential(&below).await, world.credential(&below).await, world.credential(&acme).await);
        let mut tokens = Vec::new();
        for (name, made) in [("deleted", &deleted), ("parent suspended", &gateless), ("gate withdrawn", &under)] {
            tokens.push((name, made.account.clone(), world.token(made).await));
        }
        world.delete(&deleted).await;
        world.change(&below, json!({ "api_access": false })).await;
        world.change(&partner, json!({ "status": "suspended" })).await;
        // signed by us, for a client that never was
        let unknown = world.app.format.public_id(Purpose::Client, &OsChance);
        let of_nobody = world.app.tokens.issue(&unknown, SecretId::from_bytes([7; 16]), "*".into(), "jti".into(), world.app.clock.now(), 3600).expect("signed");
        tokens.push(("unknown id", acme.clone(), of_nobody));
        let good = world.token(&living).await;
        tokens.push(("bad signature", acme.clone(), format!("{}AAAA", &good[..good.len() - 4])));
        tokens.push(("no token", acme.clone(), "a.b.c".into()));
        tokens.push(("junk", acme.clone(), "junk".into()));
        let (mut by_nginx, mut by_question) = (Vec::new(), Vec::new());
        for (name, account, token) in &tokens {
            by_nginx.push((*name, world.use_token(token, account).await));
            let headers = json!({ "authorization": format!("Bearer {token}"), "accountid": account });
            let asked = world.ask(json!({ "method": "GET", "path": "/", "headers": headers })).await;
            assert_eq!((asked.status, &asked.json()["reason"]), (200, &json!("credential_invalid")));
            // the answer to a service is a 200 about a 401
            by_question.push((*name, Answer { status: 401, ..asked }));
        }
        assert_all_alike(&by_nginx);
        assert_all_alike(&by_question);
    }
}
