//! An HTTP/1.1 client for tests, which sends exactly what it is told: spelling, order and repetition of fields included.
//!
//! A real client library corrects what it sends, and these tests are about what was not corrected. It does not follow
//! redirects, keeps no cookies, does no TLS and blocks its thread.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::soon::DEADLINE;
use crate::wire::{self, Head};

/// A request to be sent, as often as you like.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    address: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<u8>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All fields, in their order and with their spelling.
    pub fields: Vec<(String, String)>,
    /// The body, without its chunking.
    pub body: Vec<u8>,
}

impl Request {
    /// A request to `http://host:port/target`; `Host` is set unless you set it.
    pub fn new(method: &str, url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} does not begin with http://"));
        let path = rest.find(['/', '?']).unwrap_or(rest.len());
        let (address, target) = rest.split_at(path);
        Self {
            method: method.to_owned(),
            address: address.to_owned(),
            target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
            fields: Vec::new(),
            body: Body::None,
        }
    }

    /// `GET`
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// `POST`
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`
    pub fn put(url: &str) -> Self {
        Self::new("PUT", url)
    }

    /// `PATCH`
    pub fn patch(url: &str) -> Self {
        Self::new("PATCH", url)
    }

    /// `DELETE`
    pub fn delete(url: &str) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a field; one that is there already is repeated, not replaced.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer …`
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// A JSON body, and its content type.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// A form body, percent-encoded, and its content type.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        self.header("Content-Type", "application/x-www-form-urlencoded").body(pairs.join("&"))
    }

    /// A body with its `Content-Length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(body.into());
        self
    }

    /// A body in chunks of 64 KiB, without a length.
    pub fn chunked(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Chunked(body.into());
        self
    }

    /// Sends it on a connection of its own.
    ///
    /// # Panics
    /// When there is no answer; use [`Request::try_send`] where a server may rightly vanish.
    pub fn send(&self) -> Response {
        self.try_send().unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.url()))
    }

    /// Sends it on a connection of its own.
    pub fn try_send(&self) -> io::Result<Response> {
        Connection::try_open(&self.address)?.try_send(&self.clone().header("Connection", "close"))
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.address, self.target)
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if wire::all(&self.fields, "host").is_empty() {
            field(&mut head, "Host", &self.address);
        }
        for (name, value) in &self.fields {
            field(&mut head, name, value);
        }
        match &self.body {
            Body::None => {}
            Body::Sized(body) => field(&mut head, "Content-Length", &body.len().to_string()),
            Body::Chunked(_) => field(&mut head, "Transfer-Encoding", "chunked"),
        }
        head.push_str("\r\n");
        head
    }
}

impl Response {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        wire::all(&self.fields, name).first().copied()
    }

    /// All values of a field, in their order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        wire::all(&self.fields, name)
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {} {}", self.status, self.text()))
    }

    /// Itself, if the status is the expected one.
    ///
    /// # Panics
    /// With the body, when it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// One TCP connection: kept open between requests, or fed byte by byte with what no client library would send.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `http://host:port…` or `host:port`.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn open(address: &str) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// As [`Connection::open`].
    pub fn try_open(address: &str) -> io::Result<Self> {
        let address = address.trim_start_matches("http://");
        let address = address.split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The same connection, on which reading waits no longer than this.
    pub fn within(self, deadline: Duration) -> io::Result<Self> {
        self.stream.get_ref().set_read_timeout(Some(deadline))?;
        Ok(self)
    }

    /// Sends a request and reads its answer; the connection stays open unless one of the two says otherwise.
    pub fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.url()))
    }

    /// As [`Connection::send`]. An answer that comes before the whole request is written is read all the same.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Response> {
        let written = self.write_request(request);
        let answer = self.read_response_to(&request.method);
        match (written, answer) {
            (Err(error), Err(_)) => Err(error),
            (_, answer) => answer,
        }
    }

    /// Writes raw bytes.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Writes raw bytes one at a time with a pause after each: a slow client.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> io::Result<()> {
        for byte in bytes.as_ref() {
            self.write([*byte])?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Reads the answer to something written by hand.
    pub fn read_response(&mut self) -> io::Result<Response> {
        self.read_response_to("GET")
    }

    /// Everything until the peer closes.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the peer closes within `deadline` without a word more; a reset is a close.
    pub fn is_closed_within(&mut self, deadline: Duration) -> bool {
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(deadline)).expect("a deadline above zero");
        let read = self.stream.read(&mut [0]);
        self.stream.get_ref().set_read_timeout(Some(DEADLINE)).expect("a deadline above zero");
        match read {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }

    /// Says that no more will be written, and goes on reading: half a request.
    pub fn finish_writing(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    fn write_request(&mut self, request: &Request) -> io::Result<()> {
        let mut bytes = request.head().into_bytes();
        match &request.body {
            Body::None => self.write(bytes),
            Body::Sized(body) => {
                bytes.extend_from_slice(body);
                self.write(bytes)
            }
            Body::Chunked(body) => {
                self.write(bytes)?;
                for chunk in body.chunks(64 * 1024) {
                    self.write(format!("{:x}\r\n", chunk.len()))?;
                    self.write(chunk)?;
                    self.write("\r\n")?;
                }
                self.write("0\r\n\r\n")
            }
        }
    }

    fn read_response_to(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let head = Head::read(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = head
                .first_line
                .strip_prefix("HTTP/1.")
                .and_then(|rest| rest.split(' ').nth(1))
                .and_then(|status| status.parse::<u16>().ok())
                .ok_or_else(|| io::Error::other(format!("no status in {:?}", head.first_line)))?;
            if status < 200 && status != 101 {
                continue;
            }
            let body = if method == "HEAD" || [101, 204, 304].contains(&status) { Vec::new() } else { head.read_body(&mut self.stream, true)? };
            return Ok(Response { status, fields: head.fields, body });
        }
    }
}

fn field(head: &mut String, name: &str, value: &str) {
    write!(head, "{name}: {value}\r\n").expect("a string takes all");
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all");
        }
    }
    encoded
}
