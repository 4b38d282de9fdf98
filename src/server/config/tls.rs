//! The map `tls`: certificates, and how handshakes go.

use super::builder::ConfigBuilder;
use super::problem::ConfigErrorKind;
use super::table::{Reader, Row, Support, Takes, row, sets};
use super::value::{Data, Entry, Value};
use crate::server::TlsOptions;
use crate::server::tls::acceptor;
use std::path::Path;
use std::time::Duration;

/// The values of the map, while it is read.
#[derive(Default)]
pub(super) struct Tls {
    certificates: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    verify: bool,
    timeout: Option<Duration>,
    handshake_first: bool,
}

const CIPHERS: &str = "TLS 1.2 and 1.3 with the cipher suites and curves of rustls are always on";
const STORE: &str = "there is no Windows certificate store";

pub(super) static TLS: &[Row<Tls>] = &[
    row(&["cert_file"], Support::Supported(certificates), ""),
    row(&["key_file"], Support::Supported(key), ""),
    row(&["ca_file"], Support::Supported(authorities), ""),
    row(&["verify"], sets!(|_, entry| verify = entry.boolean()?), "needs `ca_file`"),
    row(&["timeout"], sets!(|reader, entry| timeout = reader.timeout(entry)?), ""),
    row(&["handshake_first", "first", "immediate"], Support::Supported(handshake_first), "true or false"),
    row(&["verify_and_map"], Support::Refused(Value::is_false), "certificates are not mapped to users"),
    row(
        &["verify_cert_and_check_known_urls"],
        Support::Refused(Value::is_false),
        "nats-server does not take it from clients either",
    ),
    row(&["certs", "certificates"], Support::Refused(Value::is_empty), "there is one certificate"),
    row(&["pinned_certs"], Support::Refused(Value::is_empty), "certificates are not pinned"),
    row(&["cipher_suites", "curve_preferences"], Support::Refused(|_| false), CIPHERS),
    row(&["min_version"], Support::Refused(|value| value.as_string() == Some("1.2")), CIPHERS),
    row(&["allow_insecure_cipher_suites"], Support::Ignored(Takes::Boolean), CIPHERS),
    row(&["connection_rate_limit"], Support::Ignored(Takes::Integer), "handshakes are not counted"),
    row(&["insecure"], Support::Ignored(Takes::Boolean), "it is for connections to other servers"),
    row(&["ocsp_peer"], Support::Refused(Value::is_false), "clients' certificates are not looked up"),
    row(&["cert_store", "cert_match_by", "cert_match"], Support::Refused(|_| false), STORE),
    row(&["ca_certs_match", "cert_match_skip_invalid"], Support::Refused(|_| false), STORE),
];

pub(super) fn read(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    let before = reader.problems.len();
    let mut tls = Tls::default();
    reader.read(entry.map()?, TLS, &mut tls);
    if reader.problems.len() == before {
        builder.server.tls = Some(tls.options(entry)?);
    }
    Ok(())
}

impl Tls {
    /// DIFFERENCE: without a certificate, or to verify without `ca_file`, is a fault. nats-server starts, and the handshakes fail;
    /// or it takes the authorities of the system.
    fn options(self, entry: &Entry) -> Result<TlsOptions, ConfigErrorKind> {
        let (certificates, key) = match (self.certificates, self.key) {
            (Some(certificates), Some(key)) => (certificates, key),
            (Some(_), None) => return Err(entry.invalid("`key_file` is missing")),
            (None, Some(_)) => return Err(entry.invalid("`cert_file` is missing")),
            (None, None) => return Err(entry.invalid("`cert_file` and `key_file` are missing")),
        };
        let mut options = TlsOptions::new(certificates, key).handshake_first(self.handshake_first);
        if let Some(timeout) = self.timeout {
            options = options.timeout(timeout);
        }
        let verifying = match self.authorities {
            Some(authorities) => options.clone().verify_clients(authorities),
            None if self.verify => return Err(entry.invalid("`verify` needs `ca_file`")),
            None => options.clone(),
        };
        // Certificates that cannot be used are a fault here, though only the listener uses them.
        acceptor(&verifying).map_err(|error| entry.invalid(error.to_string()))?;
        Ok(if self.verify { verifying } else { options })
    }
}

/// The file that an option names. As the real one has it, its name is relative to where the process runs.
fn file(reader: &Reader<'_>, entry: &Entry) -> Result<Vec<u8>, ConfigErrorKind> {
    let path = entry.string()?;
    let unreadable = |error: std::io::Error| ConfigErrorKind::File { path: path.to_owned(), why: error.to_string() };
    reader.source.read(Path::new(path)).map_err(unreadable)
}

fn certificates(reader: &mut Reader<'_>, into: &mut Tls, entry: &Entry) -> Result<(), ConfigErrorKind> {
    into.certificates = Some(file(reader, entry)?);
    Ok(())
}

fn key(reader: &mut Reader<'_>, into: &mut Tls, entry: &Entry) -> Result<(), ConfigErrorKind> {
    into.key = Some(file(reader, entry)?);
    Ok(())
}

fn authorities(reader: &mut Reader<'_>, into: &mut Tls, entry: &Entry) -> Result<(), ConfigErrorKind> {
    into.authorities = Some(file(reader, entry)?);
    Ok(())
}

fn handshake_first(_: &mut Reader<'_>, into: &mut Tls, entry: &Entry) -> Result<(), ConfigErrorKind> {
    const WHY: &str = "a client that waits for INFO before it begins with TLS is not told apart from one that does not";
    let text = match &entry.value.data {
        Data::Boolean(first) => {
            into.handshake_first = *first;
            return Ok(());
        }
        Data::String(text) => text.to_lowercase(),
        _ => return Err(entry.wrong("a boolean or a string")),
    };
    into.handshake_first = match text.as_str() {
        "true" | "on" => true,
        "false" | "off" => false,
        "auto" | "auto_fallback" => return Err(ConfigErrorKind::Unsupported { option: entry.key.clone(), why: WHY }),
        _ => {
            entry.nanos("a duration")?;
            return Err(ConfigErrorKind::Unsupported { option: entry.key.clone(), why: WHY });
        }
    };
    Ok(())
}
