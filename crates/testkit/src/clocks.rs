//! A process with clocks of its own: they run faster or slower than true, or are set while it runs. By libfaketime, which stands between a
//! program and the C library's clocks.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::folder;

/// The environment of a process whose clocks, all of them, run at `rate`: 1.08 is 8 % fast.
pub fn running_at(rate: f64) -> Vec<(String, String)> {
    vec![preload(), ("FAKETIME".to_owned(), format!("+0 x{rate}"))]
}

/// The time of day of a process, which can be set like that of a machine whose other clocks go on.
pub struct TimeOfDay {
    folder: TempDir,
}

impl TimeOfDay {
    /// The true one, to begin with.
    pub fn true_one() -> Self {
        let clock = Self { folder: folder::temporary("clock") };
        clock.set(0);
        clock
    }

    /// The environment of the process.
    pub fn environment(&self) -> Vec<(String, String)> {
        let file = self.file().to_str().expect("temporary paths are text").to_owned();
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![preload(), setting("FAKETIME_TIMESTAMP_FILE", &file), setting("FAKETIME_NO_CACHE", "1"), setting("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
    }

    /// Sets it so many seconds before or after the true one.
    pub fn set(&self, seconds: i64) {
        let unfinished = self.folder.path().join("unfinished");
        std::fs::write(&unfinished, format!("{seconds:+}\n")).expect("it is our folder");
        std::fs::rename(unfinished, self.file()).expect("it is our folder");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}

fn preload() -> (String, String) {
    let library = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.is_file())
        .expect("libfaketime is not installed, and this test needs it: `apt-get install libfaketime`");
    ("LD_PRELOAD".to_owned(), library.to_str().expect("text").to_owned())
}
