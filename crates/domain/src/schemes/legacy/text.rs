//! The m4u text protocol: who asks, whether the password is to change, and which command follows. The messages themselves are not read.
use super::{LARGEST_BODY, LONGEST, Login, Unreadable};
use crate::secret::Plain;

/// A request in the text protocol.
#[derive(Debug)]
pub struct Call {
    /// Who asks; the username without its `#`.
    pub login: Login,
    /// Whether the username ended in `#`: answers carry message ids.
    pub message_ids: bool,
    /// The password to have from now on.
    pub new_password: Option<Plain>,
    /// What is asked for.
    pub command: Command,
}

/// The commands of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `MESSAGES2.0`: send messages.
    Messages2,
    /// `MESSAGES`: credits, or nothing but the change of password.
    Messages,
    /// `CHECKREPLY2.0`: fetch replies.
    CheckReply2,
    /// `CONFIRM_RECEIVED`: replies were fetched.
    ConfirmReceived,
}

impl Command {
    fn read(line: &str) -> Option<Self> {
        match line {
            "MESSAGES2.0" => Some(Self::Messages2),
            "MESSAGES" => Some(Self::Messages),
            "CHECKREPLY2.0" => Some(Self::CheckReply2),
            "CONFIRM_RECEIVED" => Some(Self::ConfirmReceived),
            _ => None,
        }
    }
}

/// Reads a request: `m4u`, then `USER=`, `PASSWORD=`, `VER=` and `NEWPASSWORD=` in any order, a command, its lines, and a line `.`. Lines
/// end in CRLF or LF. Only the lines of a command may be other than UTF-8: old clients send their messages in other encodings.
///
/// # Errors
/// When it is larger than 1 MiB, something stands twice, or it is not such a request.
pub fn parse(body: &[u8]) -> Result<Call, Unreadable> {
    if body.len() > LARGEST_BODY {
        return Err(Unreadable::TooLarge);
    }
    let mut lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if lines.next() != Some(b"m4u") {
        return Err(Unreadable::Malformed);
    }
    let (mut user, mut password, mut new_password, mut version) = (None, None, None, None);
    let command = loop {
        let line = std::str::from_utf8(lines.next().ok_or(Unreadable::Malformed)?).map_err(|_| Unreadable::NotUtf8)?;
        if let Some(command) = Command::read(line) {
            break command;
        }
        let (name, value) = line.split_once('=').ok_or(Unreadable::Malformed)?;
        let slot = match name {
            "USER" => &mut user,
            "PASSWORD" => &mut password,
            "NEWPASSWORD" => &mut new_password,
            "VER" => &mut version,
            _ => return Err(Unreadable::Malformed),
        };
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            return Err(Unreadable::Malformed);
        }
        if slot.replace(value).is_some() {
            return Err(Unreadable::Repeated);
        }
    };
    // the first lone dot ends the command, and nothing may follow: a second command could name someone else
    if !lines.by_ref().any(|line| line == b".") || !lines.all(<[u8]>::is_empty) {
        return Err(Unreadable::Malformed);
    }
    let (user, password) = user.zip(password).ok_or(Unreadable::LoginMissing)?;
    let username = user.strip_suffix('#').unwrap_or(user);
    if username.is_empty() || password.is_empty() {
        return Err(Unreadable::LoginMissing);
    }
    let login = Login { username: username.to_owned(), password: Plain::new(password.to_owned()) };
    let new_password = new_password.map(|password| Plain::new(password.to_owned()));
    Ok(Call { login, message_ids: username.len() < user.len(), new_password, command })
}

/// What is answered, always with HTTP status 200: clients look at the number in the page. 1xx is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Ok,
    /// Done, and so many credits are left.
    Credits(u64),
    /// We do not know you.
    AuthenticationFailed,
    /// The request could not be read.
    InvalidDataFormat,
    /// The request is too large.
    RequestSizeLimit,
    /// The new password breaks the rule.
    NewPasswordRefused,
}

impl std::fmt::Display for Answer {
    /// Writes the page.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<HTML><HEAD><TITLE>M4U SMSMASTER</TITLE></HEAD>\r\n<BODY>\r\n")?;
        match self {
            Self::Ok => f.write_str("100 OK")?,
            Self::Credits(credits) => write!(f, "120 OK {credits} credits remaining")?,
            Self::AuthenticationFailed => f.write_str("401 Authentication failed")?,
            Self::InvalidDataFormat => f.write_str("400 Invalid data format")?,
            Self::RequestSizeLimit => f.write_str("413 Request size limit")?,
            Self::NewPasswordRefused => f.write_str("422 New password not allowed")?,
        }
        f.write_str("\r\n</BODY></HTML>\r\n")
    }
}

