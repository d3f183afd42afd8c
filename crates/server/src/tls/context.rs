//! From settings and files to what a handshake needs.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use config::{Settings, TlsAuthClients, TlsUser};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig};

use super::trust::SignedByAuthority;
use super::{ciphers, keys};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("Failed to load {what} {path}: {error}")]
    File { what: &'static str, path: String, error: String },
    #[error("{0} must be configured when TLS is enabled")]
    Missing(&'static str),
    #[error(
        "Either tls-ca-cert-file or tls-ca-cert-dir must name a certificate when tls-replication or tls-auth-clients are enabled"
    )]
    NoAuthority,
    #[error("tls-ciphers and tls-ciphersuites leave none of the supported cipher suites")]
    NoCiphers,
    #[error("Invalid tls-protocols: {0}")]
    Protocol(String),
    #[error("tls-protocols leaves only versions that are not supported: TLSv1.2 or TLSv1.3 is needed")]
    OldProtocols,
    #[error("{0}")]
    Other(String),
}

impl TlsError {
    pub(super) fn file(what: &'static str, path: &str, error: &dyn std::fmt::Display) -> TlsError {
        TlsError::File { what, path: path.to_owned(), error: error.to_string() }
    }
}

/// Everything that the connections of now on are made with.
#[derive(Debug)]
pub(crate) struct Context {
    pub server: Arc<ServerConfig>,
    /// For connections to a master; there is none where no authority is known.
    pub client: Option<Arc<ClientConfig>>,
    /// Where the name of a client's user stands in its certificate.
    pub user: TlsUser,
    /// The files that all of it comes from, as they were.
    files: Vec<(String, Option<(SystemTime, u64)>)>,
}

/// Whether this directive is about TLS, other than where to listen.
pub(crate) fn is_concerned(name: &str) -> bool {
    name.starts_with("tls-") && name != "tls-port"
}

impl Context {
    /// Whether these settings need TLS at all.
    pub fn is_needed(settings: &Settings) -> bool {
        settings.tls_port != 0 || settings.tls_replication
    }

    /// Reads the files and puts it together, which is nothing for the engine thread once that serves clients.
    pub fn load(settings: &Settings) -> Result<Context, TlsError> {
        let certificate_file = settings.tls_cert_file.as_deref().ok_or(TlsError::Missing("tls-cert-file"))?;
        let key_file = settings.tls_key_file.as_deref().ok_or(TlsError::Missing("tls-key-file"))?;
        let mut files = vec![certificate_file.to_owned(), key_file.to_owned()];
        let chain = keys::certificates(certificate_file)?;
        let key = keys::private_key(key_file, settings.tls_key_file_pass.as_deref())?;

        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites =
            ciphers::suites(settings.tls_ciphers.as_deref(), settings.tls_ciphersuites.as_deref())?;
        let provider = Arc::new(provider);

        let authority =
            keys::authorities(settings.tls_ca_cert_file.as_deref(), settings.tls_ca_cert_dir.as_deref());
        files.extend(settings.tls_ca_cert_file.clone());
        let roots = match authority {
            Ok(roots) => Some(roots),
            Err(TlsError::NoAuthority)
                if settings.tls_auth_clients == TlsAuthClients::No && !settings.tls_replication =>
            {
                None
            }
            Err(error) => return Err(error),
        };

        let server = server(settings, &provider, roots.clone(), chain.clone(), key.clone_key())?;
        let client = match roots {
            Some(roots) => {
                let (chain, key) = match (&settings.tls_client_cert_file, &settings.tls_client_key_file) {
                    (Some(certificate), Some(key)) => {
                        files.extend([certificate.clone(), key.clone()]);
                        let pass = settings.tls_client_key_file_pass.as_deref();
                        (keys::certificates(certificate)?, keys::private_key(key, pass)?)
                    }
                    (None, None) => (chain, key),
                    (Some(_), None) => return Err(TlsError::Missing("tls-client-key-file")),
                    (None, Some(_)) => return Err(TlsError::Missing("tls-client-cert-file")),
                };
                let trust =
                    SignedByAuthority { roots, algorithms: provider.signature_verification_algorithms };
                let config = ClientConfig::builder_with_provider(provider.clone())
                    .with_protocol_versions(&ciphers::versions(settings.tls_protocols.as_deref())?)
                    .map_err(other)?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(trust))
                    .with_client_auth_cert(chain, key)
                    .map_err(other)?;
                Some(Arc::new(config))
            }
            None => None,
        };
        let files = files.into_iter().map(|path| (path.clone(), keys::stamp(Path::new(&path)))).collect();
        Ok(Context { server: Arc::new(server), client, user: settings.tls_auth_clients_user, files })
    }

    /// Whether a file has become another since it was read.
    pub fn is_outdated(&self) -> bool {
        self.files.iter().any(|(path, stamp)| keys::stamp(Path::new(path)) != *stamp)
    }

    /// The user that a client's certificate names.
    pub fn user_of(&self, chain: Option<&[rustls::pki_types::CertificateDer<'static>]>) -> Option<String> {
        keys::user_of(chain?.first()?, self.user)
    }
}

fn server(
    settings: &Settings,
    provider: &Arc<CryptoProvider>,
    roots: Option<rustls::RootCertStore>,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&ciphers::versions(settings.tls_protocols.as_deref())?)
        .map_err(other)?;
    let builder = match (settings.tls_auth_clients, roots) {
        (TlsAuthClients::No, _) | (_, None) => builder.with_no_client_auth(),
        (wanted, Some(roots)) => {
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            if wanted == TlsAuthClients::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(verifier.build().map_err(other)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(other)?;
    config.ignore_client_order = settings.tls_prefer_server_ciphers;
    if settings.tls_session_caching && settings.tls_session_cache_size > 0 {
        config.session_storage = ServerSessionMemoryCache::new(settings.tls_session_cache_size as usize);
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn other(error: impl std::fmt::Display) -> TlsError {
    TlsError::Other(error.to_string())
}
