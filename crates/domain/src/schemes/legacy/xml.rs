//! SOAP 1.1 and plain XML in the namespace `http://xml.m4u.com.au/2009`: who calls which operation, and the answers. Streamed, read once.
use quick_xml::{
    NsReader,
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use zeroize::Zeroizing;

use super::{LARGEST_BODY, LONGEST, Login, Unreadable};
use crate::secret::Plain;

const M4U: &str = "http://xml.m4u.com.au/2009";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The most elements within each other.
const DEEPEST: usize = 32;
/// The most attributes of an element; each is held against all before it.
const MOST_ATTRIBUTES: usize = 64;

/// An operation and who calls it.
#[derive(Debug)]
pub struct Call {
    /// How it came, and so how it is answered.
    pub envelope: Envelope,
    /// The operation's element name, such as `checkUser`; any name of that namespace.
    pub operation: String,
    /// Who calls.
    pub login: Login,
}

impl Call {
    /// Whether it asks nothing but whether the login is right, which we answer ourselves.
    #[must_use]
    pub fn is_check_user(&self) -> bool {
        self.operation == "checkUser"
    }
}

/// What is around an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A SOAP 1.1 envelope.
    Soap,
    /// Nothing.
    Plain,
}

impl Envelope {
    /// The likely envelope of a body that could not be read, so that the answer has the caller's form.
    #[must_use]
    pub fn guess(body: &[u8]) -> Self {
        let start = &body[..body.len().min(1024)];
        if start.windows(SOAP.len()).any(|part| part == SOAP.as_bytes()) { Self::Soap } else { Self::Plain }
    }

    fn around(self, content: &str) -> String {
        match self {
            Self::Soap => format!(r#"<env:Envelope xmlns:env="{SOAP}"><env:Body>{content}</env:Body></env:Envelope>"#),
            Self::Plain => content.to_owned(),
        }
    }
}

/// Reads a body to its end.
///
/// # Errors
/// When it is too large or too deep, not UTF-8, uses DTDs, entities or processing instructions, is not one operation of the namespace
/// with one login, or has a second login anywhere. What is in the SOAP header is passed over.
pub fn parse(body: &[u8]) -> Result<Call, Unreadable> {
    if body.len() > LARGEST_BODY {
        return Err(Unreadable::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.chars().all(is_xml_char) {
        return Err(Unreadable::Malformed);
    }
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut walk = Walk::default();
    for number in 0.. {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| Unreadable::Malformed)?;
        match event {
            Event::Start(element) => walk.open(&namespace, &element)?,
            Event::End(_) => walk.close(),
            Event::Text(text) => walk.text(&text)?,
            Event::CData(text) if !walk.path.is_empty() => walk.text(&text)?,
            Event::CData(_) => return Err(Unreadable::Malformed),
            Event::GeneralRef(reference) => walk.text(resolve(&reference)?.encode_utf8(&mut [0; 4]))?,
            Event::Comment(_) => walk.comment()?,
            Event::Decl(declaration) if number == 0 => check_declaration(&declaration)?,
            Event::Decl(_) => return Err(Unreadable::Malformed),
            Event::PI(_) => return Err(Unreadable::Instruction),
            Event::DocType(_) => return Err(Unreadable::Doctype),
            Event::Eof => break,
            Event::Empty(_) => return Err(Unreadable::Malformed),
        }
    }
    walk.finish()
}

/// Section 2.2 of XML 1.0, but U+FFFE and U+FFFF, which Rust knows as characters too.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// The character of a reference: one of the five predefined entities, or a number (sections 4.1 and 4.6 of XML 1.0).
fn resolve(reference: &str) -> Result<char, Unreadable> {
    match reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => BytesRef::new(reference).resolve_char_ref().ok().flatten().filter(|c| is_xml_char(*c)).ok_or(Unreadable::Entity),
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), Unreadable> {
    let version = declaration.version().is_ok_and(|version| &*version == "1.0");
    let encoding = match declaration.encoding() {
        None => true,
        Some(name) => name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii")),
    };
    if !encoding {
        return Err(Unreadable::NotUtf8);
    }
    if version { Ok(()) } else { Err(Unreadable::Malformed) }
}

fn check_attributes(element: &BytesStart<'_>) -> Result<(), Unreadable> {
    for (index, attribute) in element.attributes().enumerate() {
        let attribute = attribute.map_err(|_| Unreadable::Malformed)?;
        if index == MOST_ATTRIBUTES || attribute.value.contains('<') {
            return Err(Unreadable::Malformed);
        }
        // a namespace has one spelling here
        if attribute.key.as_namespace_binding().is_some() && attribute.value.contains('&') {
            return Err(Unreadable::Entity);
        }
        for part in attribute.value.split('&').skip(1) {
            resolve(part.split_once(';').ok_or(Unreadable::Entity)?.0)?;
        }
    }
    Ok(())
}

/// What an open element is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Envelope,
    Header,
    Body,
    Operation,
    Authentication,
    Username,
    Password,
    Other,
}

/// The way through a document, and what was found on it.
#[derive(Default)]
struct Walk {
    path: Vec<Place>,
    envelope: Option<Envelope>,
    header: Option<()>,
    body: Option<()>,
    operation: Option<String>,
    authentication: Option<()>,
    username: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
}

impl Walk {
    fn open(&mut self, namespace: &ResolveResult<'_>, element: &BytesStart<'_>) -> Result<(), Unreadable> {
        check_attributes(element)?;
        if self.path.len() == DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(name)) => *name,
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(_) => return Err(Unreadable::Malformed),
        };
        let place = self.place(namespace, element.local_name().into_inner())?;
        self.path.push(place);
        Ok(())
    }

    fn place(&mut self, namespace: &str, name: &str) -> Result<Place, Unreadable> {
        match (self.path.last(), namespace, name) {
            (None, ..) if self.envelope.is_some() => Err(Unreadable::Malformed),
            (None, SOAP, "Envelope") => {
                self.envelope = Some(Envelope::Soap);
                Ok(Place::Envelope)
            }
            (None, M4U, name) => {
                self.envelope = Some(Envelope::Plain);
                self.operation = Some(name.to_owned());
                Ok(Place::Operation)
            }
            (Some(Place::Envelope), SOAP, "Header") if self.body.is_none() => once(&mut self.header, (), Place::Header),
            (Some(Place::Envelope), SOAP, "Body") => once(&mut self.body, (), Place::Body),
            (Some(Place::Body), M4U, name) => once(&mut self.operation, name.to_owned(), Place::Operation),
            (Some(Place::Operation), M4U, "authentication") => once(&mut self.authentication, (), Place::Authentication),
            (Some(Place::Authentication), M4U, "userId") => once(&mut self.username, room(), Place::Username),
            (Some(Place::Authentication), M4U, "password") => once(&mut self.password, room(), Place::Password),
            (_, M4U, "authentication" | "userId" | "password") => Err(Unreadable::Repeated),
            (Some(Place::Header | Place::Operation | Place::Other), ..) => Ok(Place::Other),
            _ => Err(Unreadable::Malformed),
        }
    }

    fn close(&mut self) {
        // the reader has checked the names
        self.path.pop();
    }

    fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        let into = match self.path.last() {
            Some(Place::Header | Place::Other) => return Ok(()),
            Some(Place::Username) => &mut self.username,
            Some(Place::Password) => &mut self.password,
            _ if text.bytes().all(|byte| byte.is_ascii_whitespace()) => return Ok(()),
            _ => return Err(Unreadable::Malformed),
        };
        match into {
            // within its capacity it never moves, and leaves no copy behind
            Some(value) if value.len() + text.len() <= LONGEST && !text.chars().any(char::is_control) => {
                value.push_str(text);
                Ok(())
            }
            _ => Err(Unreadable::Malformed),
        }
    }

    /// Between the halves of a password a comment is where readers disagree.
    fn comment(&self) -> Result<(), Unreadable> {
        if let Some(Place::Username | Place::Password) = self.path.last() { Err(Unreadable::Malformed) } else { Ok(()) }
    }

    fn finish(self) -> Result<Call, Unreadable> {
        if !self.path.is_empty() {
            return Err(Unreadable::Malformed);
        }
        let (Some(envelope), Some(operation)) = (self.envelope, self.operation) else { return Err(Unreadable::Malformed) };
        match (self.username, self.password) {
            (Some(username), Some(mut password)) if !username.is_empty() && !password.is_empty() => {
                let login = Login { username: username.to_string(), password: Plain::new(std::mem::take(&mut *password)) };
                Ok(Call { envelope, operation, login })
            }
            _ => Err(Unreadable::LoginMissing),
        }
    }
}