impl From<Unreadable> for Answer {
    fn from(unreadable: Unreadable) -> Self {
        if unreadable == Unreadable::TooLarge { Self::RequestSizeLimit } else { Self::InvalidDataFormat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "m4u\r\nUSER=abcde#\r\nPASSWORD=Secret1\r\nVER=PHP1.0\r\nMESSAGES2.0\r\n1 +61491570156 0 0 0 Hello = you\r\n.\r\n";

    #[test]
    fn a_request_is_read_with_either_line_end() {
        for body in [GOOD.to_owned(), GOOD.replace("\r\n", "\n"), GOOD.trim_end().to_owned()] {
            let call = parse(body.as_bytes()).expect("readable");
            assert_eq!((&*call.login.username, call.login.password.expose()), ("abcde", "Secret1"));
            assert!(call.message_ids && call.new_password.is_none() && call.command == Command::Messages2);
        }
    }

    #[test]
    fn each_command_is_read() {
        for (text, command) in [
            ("MESSAGES", Command::Messages),
            ("CHECKREPLY2.0", Command::CheckReply2),
            ("CONFIRM_RECEIVED", Command::ConfirmReceived),
            ("MESSAGES2.0", Command::Messages2),
        ] {
            let call = parse(format!("m4u\r\nUSER=abcde\r\nPASSWORD=a=b\r\n{text}\r\n.\r\n").as_bytes()).expect("readable");
            assert_eq!((call.command, call.login.password.expose(), call.message_ids), (command, "a=b", false));
        }
    }

    #[test]
    fn a_new_password_is_found_and_never_printed() {
        let body = "m4u\r\nUSER=abcde\r\nPASSWORD=Secret1\r\nVER=PHP1.0\r\nNEWPASSWORD=Secret2\r\nMESSAGES\r\n.\r\n";
        let call = parse(body.as_bytes()).expect("readable");
        assert_eq!(call.new_password.as_ref().map(Plain::expose), Some("Secret2"));
        assert!(!format!("{call:?}").contains("Secret"));
    }

    #[test]
    fn messages_may_be_in_any_encoding_and_the_login_may_not() {
        let mut body = GOOD.replace("Hello", "Caf").into_bytes();
        let at = body.windows(3).position(|three| three == b"Caf").expect("there");
        body.insert(at + 3, 0xe9);
        assert!(parse(&body).is_ok());
        assert_eq!(parse(b"m4u\r\nUSER=abcd\xe9\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\n").expect_err("refused"), Unreadable::NotUtf8);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (body, why) in [
            ("", Unreadable::Malformed),
            ("M4U\r\n", Unreadable::Malformed),
            ("m4u", Unreadable::Malformed),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=x\r\n.\r\n", Unreadable::Malformed),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=x\r\nMESSAGES\r\n", Unreadable::Malformed),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\nMESSAGES\r\n.\r\n", Unreadable::Malformed),
            ("m4u\r\nUSER=abcde\r\nUSER=other\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\n", Unreadable::Repeated),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=x\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\n", Unreadable::Repeated),
            ("m4u\r\nUSER=abcde\r\nMESSAGES\r\n.\r\n", Unreadable::LoginMissing),
            ("m4u\r\nUSER=#\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\n", Unreadable::LoginMissing),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=\r\nMESSAGES\r\n.\r\n", Unreadable::LoginMissing),
            ("m4u\r\nUSER=ab\rcde\r\nPASSWORD=x\r\nMESSAGES\r\n.\r\n", Unreadable::Malformed),
            ("m4u\r\nUSER=abcde\r\nPASSWORD=x\r\nROOT=1\r\nMESSAGES\r\n.\r\n", Unreadable::Malformed),
        ] {
            assert_eq!(parse(body.as_bytes()).expect_err("refused"), why, "{body:?}");
        }
    }

    #[test]
    fn a_body_of_1_mib_is_read_and_one_byte_more_is_not() {
        let fill = LARGEST_BODY - GOOD.len();
        assert!(parse(GOOD.replace("Hello", &format!("Hello{}", "x".repeat(fill))).as_bytes()).is_ok());
        assert_eq!(parse(GOOD.replace("Hello", &format!("Hello{}", "x".repeat(fill + 1))).as_bytes()).expect_err("refused"), Unreadable::TooLarge);
        assert_eq!(parse(GOOD.replace("Secret1", &"x".repeat(LONGEST + 1)).as_bytes()).expect_err("refused"), Unreadable::Malformed);
    }

    #[test]
    fn answers_are_the_page_that_clients_look_for() {
        assert_eq!(Answer::Ok.to_string(), "<HTML><HEAD><TITLE>M4U SMSMASTER</TITLE></HEAD>\r\n<BODY>\r\n100 OK\r\n</BODY></HTML>\r\n");
        assert!(Answer::Credits(5000).to_string().contains("\r\n120 OK 5000 credits remaining\r\n"));
        for refused in [Answer::AuthenticationFailed, Unreadable::Malformed.into(), Unreadable::TooLarge.into(), Answer::NewPasswordRefused] {
            assert!(refused.to_string().contains("<BODY>\r\n4"), "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body: Vec<u8>, text in "(m4u\r?\n)?((USER|PASSWORD|NEWPASSWORD|VER)=[a-z#]{0,5}\r?\n|MESSAGES\n|\\.\n|.{0,5}\n){0,9}") {
            for body in [&body[..], text.as_bytes()] {
                let _ = parse(body);
            }
        }
    }
}
