//! Several real nodes on one real PostgreSQL, each by a link of its own.
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use claviger_testkit::{
    folder,
    http::{Connection, Request},
    namespace::Namespace,
    postgres::{Cluster, Database},
    process::{Claviger, Server},
    program::{Program, Signal},
    soon::{DEADLINE, soon},
};
use serde_json::{Value, json};

use super::{
    history::{Key, Settled, Verdict},
    link::Link,
};

pub(crate) struct Nodes {
    pub(crate) servers: Vec<Server>,
    pub(crate) links: Vec<Link>,
    /// One for each node, if each has a network of its own.
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) operator_key: String,
    database: Database,
    first_data: Arc<tempfile::TempDir>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    upstream: String,
    url: String,
}

impl Nodes {
    /// `count` nodes with a lease of `lease` seconds that keep current by `mode`; `switched_off` is a safety that is missing, as a negative control.
    pub(crate) fn start(cluster: &Cluster, count: usize, lease: u32, mode: &str, switched_off: Option<&str>) -> Self {
        Self::start_with(cluster, count, lease, mode, switched_off, &[])
    }

    /// The same with these arguments too.
    pub(crate) fn start_with(cluster: &Cluster, count: usize, lease: u32, mode: &str, switched_off: Option<&str>, more: &[&str]) -> Self {
        let mut nodes = Self::start_in(cluster, &cluster.address(), &[], lease, mode, switched_off);
        nodes.arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        for _ in 0..count {
            nodes.add();
        }
        nodes.operator_key = nodes.servers[0].operator_key("experiment");
        nodes
    }

    /// The same with something between the nodes' links and PostgreSQL, at `upstream`, and a node in each of these environments.
    pub(crate) fn start_in(
        cluster: &Cluster,
        upstream: &str,
        environments: &[Vec<(String, String)>],
        lease: u32,
        mode: &str,
        switched_off: Option<&str>,
    ) -> Self {
        let database = cluster.fresh_database();
        let url = database.url().replace(&cluster.address(), upstream);
        let switched_off: Vec<_> = switched_off.map(|name| ("CLAVIGER_TEST_SWITCH_OFF".to_owned(), name.to_owned())).into_iter().collect();
        let mut nodes = Self {
            servers: Vec::new(),
            links: Vec::new(),
            namespaces: Vec::new(),
            operator_key: String::new(),
            database,
            first_data: Arc::new(folder::temporary("data")),
            arguments: ["--lease", &lease.to_string(), "--revocation", mode, "--public-url", "http://api.example.com"].map(str::to_owned).to_vec(),
            environment: switched_off.clone(),
            upstream: upstream.to_owned(),
            url,
        };
        for environment in environments {
            nodes.environment = [environment.as_slice(), &switched_off].concat();
            nodes.add();
        }
        if let Some(first) = nodes.servers.first() {
            nodes.operator_key = first.operator_key("experiment");
        }
        nodes
    }

    /// `count` nodes, each on a network of its own.
    pub(crate) fn start_apart(cluster: &Cluster, count: usize, lease: u32, switched_off: Option<&str>) -> Self {
        let mut nodes = Self::start_in(cluster, &cluster.address(), &[], lease, "lease", switched_off);
        for _ in 0..count {
            nodes.namespaces.push(Namespace::plan());
            nodes.add();
        }
        nodes.operator_key = nodes.servers[0].operator_key("experiment");
        nodes
    }

    /// One more node, with the key ring of the first.
    pub(crate) fn add(&mut self) {
        let data = if self.servers.is_empty() { self.first_data.clone() } else { Arc::new(self.folder_with_keys()) };
        self.add_in(data);
    }

    /// One more node, in a copy of the whole folder of another.
    pub(crate) fn add_copy_of(&mut self, node: usize) {
        let data = folder::temporary("data");
        for file in std::fs::read_dir(self.servers[node].data()).expect("a folder").flatten() {
            std::fs::copy(file.path(), data.path().join(file.file_name())).expect("copied");
        }
        self.add_in(Arc::new(data));
    }

