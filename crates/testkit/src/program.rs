//! One running program of the outside world, whose output is kept and which never outlives the test process.
//!
//! A destructor alone cannot promise that (statics, `kill -9`), so each program starts through a shell which first leaves a
//! guard behind, in a session of its own, and then becomes the program. The guard reads a pipe of which this process holds
//! the only other end: when the pipe ends without the word `done`, the test process is gone and the guard stops the program.
//! There is no moment at which the program runs and the guard does not.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, kill_process_group, pidfd_open, pidfd_send_signal};

pub use rustix::process::Signal;

use crate::soon::DEADLINE;

/// How long a program that is dropped may take to end, before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// `$1` is the guard, `$2` the signal it stops an orphan with. The subshell makes the guard a child of nobody we know, so
/// the program finds no child that it did not start.
const BECOME_THE_PROGRAM: &str = r#"
guard=$1 signal=$2
shift 2
exec 3<&0 </dev/null
(setsid sh -c "$guard" claviger-test-guard "$$" "$signal" <&3 3<&- >/dev/null 2>&1 &)
exec "$@" 3<&-
"#;

/// A program which does not end within five seconds of the signal is killed, with all that is in its process group. A zombie
/// has ended: when it is reaped is up to the machine's first process, and some take seconds.
const GUARD: &str = r#"
trap '' INT TERM HUP
read -r word
[ "$word" = done ] && exit
kill -s "$2" "$1"
tries=0
while stat=$(cat "/proc/$1/stat") && [ "$tries" -lt 100 ]; do
    case $stat in *") Z "*) break ;; esac
    tries=$((tries + 1))
    sleep 0.05
done
kill -s KILL -- "-$1"
"#;

/// A program that runs, or ran.
pub struct Program {
    name: String,
    child: Child,
    handle: OwnedFd,
    guard: Option<ChildStdin>,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    last_signal: Signal,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts `command`; `last_signal` is what stops it on drop, and when the test process is gone.
    ///
    /// Of the command its program, arguments, environment and folder are taken; standard input is empty, both outputs are kept.
    pub fn start(name: &str, command: &Command, last_signal: Signal) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", BECOME_THE_PROGRAM, "sh", GUARD])
            .arg(last_signal.as_raw().to_string())
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        let mut child = shell.spawn().unwrap_or_else(|error| panic!("`sh`, to start {name}: {error}"));
        let handle = pidfd_open(pid_of(&child), PidfdFlags::empty()).expect("the kernel has pidfd_open");
        let output = Arc::new(Output::default());
        let readers = vec![keep_output(Stream::Out, child.stdout.take(), &output), keep_output(Stream::Err, child.stderr.take(), &output)];
        Self { name: name.to_owned(), guard: child.stdin.take(), child, handle, output, readers, last_signal, ended: None }
    }

    /// The process id; that of the program itself, not of a shell around it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that the program has written so far, standard output and standard error in the order they arrived.
    pub fn output(&self) -> String {
        self.output.text(|_| true)
    }

    /// What the program has written to standard output alone.
    pub fn standard_output(&self) -> String {
        self.output.text(|stream| stream == Stream::Out)
    }

    /// Waits for the first line that `wanted` accepts, on either output, and returns what it made of it.
    ///
    /// # Panics
    /// With all the output, when the program ends or the deadline passes first.
    pub fn wait_for_line<T>(&self, what: &str, deadline: Duration, wanted: impl FnMut(&str) -> Option<T>) -> T {
        self.find_line(deadline, wanted).unwrap_or_else(|why| panic!("{}: {why} before it wrote {what}\n{self}", self.name))
    }

    /// As [`Program::wait_for_line`], for a program that may rightly end or stay silent.
    pub fn find_line<T>(&self, deadline: Duration, mut wanted: impl FnMut(&str) -> Option<T>) -> Result<T, Silence> {
        let until = Instant::now() + deadline;
        let mut seen = 0;
        let mut written = self.output.written.lock().expect("no reader panics");
        loop {
            while let Some((_, line)) = written.lines.get(seen) {
                seen += 1;
                if let Some(found) = wanted(line) {
                    return Ok(found);
                }
            }
            if written.open_streams == 0 {
                return Err(Silence::Ended);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence::TookTooLong);
            }
            written = self.output.changed.wait_timeout(written, left).expect("no reader panics").0;
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.try_wait(Duration::ZERO).is_some()
    }

    /// Sends a signal; a program that has ended already does not mind.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // The only error is that it has ended in the meantime.
            let _ended = pidfd_send_signal(&self.handle, signal);
        }
    }

    /// `kill -9`, and everything in its process group with it; returns when it is dead.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait(DEADLINE)
    }

    /// SIGTERM, then waits for the end.
    ///
    /// # Panics
    /// When it is still there after [`DEADLINE`].
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(DEADLINE)
    }

    /// Waits until the program ends by itself.
    ///
    /// # Panics
    /// When it is still there after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        self.try_wait(deadline).unwrap_or_else(|| {
            panic!("{} has not ended within {deadline:?}\n{self}", self.name);
        })
    }

    fn try_wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        if self.ended.is_some() {
            return self.ended;
        }
        let timeout = Timespec::try_from(deadline).expect("a deadline of seconds");
        let mut handles = [PollFd::new(&self.handle, PollFlags::IN)];
        while let Err(interrupted) = poll(&mut handles, Some(&timeout)) {
            assert_eq!(interrupted, rustix::io::Errno::INTR);
        }
        if handles[0].revents().is_empty() {
            return None;
        }
        // While it is not reaped its number cannot be given to another process, nor that of its group.
        let _none_left = kill_process_group(pid_of(&self.child), Signal::KILL);
        let status = self.child.wait().expect("our own child can be waited for");
        self.ended = Some(status);
        if let Some(mut guard) = self.guard.take() {
            let _gone = guard.write_all(b"done\n");
        }
        // What it wrote last; all holders of the pipes are dead, so this ends. (A daemon that left the group would keep
        // them open, and is no reason to wait.)
        for reader in self.readers.drain(..) {
            if reader.is_finished() || self.output.wait_until_closed(Duration::from_secs(2)) {
                reader.join().expect("no reader panics");
            }
        }
        Some(status)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(self.last_signal);
            if self.try_wait(PATIENCE).is_none() {
                self.signal(Signal::KILL);
                self.try_wait(PATIENCE);
            }
        }
    }
}

