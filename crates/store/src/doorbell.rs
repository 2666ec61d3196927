//! What rings when something may have changed. A doorbell, not a letter: who hears it reads the change log.
use std::time::Duration;

use crate::{
    Store,
    postgres::{Listening, Postgres},
};

/// How often SQLite is asked, where only a command beside the server can have changed something.
const GLANCE: Duration = Duration::from_millis(200);
/// Between attempts to reach a server that cannot be reached.
const PAUSE: Duration = Duration::from_millis(250);

/// See the module. It may ring for nothing; and what happens while its connection is lost is made up for by a ring when it is back.
#[derive(Debug)]
pub struct Doorbell(Bell);

#[derive(Debug)]
enum Bell {
    Watching { store: Store, seen: Option<i64> },
    Listening { postgres: Box<Postgres>, line: Option<Listening> },
}

impl Doorbell {
    pub(crate) const fn watching(store: Store) -> Self {
        Self(Bell::Watching { store, seen: None })
    }

    pub(crate) const fn listening(postgres: Box<Postgres>) -> Self {
        Self(Bell::Listening { postgres, line: None })
    }

    /// Waits for the next ring.
    pub async fn rings(&mut self) {
        match &mut self.0 {
            Bell::Watching { store, seen } => loop {
                let position = async { store.reader().await?.position().await };
                if let Ok(position) = position.await
                    && seen.replace(position.rev) != Some(position.rev)
                {
                    return;
                }
                tokio::time::sleep(GLANCE).await;
            },
            Bell::Listening { postgres, line } => loop {
                match line {
                    Some(listening) => match listening.hear().await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::info!(%error, "new revisions cannot be heard of; they are asked for");
                            *line = None;
                        }
                    },
                    None => match postgres.listen().await {
                        Ok(listening) => {
                            *line = Some(listening);
                            return;
                        }
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    },
                }
            },
        }
    }
}
