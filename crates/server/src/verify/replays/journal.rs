//! Used signatures, written down: files of fixed-size records, one file for each quarter of an hour, so that what is past is removed as a whole.
//!
//! Nothing is flushed to the disk: a process that is killed leaves what it wrote to the kernel. After a crash of the machine lines may be
//! missing, so what was signed before is then refused unseen.
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use claviger_domain::{id::CredentialId, time::Timestamp};

/// Longer than a signature is remembered for: what counts stands in the last two files.
const SECONDS: i64 = 900;
/// The boot that it was written in, and since when nothing is missing.
const HEAD: usize = BOOT + 8;
const BOOT: usize = 36;
const RECORD: usize = 16 + 32 + 8;
const NAME: &str = "used-signatures-";

/// A signature that was used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) credential: CredentialId,
    pub(super) key: [u8; 32],
    /// When it is refused for its age at the latest.
    pub(super) until: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    head: [u8; HEAD],
    number: i64,
    file: File,
    /// Of the file, in bytes.
    length: u64,
}

impl Journal {
    /// The journal in this folder, which is made where there is none; since when nothing is missing in it; and what still counts of it.
    /// Where the kernel does not say which `boot` this is, something may always be missing.
    pub(super) fn open(folder: &Path, boot: Option<[u8; BOOT]>, started: Timestamp, now: Timestamp) -> io::Result<(Self, Timestamp, Vec<Used>)> {
        fs::create_dir_all(folder)?;
        let (mut since, mut used) = (started, Vec::new());
        for (_, path) in written(folder)? {
            let bytes = fs::read(&path)?;
            let Some((head, records)) = bytes.split_at_checked(HEAD) else {
                // killed while it was made: nothing was accepted by then
                fs::remove_file(&path)?;
                continue;
            };
            let is_of_this_boot = boot.is_some_and(|boot| head[..BOOT] == boot);
            if let (true, Some(at)) = (is_of_this_boot, timestamp(&head[BOOT..])) {
                since = since.min(at);
            }
            let whole = records.chunks_exact(RECORD);
            if !whole.remainder().is_empty() {
                File::options().write(true).open(&path)?.set_len((bytes.len() - whole.remainder().len()) as u64)?;
            }
            used.extend(whole.filter_map(read).filter(|used| used.until > now));
        }
        let mut head = [0; HEAD];
        head[..BOOT].copy_from_slice(&boot.unwrap_or([0; BOOT]));
        head[BOOT..].copy_from_slice(&since.micros().to_be_bytes());
        let number = number_at(now);
        let (file, length) = file(folder, number, &head)?;
        Ok((Self { file, length, folder: folder.to_owned(), head, number }, since, used))
    }

    /// When it returns, a process that comes after this one finds it.
    pub(super) fn write(&mut self, used: &Used, now: Timestamp) -> io::Result<()> {
        let number = number_at(now);
        if number != self.number {
            (self.file, self.length) = file(&self.folder, number, &self.head)?;
            self.number = number;
        }
        let mut record = [0; RECORD];
        record[..16].copy_from_slice(used.credential.as_bytes());
        record[16..48].copy_from_slice(&used.key);
        record[48..].copy_from_slice(&used.until.micros().to_be_bytes());
        self.file.write_all(&record).inspect_err(|_| {
            // what comes next must not stand behind half a record
            let _ = self.file.set_len(self.length);
        })?;
        self.length += RECORD as u64;
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Removes the files of a journal's folder in which nothing counts any more.
pub(super) fn forget(folder: &Path, now: Timestamp) -> io::Result<()> {
    let past = written(folder)?.into_iter().filter(|(number, _)| *number < number_at(now) - 1);
    past.map(|(_, path)| path).try_for_each(fs::remove_file)
}

fn number_at(now: Timestamp) -> i64 {
    now.seconds().div_euclid(SECONDS)
}

/// The file of this number and this boot, open at its end, and its length.
fn file(folder: &Path, number: i64, head: &[u8; HEAD]) -> io::Result<(File, u64)> {
    let boot = data_encoding::HEXLOWER.encode(&head[..4]);
    let mut file = File::options().create(true).append(true).open(folder.join(format!("{NAME}{number}-{boot}")))?;
    let mut length = file.metadata()?.len();
    if length < HEAD as u64 {
        // new, or there was no room for its head
        file.set_len(0)?;
        file.write_all(head)?;
        length = HEAD as u64;
    }
    Ok((file, length))
}

/// The files, each with its number.
fn written(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix(NAME)?.split_once('-')?.0.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    Ok(found)
}

fn read(record: &[u8]) -> Option<Used> {
    let (credential, rest) = record.split_first_chunk::<16>()?;
    let (key, until) = rest.split_first_chunk::<32>()?;
    Some(Used { credential: CredentialId::from_bytes(*credential), key: *key, until: timestamp(until)? })
}

fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_micros(i64::from_be_bytes(bytes.try_into().ok()?)))
}
