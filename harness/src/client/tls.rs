//! TLS towards a target: whom to believe that it is who it says.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::input;
use crate::vocab::Trust;

/// All certificates that there are take less.
const MOST_PEM: u64 = 64 << 20;

/// The settings of TLS; what they cost is paid when the first connection needs it.
#[derive(Clone, Default)]
pub struct Tls {
    trust: Trust,
    connector: Arc<OnceLock<Result<TlsConnector, String>>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.trust).finish()
    }
}

impl Tls {
    pub fn new(trust: Trust) -> Self {
        Self { trust, connector: Arc::default() }
    }

    /// What makes a connection of a TCP connection; the error says what is wrong with the settings.
    pub(super) fn connector(&self) -> Result<TlsConnector, String> {
        self.connector.get_or_init(|| client_config(&self.trust).map(|config| Arc::new(config).into())).clone()
    }
}

/// What connections of a kind of trust are made with; the error says what is wrong with that.
pub fn client_config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let roots = match trust {
        Trust::Anybody => {
            let verifier = Arc::new(Anybody(provider));
            return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        Trust::System => system_roots()?,
        Trust::File(path) => roots_of(path)?,
        Trust::Pem(text) => roots_in(text.as_bytes(), Path::new("the certificates that came with the scenario"))?,
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "this machine has no certificates to trust; name a file with `tls = { ca = \"ca.pem\" }`".to_owned()
        );
    }
    Ok(roots)
}

fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn fmt::Display| {
        format!("cannot use {} as certificates to trust: {error}; expected a PEM file", path.display())
    };
    let pem = input::bytes(path, MOST_PEM).map_err(|error| wrong(&error))?;
    roots_in(&pem, path)
}

fn roots_in(pem: &[u8], path: &Path) -> Result<RootCertStore, String> {
    let wrong = |error: &dyn fmt::Display| {
        format!("cannot use {} as certificates to trust: {error}; expected a PEM file", path.display())
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(roots)
}

/// The name that a certificate has to be for.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(bare).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Takes every certificate; signatures are checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario names this file.
    #[test]
    fn certificates_in_a_file_without_an_end_are_refused() {
        let refused = roots_of(Path::new("/dev/zero")).unwrap_err();
        assert!(refused.contains("longer than"), "{refused}");
        assert!(roots_of(Path::new("/dev/null")).unwrap_err().contains("no certificate in it"));
    }
}
