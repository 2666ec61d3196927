//! `claviger serve`, and what works beside a running one.
use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use claviger_domain::kind::Kinds;
use claviger_server::{
    app::{self, App},
    clock::{Clock, OsChance},
    cluster::{Membership, canary::Canary},
    config::Settings,
    gateway,
    keyring::KeyRing,
    public, requests,
    serve::{self, Listener},
    traces,
};
use claviger_store::Store;
use tokio::{net::UdpSocket, signal::unix::SignalKind, sync::watch};

use crate::{
    listening::{SocketFile, bind, open_up, url},
    print, private, settings,
};

/// In the data folder.
const KEY_RING: &str = "keyring.json";
const DATABASE: &str = "claviger.db";

/// Serves until SIGTERM or Ctrl-C, then lets what is being answered finish.
pub(crate) async fn run(flags: &settings::Flags) -> anyhow::Result<()> {
    print::start_log("info");
    let server = Server::start(flags.resolve()?, Names::SERVE).await?;
    print::line(&format!("Public: {}", server.public));
    print::line(&format!("Gateway: {}", server.gateway));
    if let Some(socket) = &server.gateway_socket {
        print::line(&format!("Gateway socket: {}", socket.path().display()));
    }
    if let Some(syslog) = server.syslog {
        print::line(&format!("API requests: {syslog}"));
    }
    if !server.app.store.reader().await?.has_operator_signed_in().await? {
        let link = app::sign_in::create_operator_link(&server.app).await.map_err(refused)?;
        print::line(&format!("Sign in: {}", link.url.expose()));
    }
    server.until_stopped().await
}

/// `claviger operator key create`. Where there is no installation it makes one: what sets a server up may want its key before the first start.
pub(crate) async fn create_operator_key(flags: &settings::Flags, name: &str) -> anyhow::Result<()> {
    print::start_log("warn");
    let settings = flags.resolve()?;
    let data = settings.data.clone().context("no data folder is set")?;
    make_folder(&data)?;
    if !has_key_ring(&data)? {
        tracing::warn!(folder = %data.display(), "there was no installation: this makes one");
    }
    let keys = make_key_ring(&data)?;
    let issuer = issuer(&settings);
    let app = open(settings, issuer, keys).await?;
    let key = app::operator_keys::create_from_command_line(&app, name).await.map_err(refused)?;
    print::line(key.expose());
    Ok(())
}

/// `claviger catalogue import`. A server beside it reads the catalogue anew within a second.
pub(crate) async fn import_catalogue(flags: &settings::Flags, file: &Path, accept: bool) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let app = beside(flags).await?;
    let import = app::catalogue::import_from_command_line(&app, &text, accept).await.map_err(refused)?;
    print::line(&import.report);
    anyhow::ensure!(import.imported, "nothing was changed: a fine-grained credential could do more afterwards; use --accept if it may");
    Ok(())
}

/// `claviger operator sign-in`.
pub(crate) async fn create_sign_in_link(flags: &settings::Flags) -> anyhow::Result<()> {
    let app = beside(flags).await?;
    let link = app::sign_in::create_operator_link(&app).await.map_err(refused)?;
    print::line(link.url.expose());
    Ok(())
}

/// `claviger operator end-sessions`.
pub(crate) async fn end_operator_sessions(flags: &settings::Flags) -> anyhow::Result<()> {
    let app = beside(flags).await?;
    let ended = app::sessions::end_all_of_operator(&app).await.map_err(refused)?;
    print::line(&format!("ended: {ended}"));
    Ok(())
}

/// What the flags that set addresses are called, for those who must change one.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) public: &'static str,
    pub(crate) gateway: &'static str,
}

impl Names {
    pub(crate) const SERVE: Self = Self { public: "--public", gateway: "--gateway" };
}

/// A running server.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) public: String,
    pub(crate) gateway: String,
    gateway_socket: Option<SocketFile>,
    /// Where API requests are reported over UDP, if anywhere.
    syslog: Option<SocketAddr>,
    terminate: tokio::signal::unix::Signal,
    stop: watch::Sender<bool>,
    tasks: tokio::task::JoinSet<()>,
    membership: Membership,
    _lock: File,
}

