//! Debian's PgBouncer before one of our PostgreSQLs, in a temporary folder and on a free port.

use tempfile::TempDir;

use crate::folder;
use crate::postgres::{Cluster, as_postgres, free_port, own_by_postgres};
use crate::program::{Program, Signal};
use crate::soon::DEADLINE;

const PLACES: [&str; 3] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];

/// A running PgBouncer; stopped when dropped.
pub struct PgBouncer {
    _program: Program,
    _folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// PgBouncer before `cluster`, in pool mode `session`, `transaction` or `statement`. Everything else is as it is by default.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn start(cluster: &Cluster, mode: &str) -> Self {
        let program = PLACES
            .iter()
            .find(|path| std::path::Path::new(path).is_file())
            .expect("PgBouncer is not installed, and this test needs it: `apt-get install pgbouncer`");
        let mut why = String::new();
        // Another process may take the port between our look and PgBouncer's.
        for _ in 0..5 {
            let (folder, port) = (folder::temporary("pgbouncer"), free_port());
            let (users, configuration) = (folder.path().join("users"), folder.path().join("pgbouncer.ini"));
            std::fs::write(&users, cluster.users_of_poolers()).expect("it is our folder");
            let upstream = cluster.address();
            let (host, upstream_port) = upstream.split_once(':').expect("host and port");
            let text = format!(
                "[databases]\n* = host={host} port={upstream_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = 100\nmax_client_conn = 200\n",
                users.display()
            );
            std::fs::write(&configuration, text).expect("it is our folder");
            for path in [folder.path(), &users, &configuration] {
                own_by_postgres(path);
            }
            let mut command = as_postgres(program.as_ref());
            command.arg(&configuration);
            let program = Program::start("PgBouncer", &command, Signal::INT);
            if program.find_line(DEADLINE, |line| line.contains("process up").then_some(())).is_ok() {
                return Self { _program: program, _folder: folder, port };
            }
            why = program.to_string();
        }
        panic!("PgBouncer did not start\n{why}");
    }

    /// `127.0.0.1:…`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
