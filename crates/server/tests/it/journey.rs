//! The main job, through both listeners, on both engines.
use serde_json::json;

use crate::common::{Answer, Made, World, on_both_engines};

/// What a request is answered that the same credential made a moment ago.
async fn assert_ended(world: &World, made: &Made, token: &str) {
    let used = world.use_token(token, &made.account).await;
    assert_eq!(used.status, 401, "{used:?}");
    assert_eq!(world.exchange(&made.public_id, &made.secret).await.status, 401);
    let asked = world
        .ask(json!({ "method": "GET", "path": "/", "headers": { "Authorization": format!("Bearer {token}"), "AccountId": made.account } }))
        .await;
    assert_eq!((asked.status, &asked.json()["verdict"]), (200, &json!("refused")));
}

async fn assert_alive(world: &World, made: &Made, token: &str) -> Answer {
    world.token(made).await;
    let used = world.use_token(token, &made.account).await;
    assert_eq!(used.status, 200, "{used:?}");
    used
}

on_both_engines! {
    async fn a_deleted_credential_is_refused_by_the_very_next_request(world) {
        let acme = world.account("corporate", "Acme").await;
        let (made, other) = (world.credential(&acme).await, world.credential(&acme).await);
        let (token, others) = (world.token(&made).await, world.token(&other).await);
        let used = assert_alive(&world, &made, &token).await;
        assert_eq!(used.header("x-claviger-credential"), made.id);
        world.delete(&made).await;
        assert_ended(&world, &made, &token).await;
        assert_alive(&world, &other, &others).await;
        // ending it again is no error, and it stays ended
        world.delete(&made).await;
        assert_ended(&world, &made, &token).await;
    }

    async fn withdrawing_the_gate_and_suspending_refuse_at_once_and_granting_revives(world) {
        let partner = world.account("partner", "Partner").await;
        let acme = world.account_under("corporate", "Acme", Some(&partner)).await;
        let made = world.credential(&acme).await;
        let token = world.token(&made).await;
        for (whose, off, on) in [
            (&acme, json!({ "api_access": false }), json!({ "api_access": true })),
            (&acme, json!({ "status": "suspended" }), json!({ "status": "active" })),
            (&partner, json!({ "status": "suspended" }), json!({ "status": "active" })),
            (&acme, json!({ "status": "suspended", "api_access": false }), json!({ "status": "active", "api_access": true })),
        ] {
            assert_alive(&world, &made, &token).await;
            world.change(whose, off).await;
            assert_ended(&world, &made, &token).await;
            world.change(whose, on).await;
        }
        assert_alive(&world, &made, &token).await;
        world.change(&acme, json!({ "api_access": false })).await;
        world.delete(&made).await;
        world.change(&acme, json!({ "api_access": true })).await;
        assert_ended(&world, &made, &token).await;
    }

    async fn a_partner_acts_for_its_clients_and_for_no_one_else(world) {
        let partner = world.account("partner", "Partner").await;
        let client = world.account_under("corporate", "Client", Some(&partner)).await;
        let stranger = world.account("corporate", "Stranger").await;
        let (of_partner, of_client) = (world.credential(&partner).await, world.credential(&client).await);
        let (partners, clients) = (world.token(&of_partner).await, world.token(&of_client).await);
        for (token, account, status) in [
            (&partners, &partner, 200),
            (&partners, &client, 200),
            (&partners, &stranger, 403),
            (&clients, &client, 200),
            (&clients, &partner, 403),
            (&clients, &stranger, 403),
        ] {
            let answer = world.use_token(token, account).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        let acting = world.use_token(&partners, &client).await;
        assert_eq!((acting.header("x-claviger-account"), acting.header("x-claviger-acting-account")), (partner.as_str(), client.as_str()));
        // an account nobody has is answered as a stranger's is
        let unknown = world.use_token(&partners, "01890000-0000-7000-8000-000000000001").await;
        assert_eq!(unknown, world.use_token(&partners, &stranger).await);
        world.change(&client, json!({ "status": "suspended" })).await;
        assert_eq!(world.use_token(&partners, &client).await.status, 403);
        assert_eq!(world.use_token(&clients, &client).await.status, 401);
        assert_eq!(world.use_token(&partners, &partner).await.status, 200);
        world.change(&client, json!({ "status": "active" })).await;
        assert_eq!(world.use_token(&partners, &client).await.status, 200);
    }

    async fn twenty_parallel_creations_from_nine_leave_exactly_ten(world) {
        let acme = world.account("corporate", "Acme").await;
        for _ in 0..9 {
            world.credential(&acme).await;
        }
        let world = std::sync::Arc::new(world);
        let creations: Vec<_> = (0..20)
            .map(|_| {
                let (world, path) = (world.clone(), format!("/v1/accounts/{acme}/credentials"));
                tokio::spawn(async move { world.operator().post(&path, json!({ "email": "dev@example.com" })).await })
            })
            .collect();
        let mut made = 0;
        for creation in creations {
            let answer = creation.await.expect("no panic");
            match answer.status {
                201 => made += 1,
                _ => answer.assert_problem(409, "limit_reached"),
            }
        }
        assert_eq!(made, 1);
        let listed = world.operator().get(&format!("/v1/accounts/{acme}/credentials")).await;
        assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(10));
        assert_eq!(world.actions(&acme).await.iter().filter(|action| *action == "credential.created").count(), 10);
    }

    async fn no_secret_is_at_rest_in_the_clear(world) {
        let acme = world.account("corporate", "Acme").await;
        let made = world.credential(&acme).await;
        let keyed = world.operator().with("idempotency-key", "k").post(&format!("/v1/accounts/{acme}/credentials"), json!({ "email": "dev@example.com" })).await;
        let secret = keyed.json()["secret"].as_str().expect("a secret").to_owned();
        let token = world.token(&made).await;
        let link = world.operator().post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "nobody@example.com" })).await;
        assert_eq!(link.status, 422);
        world.save_member(&acme, "ann@example.com", "owner").await;
        let link = world.operator().post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "ann@example.com" })).await;
        let link = link.json()["url"].as_str().expect("a url").rsplit('/').next().expect("a token").to_owned();
        let secrets = [made.secret.as_str(), &secret, &token, &link, &world.operator_key];
        match &world.database {
            // the database and its write-ahead log; the key ring holds no secret of these
            None => claviger_testkit::secrets::assert_absent_from_files(world.folder.path(), &secrets),
            Some(database) => {
                let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("it is up");
                tokio::spawn(connection);
                for table in ["account", "credential", "credential_secret", "operator_key", "sign_in_link", "session", "idempotency", "event", "change"] {
                    let rows = client.simple_query(&format!("SELECT t::text FROM {table} t")).await.expect("rows");
                    for message in rows {
                        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                            claviger_testkit::secrets::assert_absent_from(table, row.get(0).unwrap_or_default().as_bytes(), &secrets);
                        }
                    }
                }
            }
        }
    }
}
