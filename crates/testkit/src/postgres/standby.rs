//! A second PostgreSQL that follows the first, for tests of what happens when it takes over. And the ways in which one dies or hangs.

use std::path::Path;

use super::{Cluster, Fsync, Signal, as_postgres, binaries, finish, own_by_postgres, run_sql};
use crate::folder;
use crate::soon::assert_soon;

/// How a primary knows its standby.
const NAME: &str = "standby";

impl Cluster {
    /// A standby of this cluster: a copy of it that follows it. See [`Cluster::commit_waits_for_standby`].
    ///
    /// # Panics
    /// When it does not come up.
    pub fn standby(&self) -> Self {
        let folder = folder::temporary("standby");
        own_by_postgres(folder.path());
        let data = folder.path().join("data");
        let binaries = binaries();
        let mut copying = as_postgres(&binaries.join("pg_basebackup"));
        copying.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]).arg("--pgdata").arg(&data);
        copying.arg(format!("--dbname={} application_name={NAME}", self.connection_of("postgres")));
        finish(copying, "");
        let mut standby = Self { program: None, folder, binaries, password: self.password.clone(), port: 0, fsync: Fsync::Off, encrypts: false };
        standby.resume();
        standby
    }

    /// Whether a COMMIT here waits until the standby has it too. Returns when that is so.
    pub fn commit_waits_for_standby(&self, waits: bool) {
        self.commit_waits_for(if waits { NAME } else { "" });
        if waits {
            self.run(
                "DO $$ BEGIN FOR attempt IN 1..1200 LOOP \
                 PERFORM pg_stat_clear_snapshot(); \
                 PERFORM 1 FROM pg_stat_replication WHERE sync_state = 'sync'; \
                 IF FOUND THEN RETURN; END IF; \
                 PERFORM pg_sleep(0.05); \
                 END LOOP; RAISE 'the standby does not follow'; END $$",
            );
        }
    }

    /// For which followers a COMMIT waits, by their names; for none if there are none. It may return before that is so.
    pub fn commit_waits_for(&self, names: &str) {
        self.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        self.run("SELECT pg_reload_conf()");
    }

    /// Makes this standby a primary. The one that it followed is not asked, and goes on.
    pub fn promote(&self) {
        run_sql(&self.administrator_url(), "SELECT pg_promote()").unwrap_or_else(|error| panic!("not promoted: {error}\n{}", self.output()));
    }

    /// Runs a statement as the superuser.
    pub fn run(&self, sql: &str) {
        run_sql(&self.administrator_url(), sql).unwrap_or_else(|error| panic!("{sql}: {error}\n{}", self.output()));
    }

    /// `127.0.0.1:…`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Roles and passwords, as PgBouncer's `auth_file` has them.
    pub(crate) fn users_of_poolers(&self) -> String {
        format!("\"{}\" \"{}\"\n", super::OWNER, self.password)
    }

    /// Stops the postmaster and every process of it, as a machine that hangs; [`Signal::CONT`] lets them go on.
    pub fn signal_all(&self, signal: Signal) {
        let Some(program) = &self.program else { return };
        program.signal(signal);
        for child in children(program.id()) {
            // a backend may end by itself meanwhile
            let _ended = std::process::Command::new("kill").args(["-s", &signal_number(signal), &child]).output();
        }
    }

    /// `kill -9` of the postmaster, as the kernel does when memory is short: nothing is written, nobody is told. [`Cluster::resume`] recovers.
    pub fn kill9(&mut self) {
        let Some(mut program) = self.program.take() else { return };
        let children = children(program.id());
        program.kill();
        // they see that the postmaster is gone, and go; a new one would not start before
        assert_soon("no backend outlives its postmaster", || !children.iter().any(|child| is_running(child)));
    }

    fn connection_of(&self, role: &str) -> String {
        format!("host=127.0.0.1 port={} user={role} password={}", self.port, self.password)
    }
}

fn signal_number(signal: Signal) -> String {
    signal.as_raw().to_string()
}

fn children(process: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn is_running(process: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
