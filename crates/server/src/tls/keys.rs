//! Certificates and keys from PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: &dyn std::fmt::Display| TlsError::file("certificate", path, error);
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?.collect();
    match found {
        Ok(found) if found.is_empty() => Err(failed(&"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(failed(&error)),
    }
}

/// The private key of a file, decrypted if it has a pass phrase.
pub(super) fn private_key(path: &str, pass: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |error: &dyn std::fmt::Display| TlsError::file("private key", path, error);
    let text = std::fs::read_to_string(path).map_err(|error| failed(&crate::files::reason(&error)))?;
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(failed(
            &"it is encrypted in the old form of OpenSSL; `openssl pkcs8 -topk8` writes the one that can be read",
        ));
    }
    if !text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| failed(&error));
    }
    let Some(pass) = pass else { return Err(failed(&"it is encrypted, and no pass phrase is configured")) };
    let (_, document) = pkcs8::SecretDocument::from_pem(&text).map_err(|error| failed(&error))?;
    let encrypted =
        pkcs8::EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| failed(&error))?;
    let key = encrypted.decrypt(pass).map_err(|error| failed(&error))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// Everybody whose word is taken: the certificates of `tls-ca-cert-file` and of the files in `tls-ca-cert-dir`.
pub(super) fn authorities(file: Option<&str>, dir: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut add = |path: &str| -> Result<(), TlsError> {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::file("certificate", path, &error))?;
        }
        Ok(())
    };
    if let Some(file) = file {
        add(file)?;
    }
    if let Some(dir) = dir {
        let failed = |error: std::io::Error| TlsError::file("directory", dir, &crate::files::reason(&error));
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // Beside certificates there may be anything: what is none is passed over, as OpenSSL does it.
            if path.is_file()
                && let Some(text) = path.to_str()
                && let Err(error) = add(text)
            {
                tracing::debug!("{error}");
            }
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    Ok(roots)
}

/// The name that a client's certificate gives its owner, if the operator wants users by certificate.
pub(super) fn user_of(certificate: &CertificateDer<'_>, field: config::TlsUser) -> Option<String> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match field {
        config::TlsUser::Off => None,
        config::TlsUser::CommonName => {
            let name = certificate.subject().iter_common_name().next()?;
            Some(name.as_str().ok()?.to_owned())
        }
        config::TlsUser::Uri => {
            let names = certificate.subject_alternative_name().ok()??;
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            })
        }
    }
}

/// Whether a file has changed is told by these.
pub(super) fn stamp(path: &Path) -> Option<(std::time::SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
