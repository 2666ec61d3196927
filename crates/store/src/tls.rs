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
/// a server on this machine is spoken to openly and any other is verified. `sslrootcert` is a PEM file of authorities; without it they are the system's.
pub(crate) fn read(url: &str) -> Result<(Config, MakeRustlsConnect), StoreError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => authorities = Some(decoded(value)).filter(|value| value != "system"),
            _ => others.push(parameter),
        }
    }
    let rest = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
    let mut config: Config = rest.parse().map_err(|_| StoreError::Unusable("the database URL cannot be read".into()))?;
    let verified = match mode.as_deref() {
        Some("verify-full" | "require") => true,
        Some("disable") => false,
        None => !config.get_hosts().iter().all(is_here),
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
}
