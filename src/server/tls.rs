//! TLS on the listener (C27).

use super::error::ServerError;
use super::options::TlsOptions;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};

/// The TLS parameters that were negotiated under the protocol.
#[derive(Clone, Debug)]
pub(super) struct TlsInfo {
    pub(super) version: String,
    pub(super) cipher: String,
}

/// The acceptor, which performs the server's side of handshakes.
///
/// # Errors
///
/// [`ServerError::Tls`] if the PEM texts hold no certificate or key, or these don't belong together.
pub(super) fn acceptor(options: &TlsOptions) -> Result<TlsAcceptor, ServerError> {
    let broken = |what: &str| {
        let what = what.to_owned();
        move |error: &dyn std::fmt::Display| ServerError::Tls(format!("{what}: {error}"))
    };
    let chain = certificates(&options.certificates).map_err(|error| broken("certificate")(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&options.key).map_err(|error| broken("private key")(&error))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| broken("protocol versions")(&error))?;
    let builder = match &options.client_authorities {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(pem).map_err(|error| broken("client authorities")(&error))? {
                roots.add(authority).map_err(|error| broken("client authorities")(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| broken("client authorities")(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| broken("certificate and key")(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if all.is_empty() { Err("the PEM text holds none".to_owned()) } else { Ok(all) }
}

/// The agreed parameters, in Go's names, which tools expect (M3).
pub(super) fn agreed(connection: &ServerConnection) -> TlsInfo {
    let version = match connection.protocol_version() {
        Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_3) => "1.3",
        Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "",
    };
    let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    // rustls writes TLS13_AES_…, Go TLS_AES_….
    TlsInfo { version: version.to_owned(), cipher: suite.replacen("TLS13_", "TLS_", 1) }
}
