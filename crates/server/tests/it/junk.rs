//! What cannot be a credential, or is none, costs the store nothing: nobody can make the database work by making things up.
use claviger_domain::token::Purpose;
use claviger_server::clock::OsChance;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::common::on_both_engines;

fn basic(user: &str, password: &str) -> Value {
    json!({ "authorization": format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())) })
}

fn hmac(user: &str) -> Value {
    let list = "date request-line";
    json!({ "authorization": format!(r#"hmac username="{user}", algorithm="hmac-sha256", headers="{list}", signature="{}""#, BASE64.encode(&[7; 32])) })
}

/// With its last character another.
fn misspelt(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

on_both_engines! {
    async fn junk_of_every_sort_reads_nothing_and_what_might_exist_is_read_once(world) {
        let format = &world.app.format;
        let id = |purpose| format.public_id(purpose, &OsChance);
        let secret = format.secret(&OsChance).expose().to_owned();
        let key = format.key(&id(Purpose::ApiKey), &OsChance).expose().to_owned();
        let operator_key = format.key(&id(Purpose::Operator), &OsChance).expose().to_owned();
        let foreign_tag = format.key(&misspelt(&id(Purpose::ApiKey)), &OsChance).expose().to_owned();
        let reads = async |what: &str, headers: &Value| {
            let before = world.app.index.store_reads();
            let answer = world.ask(json!({ "method": "GET", "path": "/", "headers": headers })).await;
            assert!(answer.status == 200 && answer.json()["reason"].is_string(), "{what}: {answer:?}");
            world.app.index.store_reads() - before
        };
        for (what, headers) in [
            ("no key at all", json!({ "x-api-key": "junk" })),
            ("a wrong checksum", json!({ "x-api-key": misspelt(&key) })),
            ("a wrong tag, its checksum right", json!({ "x-api-key": foreign_tag })),
            ("an operator's key", json!({ "x-api-key": operator_key })),
            ("a pair whose secret has a wrong checksum", basic(&id(Purpose::Basic), &misspelt(&secret))),
            ("a signature of a key with a wrong tag", hmac(&misspelt(&id(Purpose::Hmac)))),
            ("a signature of somebody", hmac("API_KEY_12345678")),
            ("a token that is none", json!({ "authorization": "Bearer a.b.c" })),
            ("two credentials", json!({ "x-api-key": key, "authorization": "Bearer a.b.c" })),
            ("another scheme", json!({ "authorization": "Digest username=\"x\"" })),
        ] {
            assert_eq!(reads(what, &headers).await, 0, "{what} was looked up");
        }
        for (what, headers) in [
            ("an unknown key with our tag", json!({ "x-api-key": key })),
            ("an unknown pair with our tag", basic(&id(Purpose::Basic), &secret)),
            ("a signature of an unknown key with our tag", hmac(&id(Purpose::Hmac))),
            ("an unknown legacy username", basic("nobody", "Secret1")),
        ] {
            assert_eq!(reads(what, &headers).await, 1, "{what}, for the first time");
            assert_eq!(reads(what, &headers).await, 0, "{what}, for the second time");
        }
    }
}
