//! HTTP/1.1 as bytes: how the client and the stub read a message. It reads what is there and corrects nothing.

use std::io::{self, BufRead, Read};

/// The first line and the fields, in their order and with their spelling.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// `None` when the peer closed before the first byte.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(first_line) = read_line(from)? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        loop {
            let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(Some(Self { first_line, fields }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other(format!("no colon in the field {line:?}")))?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        all(&self.fields, name)
    }

    /// Whether the sender will close the connection after this message.
    pub(crate) fn closes(&self) -> bool {
        let says = |word: &str| self.all("connection").iter().any(|value| value.split(',').any(|v| v.trim().eq_ignore_ascii_case(word)));
        says("close") || (self.first_line.contains("HTTP/1.0") && !says("keep-alive"))
    }

    /// The body of a message that has one; `until_closed` for an answer without a length.
    pub(crate) fn read_body(&self, from: &mut impl BufRead, until_closed: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        let chunked = self.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked {
            loop {
                let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("no chunk size: {line:?}")))?;
                if size == 0 {
                    // Trailer fields, and the empty line.
                    while !read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?.is_empty() {}
                    return Ok(body);
                }
                read_exactly(from, size, &mut body)?;
                read_line(from)?;
            }
        }
        let length = self.all("content-length").first().map(|length| length.parse::<u64>().map_err(io::Error::other)).transpose()?;
        match length {
            Some(length) => read_exactly(from, length, &mut body)?,
            None if until_closed => {
                from.read_to_end(&mut body)?;
            }
            None => {}
        }
        Ok(body)
    }
}

/// All values of a field, in their order.
pub(crate) fn all<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

fn read_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn read_exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    if from.take(length).read_to_end(into)? as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
