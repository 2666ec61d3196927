//! Beside what others use for the same: better-auth's API keys, and nginx's own `auth_basic`. By CPU time of all processes that take part.
use std::{fs, net::TcpListener, path::Path, process::Command};

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    fixture::basic,
    numbers::Pairs,
    report::{Goal, Number},
    served::{Headers, Round, Served, itself, pinned},
};

const ROUNDS: usize = 6;
const SECONDS: u32 = 1;
/// The same user for `auth_basic`.
const USER: &str = "bench";
const PASSWORD: &str = "of no matter 1";

pub(crate) fn measure() -> anyhow::Result<Vec<Number>> {
    let verifying = Served::start(itself(&["serve", "verifying"])?)?;
    let mut numbers = vec![beside_better_auth(&verifying)?];
    numbers.extend(behind_nginx(&verifying)?);
    Ok(numbers)
}

/// An API key verified for each request, here and there.
fn beside_better_auth(verifying: &Served) -> anyhow::Result<Number> {
    let folder = tempfile::tempdir()?;
    let mut command = pinned(0);
    command.arg("node").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/better-auth/server.mjs")).arg(folder.path().join("better-auth.db"));
    let theirs = Served::start(command).context("better-auth (npm ci --prefix benches/better-auth)")?;
    let (our_key, their_key) = (headers(verifying, "api_key")?, headers(&theirs, "api_key")?);
    let mut wrong = their_key.clone();
    wrong.iter_mut().for_each(|(_, key)| key.push('x'));
    anyhow::ensure!(theirs.answer("/", &wrong).is_err(), "better-auth lets every key in");
    theirs.load("/", their_key, 1)?.all_allowed()?;
    let mut cpu = Pairs::default();
    for _ in 0..ROUNDS {
        let ours = verifying.load("/verify/nginx", our_key, SECONDS)?.all_allowed()?;
        cpu.push(ours.per_cpu_second(), theirs.load("/", their_key, SECONDS)?.all_allowed()?.per_cpu_second());
    }
    Ok(Number::new("better_auth_per_cpu_second", "requests", "better-auth's API keys", &cpu, Goal::AtLeast(60.0)))
}

/// One nginx with four ways to the same small file: for everybody, by its own `auth_basic` with either hash, and by our recipe; and one that asks us at
/// our Unix socket.
fn behind_nginx(verifying: &Served) -> anyhow::Result<Vec<Number>> {
    let (_folder, nginx) = start_nginx(&verifying.address)?;
    let socket = verifying.socket.as_ref().context("no socket")?;
    let (_other_folder, nginx_at_socket) = start_nginx(&format!("unix:{}", socket.display()))?;
    let ours = headers(verifying, "basic")?.iter().filter(|(name, _)| name == "Authorization").cloned().collect::<Headers>();
    let theirs = vec![("Authorization".to_owned(), basic(USER, PASSWORD))];
    // nginx's time, and ours where we are asked
    let load_by = |nginx: &Served, path: &str, headers: &Headers| -> anyhow::Result<Round> {
        let before = verifying.cpu_micros()?;
        let round = nginx.load(path, headers, SECONDS)?.all_allowed()?;
        let also = verifying.cpu_micros()? - before;
        Ok(Round { cpu_micros: round.cpu_micros + also, ..round })
    };
    let load = |path: &str, headers: &Headers| load_by(&nginx, path, headers);
    for path in ["/apr1/file", "/bcrypt/file", "/ours/file"] {
        anyhow::ensure!(nginx.answer(path, &[("Host".into(), "bench".into())]).is_err(), "{path} lets everybody in");
    }
    let [mut plain, mut plain_at_socket, mut apr1, mut bcrypt] = [(); 4].map(|()| Pairs::default());
    for _ in 0..ROUNDS {
        let checked = load("/ours/file", &ours)?.per_cpu_second();
        let unchecked = load("/plain/file", &ours)?.per_cpu_second();
        plain.push(checked, unchecked);
        plain_at_socket.push(load_by(&nginx_at_socket, "/ours/file", &ours)?.per_cpu_second(), unchecked);
        apr1.push(checked, load("/apr1/file", &theirs)?.per_cpu_second());
        bcrypt.push(checked, load("/bcrypt/file", &theirs)?.per_cpu_second());
    }
    Ok(vec![
        Number::new("nginx_basic_beside_bcrypt", "requests", "auth_basic, bcrypt as htpasswd makes it", &bcrypt, Goal::AtLeast(20.0)),
        Number::new("nginx_basic_beside_apr1", "requests", "auth_basic, apr1", &apr1, Goal::Nothing),
        Number::new("nginx_basic_beside_plain", "requests", "a plain 200, at most three times its cost", &plain, Goal::AtLeast(1.0 / 3.0)),
        Number::new(
            "nginx_basic_at_socket_beside_plain",
            "requests",
            "the same, asking at our Unix socket",
            &plain_at_socket,
            Goal::AtLeast(1.0 / 3.0),
        ),
    ])
}

/// nginx with the files of `deploy/nginx/`, as it is started by hand; one worker.
fn start_nginx(claviger: &str) -> anyhow::Result<(TempDir, Served)> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    fs::write(at.join("file"), "{\"hello\":\"world\"}\n")?;
    for (name, hash) in [("apr1", "-m"), ("bcrypt", "-B")] {
        let made = Command::new("htpasswd").args(["-nb", hash, USER, PASSWORD]).output().context("htpasswd (apt-get install apache2-utils)")?;
        fs::write(at.join(name), made.stdout)?;
    }
    // a port that was free a moment ago
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    fs::write(at.join("nginx.conf"), configuration(at, &address, claviger))?;
    // it says nothing when it listens, so a shell asks it, says so, and stops it when the input ends
    let script = "nginx -p \"$1\" -c nginx.conf -e stderr & \
        for _ in $(seq 100); do [ -e \"$1/nginx.pid\" ] && curl -sf -o /dev/null \"http://$2/plain/file\" && break; sleep 0.05; done; \
        echo \"$3\"; cat >/dev/null; kill $!; wait";
    let mut command = pinned(0);
    let ready = json!({ "address": address }).to_string();
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH")?)).args(["sh", "-c", script, "sh"]).arg(at).args([&address, &ready]);
    Ok((folder, Served::start(command).context("nginx")?))
}

fn configuration(at: &Path, address: &str, claviger: &str) -> String {
    let (recipe, at) = (concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx"), at.display());
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    format!(
        "{user} daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events {{ worker_connections 256; }}
http {{
    access_log off; keepalive_requests 1000000; default_type application/json;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream claviger {{ server {claviger}; keepalive 32; keepalive_requests 1000000; }}
    include {recipe}/maps.conf;
    server {{
        listen {address};
        include {recipe}/claviger.conf;
        location /plain/ {{ alias {at}/; }}
        location /apr1/ {{ alias {at}/; auth_basic bench; auth_basic_user_file {at}/apr1; }}
        location /bcrypt/ {{ alias {at}/; auth_basic bench; auth_basic_user_file {at}/bcrypt; }}
        location /ours/ {{ alias {at}/; include {recipe}/protect.conf; }}
    }}
}}
"
    )
}

fn headers<'a>(server: &'a Served, scheme: &str) -> anyhow::Result<&'a Headers> {
    server.headers.get(scheme).context("a scheme that the server to measure knows")
}
