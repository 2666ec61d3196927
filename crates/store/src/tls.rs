//! TLS to PostgreSQL: encrypted and checked, or openly neither. Nothing in between.
use std::{net::IpAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;

/// How to connect to the server that `url` names: `sslmode` is `verify-full`, of which `require` is another name here, or `disable`; without one,
/// a server on this machine is spoken to openly and any other is verified, or any at all when authorities are named. `sslrootcert` is a PEM file of authorities; without it they are the system's.
pub(crate) fn read(url: &str) -> Result<(Config, MakeRustlsConnect), StoreError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut authorities, mut names_authorities, mut others) = (None, None, false, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => {
                names_authorities = true;
                authorities = Some(decoded(value)).filter(|value| value != "system");
            }
            _ => others.push(parameter),
        }
    }
    let mut config = parse(address, &others).map_err(|why| StoreError::Unusable(format!("the database URL {why}")))?;
    let verified = match mode.as_deref() {
        Some("verify-full" | "require") => true,
        Some("disable") => false,
        None => names_authorities || !config.get_hosts().iter().all(is_here),
        Some(_) => return Err(StoreError::Unusable("sslmode in the database URL is verify-full or disable".into())),
    };
    config.ssl_mode(if verified { SslMode::Require } else { SslMode::Disable });
    let roots = if verified { roots(authorities.as_deref())? } else { RootCertStore::empty() };
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((config, MakeRustlsConnect::new(tls)))
}

/// The configuration without what concerns TLS; else which part of the URL is at fault, and nothing of what may be its password.
fn parse(address: &str, parameters: &[&str]) -> Result<Config, String> {
    let Some(rest) = ["postgres://", "postgresql://"].iter().find_map(|scheme| address.strip_prefix(scheme)) else {
        return Err("must begin with postgres:// or postgresql://".into());
    };
    if parameters.iter().any(|parameter| parameter.contains('@')) {
        // then the host is among the parameters, and they are not to be named
        return Err("has an @ after its ?: in a user's name or password write %3F for a ?, and %40 for an @".into());
    }
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    if rest.matches('@').count() > 1 {
        return Err("has more than one @: in a user's name or password write %40".into());
    }
    if let Err(error) = address.parse::<Config>() {
        let in_host = format!("postgres://{hosts}").parse::<Config>().is_err();
        let part = if !in_host {
            "user"
        } else if caused_by(&error).contains("port") {
            "port"
        } else {
            "host or database"
        };
        return Err(format!("cannot be read: its {part} is wrong"));
    }
    let unreadable = |parameter: &&&str| format!("{address}?{parameter}").parse::<Config>().is_err();
    if let Some(parameter) = parameters.iter().find(unreadable) {
        let (name, _) = parameter.split_once('=').unwrap_or((*parameter, ""));
        return Err(format!("cannot be used: its parameter {} is not known here, or its value is wrong", decoded(name)));
    }
    let whole = if parameters.is_empty() { address.to_owned() } else { format!("{address}?{}", parameters.join("&")) };
    whole.parse().map_err(|_| "cannot be read".into())
}

fn caused_by(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

fn roots(file: Option<&str>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    let refused = |why: String| StoreError::Unusable(format!("the authorities for the database's certificate: {why}"));
    match file {
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refused(error.to_string()))? {
                roots.add(certificate.map_err(|error| refused(error.to_string()))?).map_err(|error| refused(error.to_string()))?;
            }
        }
        // a system's store may hold some that cannot be read
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if roots.is_empty() { Err(refused("there are none".into())) } else { Ok(roots) }
}

/// Percent-encoding undone (RFC 3986, section 2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        let ahead = rest.clone().take(2).map(hex).collect::<Option<Vec<u32>>>().filter(|digits| byte == b'%' && digits.len() == 2);
        match ahead {
            Some(digits) => {
                bytes.push((digits[0] * 16 + digits[1]) as u8);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_on_this_machine_is_spoken_to_openly_unless_that_is_asked_for() {
        for (url, mode) in [
            ("postgres://u:p@127.0.0.1:5432/db", Some(SslMode::Disable)),
            ("postgres://u:p@localhost/db?application_name=x", Some(SslMode::Disable)),
            ("postgres://u:p@db.example.com/db?sslmode=disable", Some(SslMode::Disable)),
            ("postgres://u:p@localhost/db?sslrootcert=%2Fno%20where", None),
            ("postgres://u:p@localhost/db?sslmode=disable&sslrootcert=%2Fno%20where", Some(SslMode::Disable)),
            ("postgres://u:p@db.example.com/db?sslmode=prefer", None),
            ("postgres://u:p@db.example.com/db?sslmode=verify-ca", None),
            ("postgres://u:p@db.example.com/db?sslmode=verify-full&sslrootcert=%2Fno%20where", None),
        ] {
            let read = read(url).map(|(config, _)| config.get_ssl_mode());
            assert_eq!(read.as_ref().ok(), mode.as_ref(), "{url}: {read:?}");
        }
        let missing = read("postgres://u:p@db.example.com/db?sslrootcert=%2Fno%20where").err().expect("there is no such file").to_string();
        assert!(missing.contains("authorities") && !missing.contains("u:p"), "{missing}");
        assert_eq!(decoded("%2Fno%20where%"), "/no where%");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_the_part_and_without_the_password() {
        for (url, part) in [
            ("mysql://u:hunter2@db/x", "must begin with postgres://"),
            ("hunter2", "must begin with postgres://"),
            ("postgres://u:hunter2@db:port/x", "its port is wrong"),
            ("postgres://u:hunter2@db:70000/x", "its port is wrong"),
            ("postgres://u:hunter2@[::1/x", "its host or database is wrong"),
            ("postgres://u%FF:hunter2@db/x", "its user is wrong"),
            ("postgres://u:hunter2@db/x?sslmod=disable", "its parameter sslmod is not known"),
            ("postgres://u:hunter2@db/x?application_name=y&sslcert=z", "its parameter sslcert is not known"),
            ("postgres://u:hunter2@db/x?connect_timeout=hunter2", "its parameter connect_timeout is not known here, or its value is wrong"),
            ("postgres://u:hunter2@db/x?sslmode=prefer", "sslmode in the database URL is"),
            ("postgres://u:hun?ter2=@db/x", "has an @ after its ?"),
            ("postgres://u:hun@hunter2@db/x", "has more than one @"),
        ] {
            let said = read(url).err().unwrap_or_else(|| panic!("{url} is read")).to_string();
            assert!(said.contains(part) && !said.contains("hun"), "{url}: {said}");
        }
    }
}