impl Server {
    pub(crate) async fn start(settings: Settings, names: Names) -> anyhow::Result<Self> {
        // first of all: from here on SIGTERM drains, and does not kill
        let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
        let data = settings.data.clone().context("no data folder is set")?;
        let lock = lock(&data)?;
        let (public_socket, gateway_socket) = (bind(settings.public, names.public)?, bind(settings.gateway, names.gateway)?);
        let (public_address, gateway_address) = (public_socket.local_addr()?, gateway_socket.local_addr()?);
        let mut gateway_file = settings.gateway_socket.as_deref().map(SocketFile::bind).transpose()?;
        let syslog_socket = match settings.api_request_syslog {
            Some(address) => Some(
                UdpSocket::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on UDP {address}; choose another address with --api-request-syslog"))?,
            ),
            None => None,
        };
        let syslog = syslog_socket.as_ref().map(UdpSocket::local_addr).transpose()?;
        let issuer = settings.public_url.clone().unwrap_or_else(|| url(public_address));
        let keys = make_key_ring(&data)?;
        let app = open(settings, issuer, keys).await?;
        app.keep_used_signatures_in(&data).with_context(|| format!("used signatures cannot be kept in {}", data.display()))?;
        let membership = Membership::begin(app.clone(), advertised(&app, gateway_address).await?, Some(&data)).await?;
        tokio::select! {
            () = membership.has_share(&app) => {}
            _ = terminate.recv() => {
                membership.leave().await;
                anyhow::bail!("stopped before it served");
            }
        }
        let (public_listener, gateway_listener) = (open_up(public_socket, names.public)?, open_up(gateway_socket, names.gateway)?);
        let gateway_listeners = [Some(gateway_listener.into()), gateway_file.as_mut().map(SocketFile::open_up).transpose()?.map(Listener::from)];
        let (stop, stopped) = watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        let wait = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let proxies = app.settings.trusted_proxies.clone().unwrap_or_default();
        tasks.spawn(serve::public(public_listener, public(app.clone()), proxies, wait(stopped.clone())));
        for listener in gateway_listeners.into_iter().flatten() {
            tasks.spawn(serve::gateway(listener, app.clone(), gateway(app.clone()), wait(stopped.clone())));
        }
        if let Some(socket) = syslog_socket {
            tasks.spawn(requests::syslog::receive(app.clone(), socket, wait(stopped.clone())));
        }
        tokio::spawn(keep_tidy(app.clone()));
        tokio::spawn(Canary::default().keep(app.clone()));
        tasks.spawn(traces::export(app.clone(), wait(stopped.clone())));
        let (public, gateway) = (url(public_address), url(gateway_address));
        Ok(Self { app, public, gateway, gateway_socket: gateway_file, syslog, terminate, stop, tasks, membership, _lock: lock })
    }

    /// Serves until asked to stop, then drains.
    pub(crate) async fn until_stopped(mut self) -> anyhow::Result<()> {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping");
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        write_what_waits(&self.app).await;
        traces::flush(&self.app).await;
        self.membership.leave().await;
        if let Err(error) = self.app.store.close().await {
            tracing::warn!(%error, "the database's log could not be emptied; it is read at the next start");
        }
        Ok(())
    }
}

/// The app, for commands that run beside a server. None makes an installation: in a folder that was mistyped they would be about another one.
pub(crate) async fn beside(flags: &settings::Flags) -> anyhow::Result<App> {
    print::start_log("warn");
    open_beside(flags.resolve()?).await
}

/// The same with these settings.
pub(crate) async fn open_beside(settings: Settings) -> anyhow::Result<App> {
    let data = settings.data.clone().context("no data folder is set")?;
    private::check_folder(&data)?;
    anyhow::ensure!(
        has_key_ring(&data)?,
        "there is no key ring in {}: name the data folder of your server with --data; `claviger serve` makes a new one",
        data.display()
    );
    anyhow::ensure!(
        settings.database.is_some() || data.join(DATABASE).try_exists().with_context(|| format!("in {}", data.display()))?,
        "there is a key ring in {} and no database: name the one of your server with --database",
        data.display()
    );
    let keys = KeyRing::open(&data.join(KEY_RING)).with_context(|| format!("in {}", data.display()))?;
    let issuer = issuer(&settings);
    open(settings, issuer, keys).await
}