    fn add_in(&mut self, data: Arc<tempfile::TempDir>) {
        let namespace = self.namespaces.get(self.servers.len());
        let link = if namespace.is_some() { Link::at_every_address(&self.upstream) } else { Link::to(&self.upstream) };
        let address =
            namespace.map_or_else(|| link.address().to_owned(), |namespace| link.address().replace("127.0.0.1", &namespace.database_address()));
        // for a node on a network of its own its database is not on its own machine
        let mut url = self.url.replace(&self.upstream, &address);
        if namespace.is_some() {
            url.push_str("?sslmode=disable");
        }
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--database", &url]);
        let environment: Vec<(&str, &str)> = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.servers.push(match namespace {
            Some(namespace) => Server::start_in(namespace, &arguments, &environment, data),
            None => Server::start_with("serve", &arguments, &environment, data),
        });
        self.links.push(link);
    }

    pub(crate) fn request(&self, node: usize, method: &str, path: &str) -> Request {
        self.servers[node].request(method, path).bearer(&self.operator_key)
    }

    /// `count` credentials, each with a token, made on the first node and in the memory of every node.
    pub(crate) fn keys(&self, count: usize) -> Vec<Key> {
        const MAKERS: usize = 4;
        let accounts: Vec<usize> = (0..count.div_ceil(10)).collect();
        let mut keys: Vec<Key> = thread::scope(|scope| {
            let makers: Vec<_> = accounts
                .chunks(accounts.len().div_ceil(MAKERS))
                .map(|accounts| scope.spawn(|| accounts.iter().flat_map(|_| self.keys_of_an_account(10)).collect::<Vec<_>>()))
                .collect();
            makers.into_iter().flat_map(|maker| maker.join().expect("keys can be made")).collect()
        });
        keys.truncate(count);
        keys
    }

    fn keys_of_an_account(&self, count: usize) -> Vec<Key> {
        let made = self.request(0, "POST", "/v1/accounts").json(&json!({ "kind": "corporate", "name": "Northwind" })).send().expect(201);
        let account = made.json()["id"].as_str().expect("an id").to_owned();
        self.request(0, "PATCH", &format!("/v1/accounts/{account}")).json(&json!({ "api_access": true })).send().expect(200);
        (0..count).map(|_| self.key_of(&account)).collect()
    }

    fn key_of(&self, account: &str) -> Key {
        let wish = json!({ "kind": "client", "email": "dev@example.com" });
        let made = self.request(0, "POST", &format!("/v1/accounts/{account}/credentials")).json(&wish).send().expect(201).json();
        let exchange = json!({ "clientId": made["public_id"], "clientSecret": made["secret"] });
        let token = self.servers[0].request("POST", "/auth/token").json(&exchange).send().expect(200).json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let key = Key {
            account: account.to_owned(),
            id: text(&made["id"]),
            token: text(&token["access_token"]),
            deleted: OnceLock::new(),
            settled: OnceLock::new(),
        };
        for node in 0..self.servers.len() {
            assert_eq!(self.decide(node, &key), Verdict::Allowed, "node {node}: a fresh key");
        }
        key
    }

    /// None when there was no answer at all.
    pub(crate) fn verify(&self, node: usize, key: &Key) -> Option<Verdict> {
        self.verify_within(DEADLINE, node, key)
    }

    /// What a node says as soon as it can say: on a busy machine a lease may run out, and is then renewed.
    #[track_caller]
    pub(crate) fn decide(&self, node: usize, key: &Key) -> Verdict {
        soon(&format!("node {node} can say"), || match self.verify(node, key) {
            Some(decided @ (Verdict::Allowed | Verdict::Refused)) => Ok(decided),
            undecided => Err(format!("{undecided:?}")),
        })
    }

    /// The same by a client with less patience.
    pub(crate) fn verify_within(&self, patience: Duration, node: usize, key: &Key) -> Option<Verdict> {
        let question =
            json!({ "method": "GET", "path": "/", "headers": { "Authorization": format!("Bearer {}", key.token), "AccountId": key.account } });
        let request = Request::post(&self.servers[node].gateway("/v1/verify")).json(&question).header("Connection", "close");
        let answer =
            Connection::try_open(self.servers[node].gateway_address()).and_then(|connection| connection.within(patience)?.try_send(&request));
        let answer = answer.ok()?;
        Some(match (answer.status, answer.json()["verdict"].as_str()) {
            (200, Some("allowed")) => Verdict::Allowed,
            (200, Some("refused")) => Verdict::Refused,
            (503, _) => Verdict::CannotSay,
            _ => panic!("{}", answer.text()),
        })
    }