fn room() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(LONGEST))
}

fn once<T>(slot: &mut Option<T>, value: T, place: Place) -> Result<Place, Unreadable> {
    if slot.replace(value).is_some() { Err(Unreadable::Repeated) } else { Ok(place) }
}

/// The error codes of the namespace's `faultResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// We do not know you.
    AuthenticationFailed,
    /// The request could not be read.
    InvalidDataFormat,
    /// Enough for today.
    PerDayMessageLimit,
    /// The request is too large.
    RequestSizeLimit,
}

impl Fault {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "authenticationFailed",
            Self::InvalidDataFormat => "invalidDataFormat",
            Self::PerDayMessageLimit => "perDayMessageLimit",
            Self::RequestSizeLimit => "requestSizeLimit",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "The user id or the password is wrong.",
            Self::InvalidDataFormat => "The request is not in the expected format.",
            Self::PerDayMessageLimit => "The limit of messages per day is reached.",
            Self::RequestSizeLimit => "The request is too large.",
        }
    }

    /// The answer: a SOAP fault whose detail is the `faultResponse`, or the `faultResponse` alone.
    #[must_use]
    pub fn answer(self, envelope: Envelope) -> String {
        let response = format!(r#"<faultResponse xmlns="{M4U}"><error code="{}"/></faultResponse>"#, self.as_str());
        match envelope {
            Envelope::Plain => response,
            Envelope::Soap => {
                let sentence = self.sentence();
                let fault = "<faultcode>env:Client</faultcode><faultstring>";
                envelope.around(&format!("<env:Fault>{fault}{sentence}</faultstring><detail>{response}</detail></env:Fault>"))
            }
        }
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        if unreadable == Unreadable::TooLarge { Self::RequestSizeLimit } else { Self::InvalidDataFormat }
    }
}

/// What a successful `checkUser` tells of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountDetails<'a> {
    /// How credits are counted, such as `daily`.
    pub kind: &'a str,
    /// Credits per period.
    pub credit_limit: u64,
    /// Credits left.
    pub credit_remaining: u64,
}

impl AccountDetails<'_> {
    /// The answer to a `checkUser` whose login is right.
    #[must_use]
    pub fn answer(&self, envelope: Envelope) -> String {
        let Self { kind, credit_limit, credit_remaining } = self;
        let kind = quick_xml::escape::escape(*kind);
        let details = format!(r#"<accountDetails type="{kind}" creditLimit="{credit_limit}" creditRemaining="{credit_remaining}"/>"#);
        envelope.around(&format!(r#"<checkUserResponse xmlns="{M4U}"><result>{details}</result></checkUserResponse>"#))
    }
}

#[cfg(test)]
mod tests;
