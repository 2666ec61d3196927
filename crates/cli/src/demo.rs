//! `claviger demo`: the whole of it on one machine, with people to sign in as and a journey to paste.
use std::net::SocketAddr;

use claviger_server::{app, serve as listeners};

use crate::{
    client::Client,
    listening::{listen, url},
    print, sample_api,
    sample_data::{self, Sample},
    serve::{Names, Server, refused},
    settings,
};

/// The flags of `serve`, and where the sample API listens.
#[derive(clap::Args)]
pub(crate) struct DemoFlags {
    #[command(flatten)]
    settings: settings::Flags,
    /// Where the sample API listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    api: SocketAddr,
}

pub(crate) async fn run(flags: &DemoFlags) -> anyhow::Result<()> {
    print::start_log("warn");
    let mut settings = flags.settings.resolve()?;
    // removed when this function returns, Ctrl-C included; a folder that was asked for is kept
    let temporary = if flags.settings.data.is_none() { Some(tempfile::tempdir()?) } else { None };
    if let Some(folder) = &temporary {
        settings.data = Some(folder.path().to_owned());
    }
    let sample_listener = listen(Some(flags.api), "--api")?;
    let api = url(sample_listener.local_addr()?);
    let server = Server::start(settings, Names::SERVE).await?;
    let sample_api = sample_api::router(&server.gateway);
    tokio::spawn(listeners::public(sample_listener, sample_api, Default::default(), std::future::pending()));

    let key = app::operator_keys::create_from_command_line(&server.app, "demo").await.map_err(refused)?;
    let sample = sample_data::make(&Client::new(&server.public, Some(key.expose()))).await?;
    print::line(&format!("Public: {}", server.public));
    print::line(&format!("Gateway: {}", server.gateway));
    print::line(&format!("Sample API: {api}"));
    show_people(&server, &sample).await?;
    show_journey(&server.public, &api, key.expose(), &sample.corporate);
    if temporary.is_none() {
        print::line("\nCtrl-C stops; the data is kept.");
    } else {
        print::line("\nCtrl-C stops, and removes everything.");
    }
    server.until_stopped().await
}

async fn show_people(server: &Server, sample: &Sample) -> anyhow::Result<()> {
    print::line("\nSign in to the console as (each link works once; they are good for five minutes):");
    for person in &sample.people {
        let account = person.account.parse()?;
        let link = app::sign_in::create_member_link(&server.app, account, person.email).await.map_err(refused)?;
        print::line(&format!("  {} of {}, {}:\n    {}", person.role, person.account_name, person.email, link.url.expose()));
    }
    let link = app::sign_in::create_operator_link(&server.app).await.map_err(refused)?;
    print::line(&format!("  the operator (for an hour):\n    {}", link.url.expose()));
    Ok(())
}

fn show_journey(public: &str, api: &str, key: &str, account: &str) {
    print::line(&format!(
        r#"
A journey to paste into another terminal:

  OPERATOR_KEY={key}
  ACCOUNT={account}
  field() {{ sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/"; }}
  # the back office creates a credential (in the console: API keys, Create API key)
  MADE=$(curl -s {public}/v1/accounts/$ACCOUNT/credentials -H "Authorization: Bearer $OPERATOR_KEY" \
    -H 'Content-Type: application/json' -d '{{"kind":"client","email":"dev@northwind.example"}}')
  ID=$(echo "$MADE" | field id); CLIENT_ID=$(echo "$MADE" | field public_id); CLIENT_SECRET=$(echo "$MADE" | field secret)
  # the integration exchanges it for a token and calls the API
  TOKEN=$(curl -s {public}/auth/token -H 'Content-Type: application/json' \
    -d "{{\"clientId\":\"$CLIENT_ID\",\"clientSecret\":\"$CLIENT_SECRET\"}}" | field access_token)
  curl -si {api}/orders -H "Authorization: Bearer $TOKEN" -H "AccountId: $ACCOUNT"; echo
  # the credential is deleted, and the very next request is refused
  curl -si -X DELETE {public}/v1/accounts/$ACCOUNT/credentials/$ID -H "Authorization: Bearer $OPERATOR_KEY"
  curl -si {api}/orders -H "Authorization: Bearer $TOKEN" -H "AccountId: $ACCOUNT"; echo"#
    ));
}