    /// Asks for a deletion once. True when it is true everywhere now; false when that is not known.
    pub(crate) fn delete(&self, node: usize, key: &Key) -> bool {
        let path = format!("/v1/accounts/{}/credentials/{}", key.account, key.id);
        match self.request(node, "DELETE", &path).try_send() {
            Ok(answer) if answer.status == 204 => {
                let _first = key.deleted.set(Instant::now());
                let number = |name| answer.header(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
                let after = Duration::from_millis(number("effective-after-ms"));
                let _first = key.settled.set(Settled { nodes: number("effective-nodes") as usize, after });
                true
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                false
            }
            Err(_) => false,
        }
    }

    /// Runs SQL past every node.
    pub(crate) fn run(&self, sql: &str) {
        self.database.run(sql);
    }

    /// Ends every connection that any node has, its listener included.
    pub(crate) fn cut_backends(&self) {
        self.database.cut_connections();
    }

    /// Ends the connections that hear of new revisions.
    pub(crate) fn cut_listeners(&self) {
        self.database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND state = 'idle' AND query IN ('', 'LISTEN claviger_rev')",
        );
    }

    /// One more node, which need not come so far as to serve, and its folder.
    pub(crate) fn launch(&self) -> (Program, tempfile::TempDir) {
        let data = self.folder_with_keys();
        let (folder, any) = (data.path().to_str().expect("text"), "127.0.0.1:0");
        let mut command = Claviger::command(&["serve", "--data", folder, "--public", any, "--gateway", any, "--database", &self.url]);
        command.args(&self.arguments);
        (Program::start("claviger", &command, Signal::KILL), data)
    }

    fn folder_with_keys(&self) -> tempfile::TempDir {
        let data = folder::temporary("data");
        std::fs::copy(self.first_data.path().join("keyring.json"), data.path().join("keyring.json")).expect("the first has made it");
        data
    }

    /// What a node says that wants another lease than the others'.
    pub(crate) fn try_with_lease(&self, seconds: &str) -> String {
        self.try_with(&["--lease", seconds, "--public-url", "http://api.example.com"])
    }

    /// What a node says that is refused with these settings.
    pub(crate) fn try_with(&self, settings: &[&str]) -> String {
        let data = self.folder_with_keys();
        refused_start(data.path(), &[&["--database", self.url.as_str()][..], settings].concat())
    }

    /// One more node, which keeps current by `mode`.
    pub(crate) fn add_that_keeps_current_by(&mut self, mode: &str) {
        let at = self.arguments.iter().position(|argument| argument == "--revocation").expect("each is told") + 1;
        let others = std::mem::replace(&mut self.arguments[at], mode.to_owned());
        self.add();
        self.arguments[at] = others;
    }

    /// How many nodes have a row, as one of them says.
    pub(crate) fn rows(&self, node: usize) -> usize {
        self.request(node, "GET", "/v1/cluster").send().expect(200).json()["nodes"].as_array().map_or(0, Vec::len)
    }

    /// What `claviger doctor` says beside the first node, and whether all is well.
    pub(crate) fn doctor(&self) -> (bool, String) {
        self.doctor_with(&self.url, &[])
    }

    /// The same with the database at `url` and these arguments too.
    pub(crate) fn doctor_with(&self, url: &str, more: &[&str]) -> (bool, String) {
        let data = self.first_data.path().to_str().expect("text");
        let arguments: Vec<&str> = ["doctor", "--data", data, "--database", url].into_iter().chain(more.iter().copied()).collect();
        let output = Claviger::run(&arguments);
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Where the database is, past every link.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes the database remember another primary than the one that answers, as it does after a promotion.
    pub(crate) fn as_after_a_failover(&self) {
        self.database.run("UPDATE cluster SET settled = 'the old one'");
    }
}

/// What a node says that refuses to start in this folder with these arguments.
#[track_caller]
pub(crate) fn refused_start(data: &Path, arguments: &[&str]) -> String {
    let (folder, any) = (data.to_str().expect("text"), "127.0.0.1:0");
    let all = [&["serve", "--data", folder, "--public", any, "--gateway", any], arguments].concat();
    let output = Claviger::run(&all);
    assert!(!output.status.success(), "it serves");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
