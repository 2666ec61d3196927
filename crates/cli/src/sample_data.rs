//! Sample accounts and people, made through the management API as a back office would.
use hyper::Method;
use serde_json::{Value, json};

use crate::client::Client;

/// A person to sign in as.
pub(crate) struct Person {
    pub(crate) account: String,
    pub(crate) account_name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) role: &'static str,
}

/// The accounts that the printed journey uses.
pub(crate) struct Sample {
    pub(crate) people: Vec<Person>,
    pub(crate) corporate: String,
}

/// Makes what is not there yet, so that a kept data folder can be used again.
pub(crate) async fn make(api: &Client) -> anyhow::Result<Sample> {
    let corporate = account(api, json!({ "kind": "corporate", "name": "Northwind Traders", "external_id": "demo-corporate" })).await?;
    let partner = account(api, json!({ "kind": "partner", "name": "Harbour Payments", "external_id": "demo-partner" })).await?;
    let mut clients = Vec::new();
    for (name, external_id) in [("Bluebird Books", "demo-client-1"), ("Cedar Coffee", "demo-client-2")] {
        clients.push(account(api, json!({ "kind": "corporate", "name": name, "external_id": external_id, "parent_id": partner })).await?);
    }
    let mut people = Vec::new();
    for (account, account_name, email, name, role, assigned) in [
        (&corporate, "Northwind Traders", "olivia@northwind.example", "Olivia Owner", "owner", None),
        (&corporate, "Northwind Traders", "adam@northwind.example", "Adam Admin", "admin", None),
        (&corporate, "Northwind Traders", "vera@northwind.example", "Vera Viewer", "viewer", None),
        (&partner, "Harbour Payments", "paula@harbour.example", "Paula Partner", "partner_admin", None),
        (&partner, "Harbour Payments", "oscar@harbour.example", "Oscar Onboarding", "onboarding_agent", Some(&clients[..1])),
    ] {
        let mut member = json!({ "role": role, "name": name });
        if let Some(assigned) = assigned {
            member["clients"] = json!(assigned);
        }
        api.expect(Method::PUT, &format!("/v1/accounts/{account}/members/{email}"), &member).await?;
        people.push(Person { account: account.clone(), account_name, email, role });
    }
    Ok(Sample { people, corporate })
}

/// The account that `new` asks for, made unless it is there by its external id; with its gate open.
pub(crate) async fn account(api: &Client, new: Value) -> anyhow::Result<String> {
    let (status, made) = api.send(Method::POST, "/v1/accounts", &new).await?;
    let id = match status {
        201 => made["id"].clone(),
        409 => find(api, &new["external_id"]).await?,
        _ => anyhow::bail!("the account {} could not be made: {made}", new["name"]),
    };
    let id = id.as_str().unwrap_or_default().to_owned();
    api.expect(Method::PATCH, &format!("/v1/accounts/{id}"), &json!({ "api_access": true })).await?;
    Ok(id)
}

async fn find(api: &Client, external_id: &Value) -> anyhow::Result<Value> {
    let mut cursor = String::new();
    loop {
        let page = api.expect(Method::GET, &format!("/v1/accounts?limit=200{cursor}"), &Value::Null).await?;
        let accounts = page["items"].as_array().cloned().unwrap_or_default();
        if let Some(found) = accounts.into_iter().find(|account| account["external_id"] == *external_id) {
            return Ok(found["id"].clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => anyhow::bail!("an account that was there is gone"),
        }
    }
}