/// For failure messages: the last lines it wrote.
impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let output = self.output();
        let mut last = VecDeque::new();
        for line in output.lines() {
            last.push_back(line);
            if last.len() > 60 {
                last.pop_front();
            }
        }
        writeln!(f, "--- last lines of {} ---", self.name)?;
        for line in last {
            writeln!(f, "{line}")?;
        }
        write!(f, "---")
    }
}

/// Why a line was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The program closed both outputs, which is to say that it ended.
    Ended,
    /// The deadline passed.
    TookTooLong,
}

impl Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "it ended",
            Self::TookTooLong => "it took too long",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

struct Output {
    written: Mutex<Written>,
    changed: Condvar,
}

struct Written {
    lines: Vec<(Stream, String)>,
    open_streams: usize,
}

impl Default for Output {
    fn default() -> Self {
        Self { written: Mutex::new(Written { lines: Vec::new(), open_streams: 2 }), changed: Condvar::new() }
    }
}

impl Output {
    fn text(&self, wanted: impl Fn(Stream) -> bool) -> String {
        let written = self.written.lock().expect("no reader panics");
        written.lines.iter().filter(|(stream, _)| wanted(*stream)).flat_map(|(_, line)| [line.as_str(), "\n"]).collect()
    }

    fn wait_until_closed(&self, deadline: Duration) -> bool {
        let written = self.written.lock().expect("no reader panics");
        let (written, _) = self.changed.wait_timeout_while(written, deadline, |written| written.open_streams > 0).expect("no reader panics");
        written.open_streams == 0
    }
}

fn keep_output(stream: Stream, pipe: Option<impl Read + Send + 'static>, output: &Arc<Output>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    let pipe = pipe.expect("both outputs are pipes");
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(lines.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            let mut written = output.written.lock().expect("nobody panics with the lock");
            written.lines.push((stream, line));
            drop(written);
            output.changed.notify_all();
        }
        let mut written = output.written.lock().expect("nobody panics with the lock");
        written.open_streams -= 1;
        drop(written);
        output.changed.notify_all();
    })
}

fn pid_of(child: &Child) -> Pid {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has a positive number")
}
