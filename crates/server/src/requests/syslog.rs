//! Reports as syslog messages over UDP (RFC 3164, RFC 5426): what nginx's `access_log` can send by itself. A message holds one report in JSON.
use std::future::Future;

use tokio::net::UdpSocket;

use super::{Report, take_in};
use crate::{app::App, body};

/// The largest datagram over IPv4.
const LARGEST: usize = 65_507;

/// Takes reports from `socket` until `stop`. Whatever cannot be read is counted and passed over: nobody waits for an answer.
pub async fn receive(app: App, socket: UdpSocket, stop: impl Future<Output = ()>) {
    let mut buffer = vec![0; LARGEST];
    let mut stop = std::pin::pin!(stop);
    loop {
        let length = tokio::select! {
            received = socket.recv(&mut buffer) => match received {
                Ok(length) => length,
                // it is the socket's own trouble, and may last: do not spin
                Err(_) => { tokio::time::sleep(std::time::Duration::from_millis(20)).await; continue }
            },
            () = &mut stop => return,
        };
        match parse(&buffer[..length]) {
            // when there is no room it is counted there
            Some(report) => drop(take_in(&app, vec![report])),
            None => app.metrics.count_requests("malformed", 1),
        }
    }
}

/// The JSON object after whatever header the sender writes.
fn parse(message: &[u8]) -> Option<Report> {
    let start = message.iter().position(|byte| *byte == b'{')?;
    // an address that is no UTF-8 must not keep its request out of the log
    body::parse(String::from_utf8_lossy(&message[start..]).trim_end().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_nginx_is_read_and_junk_is_not() {
        let json = r#"{"credential_id":"-","method":"GET","url":"/","status":200,"duration_seconds":0.003,"headers":{"host":"x","user-agent":""}}"#;
        for header in ["<190>Nov 18 11:06:40 web claviger: ", "<190>Nov 18 11:06:40 claviger: ", ""] {
            assert!(parse(format!("{header}{json}\n").as_bytes()).is_some(), "{header}");
        }
        for junk in ["", "<190>Nov 18", "{", "{}", "<190>x: {\"method\":1}", "\u{0}{"] {
            assert!(parse(junk.as_bytes()).is_none(), "{junk}");
        }
        let raw = [br#"{"method":"GET","status":200,"url":"/"#.as_slice(), &[0xff], br#""}"#].concat();
        assert!(parse(&raw).is_some(), "nginx writes what it was sent");
    }
}