fn has_key_ring(data: &Path) -> anyhow::Result<bool> {
    data.join(KEY_RING).try_exists().with_context(|| format!("in {}", data.display()))
}

fn make_key_ring(data: &Path) -> anyhow::Result<KeyRing> {
    KeyRing::open_or_create(&data.join(KEY_RING), &OsChance).with_context(|| format!("in {}", data.display()))
}

/// What the server that is not here would call itself.
fn issuer(settings: &Settings) -> String {
    settings.public_url.clone().or_else(|| settings.public.map(url)).unwrap_or_default()
}

/// The account kinds in force.
pub(crate) fn kinds(settings: &Settings) -> anyhow::Result<Kinds> {
    let kinds = Kinds::built_in()?;
    let Some(path) = &settings.kinds else { return Ok(kinds) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the account kinds in {}", path.display()))?;
    kinds.extended_by(&text).with_context(|| format!("in {}", path.display()))
}

async fn open(settings: Settings, issuer: String, keys: KeyRing) -> anyhow::Result<App> {
    let data = settings.data.clone().context("no data folder is set")?;
    let kinds = kinds(&settings)?;
    let store = match &settings.database {
        Some(url) => Store::open_postgres(url).await?,
        None => {
            for more in ["", "-wal", "-shm"] {
                private::close(&data.join(format!("{DATABASE}{more}")))?;
            }
            Store::open_sqlite(&data.join(DATABASE)).await?
        }
    };
    Ok(App::open(settings, issuer, store, kinds, keys, Clock::System, Arc::new(OsChance)).await?)
}

/// One process serves from a data folder: its lock is the proof that the process before it has ended.
fn lock(data: &Path) -> anyhow::Result<File> {
    make_folder(data)?;
    let file = File::options().create(true).append(true).open(data.join("lock")).with_context(|| format!("in {}", data.display()))?;
    file.try_lock().map_err(|_| anyhow::anyhow!("another Claviger is serving from {}; choose another folder with --data", data.display()))?;
    Ok(file)
}

fn make_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(|| format!("cannot make the data folder {}", data.display()))?;
    private::check_folder(data)
}

/// Where other nodes reach this one's gateway listener.
async fn advertised(app: &App, listening: SocketAddr) -> anyhow::Result<String> {
    if let Some(address) = &app.settings.advertise {
        return Ok(address.clone());
    }
    if !listening.ip().is_unspecified() {
        return Ok(listening.to_string());
    }
    let ip = app.store.own_address().await?.unwrap_or(Ipv4Addr::LOCALHOST.into());
    Ok(SocketAddr::new(ip, listening.port()).to_string())
}

async fn keep_tidy(app: App) {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    let mut until_sweep = 0;
    loop {
        tick.tick().await;
        write_what_waits(&app).await;
        if until_sweep > 0 {
            until_sweep -= 1;
            continue;
        }
        until_sweep = 30;
        if let Err(problem) = app::sign_in::sweep(&app).await {
            tracing::warn!(code = problem.code, "what is past its time could not be dropped");
        }
        if let Err(error) = app.drop_old_requests().await {
            tracing::warn!(%error, "API requests past their time could not be dropped");
        }
    }
}

async fn write_what_waits(app: &App) {
    if let Err(error) = app.flush_uses().await {
        tracing::warn!(%error, "last uses could not be written");
    }
    if let Err(error) = app.flush_requests().await {
        tracing::warn!(%error, "reported API requests could not be written");
    }
}

pub(crate) fn refused(problem: claviger_server::problem::Problem) -> anyhow::Error {
    anyhow::anyhow!("{}", problem.internal.unwrap_or(problem.detail))
}
