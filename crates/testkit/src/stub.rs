//! A stub HTTP server inside the test: a verifier that says what the test wants, or an API which remembers what reached it.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::wire::{self, Head};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query, as written.
    pub target: String,
    /// All fields, in their order and with their spelling.
    pub fields: Vec<(String, String)>,
    /// The body, without its chunking.
    pub body: Vec<u8>,
}

impl Seen {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        wire::all(&self.fields, name).first().copied()
    }

    /// All values of a field.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        wire::all(&self.fields, name)
    }
}

/// What the stub does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers.
    Answer {
        /// The status code.
        status: u16,
        /// Fields besides `Content-Length`.
        fields: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Says nothing for this long, then closes.
    Hang(Duration),
}

impl Reply {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self::Answer { status, fields: Vec::new(), body: Vec::new() }
    }

    /// Adds a field to an answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { fields, .. } = &mut self {
            fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Gives an answer its body.
    pub fn body(mut self, text: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}

/// A running stub.
pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Stub {
    /// Listens on a free port of 127.0.0.1 and answers with `answer`, a thread for each connection.
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared =
            Arc::new(Shared { answer: Box::new(answer), seen: Mutex::default(), connections: AtomicUsize::new(0), stopped: AtomicBool::new(false) });
        let threads = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if threads.stopped.load(Ordering::SeqCst) {
                    return;
                }
                threads.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&threads);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far. A request is here before its answer is written.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no panic under the lock").clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request has arrived")
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then closes the port.
        let _gone = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(head)) = Head::read(&mut stream) {
            let closes = head.closes();
            let Ok(body) = head.read_body(&mut stream, false) else {
                return;
            };
            let mut words = head.first_line.split(' ').map(str::to_owned);
            let seen = Seen { method: words.next().unwrap_or_default(), target: words.next().unwrap_or_default(), fields: head.fields, body };
            self.seen.lock().expect("no panic under the lock").push(seen.clone());
            match (self.answer)(&seen) {
                Reply::Hang(time) => {
                    std::thread::sleep(time);
                    return;
                }
                Reply::Answer { status, fields, body } => {
                    let mut answer = format!("HTTP/1.1 {status} Stub\r\n");
                    for (name, value) in &fields {
                        answer.push_str(&format!("{name}: {value}\r\n"));
                    }
                    answer.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
                    let mut bytes = answer.into_bytes();
                    if seen.method != "HEAD" {
                        bytes.extend_from_slice(&body);
                    }
                    if stream.get_mut().write_all(&bytes).is_err() || closes {
                        return;
                    }
                }
            }
        }
    }
}
