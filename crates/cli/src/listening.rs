//! Where the server listens. Each place is taken first and opened later: who connects before this node can answer is to go elsewhere.
use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

/// How many connections may wait to be accepted.
const WAITING: u32 = 1024;

pub(crate) fn listen(address: Option<SocketAddr>, flag: &str) -> anyhow::Result<TcpListener> {
    open_up(bind(address, flag)?, flag)
}

/// Takes an address, at which nobody can connect yet.
pub(crate) fn bind(address: Option<SocketAddr>, flag: &str) -> anyhow::Result<TcpSocket> {
    let address = address.with_context(|| format!("no address is set; set one with {flag}"))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // what connections of before have left behind is no hindrance
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| taken(address, flag))?;
    Ok(socket)
}

pub(crate) fn open_up(socket: TcpSocket, flag: &str) -> anyhow::Result<TcpListener> {
    let address = socket.local_addr()?;
    socket.listen(WAITING).with_context(|| taken(address, flag))
}

fn taken(address: SocketAddr, flag: &str) -> String {
    format!("cannot listen on {address}; choose another address with {flag}, such as {flag} 127.0.0.1:0")
}

/// How an address is reached from this machine.
pub(crate) fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("http://127.0.0.1:{}", address.port()) } else { format!("http://{address}") }
}

/// A Unix socket, for its owner and group; its file is removed when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    socket: Option<UnixSocket>,
}

impl SocketFile {
    /// Takes a path, at which nobody can connect yet. What a process that has ended left there is replaced.
    pub(crate) fn bind(path: &Path) -> anyhow::Result<Self> {
        let why = || format!("cannot listen on {}; choose another path with --gateway-socket", path.display());
        let is_socket = fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket());
        if is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            fs::remove_file(path).with_context(why)?;
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(path).with_context(why)?;
        let file = Self { path: path.to_owned(), socket: Some(socket) };
        fs::set_permissions(path, Permissions::from_mode(0o660)).with_context(why)?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open_up(&mut self) -> anyhow::Result<UnixListener> {
        let socket = self.socket.take().context("it is open already")?;
        socket.listen(WAITING).with_context(|| format!("cannot listen on {}", self.path.display()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}
