//! Cipher suites and protocol versions by the names that OpenSSL gives them, which are those of redis.conf.

use rustls::crypto::ring::cipher_suite as suite;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::TlsError;

/// Suites of TLS 1.2 in our order of preference.
const TLS12: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Suites of TLS 1.3.
const TLS13: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Words of a cipher list that stand for more than one suite, and take in all that there is here: nothing weak is.
const CLASSES: [&str; 7] = ["ALL", "DEFAULT", "HIGH", "COMPLEMENTOFDEFAULT", "ECDHE", "EECDH", "TLSv1.2"];

/// The suites of `tls-ciphers` (TLS 1.2) and `tls-ciphersuites` (TLS 1.3); what is not set is all.
pub(super) fn suites(
    tls12: Option<&str>,
    tls13: Option<&str>,
) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut suites = match tls13 {
        Some(list) => named(list, &TLS13),
        None => all(&TLS13),
    };
    suites.extend(match tls12 {
        Some(list) => named(list, &TLS12),
        None => all(&TLS12),
    });
    if suites.is_empty() { Err(TlsError::NoCiphers) } else { Ok(suites) }
}

fn all(table: &[(&str, SupportedCipherSuite)]) -> Vec<SupportedCipherSuite> {
    table.iter().map(|&(_, suite)| suite).collect()
}

/// What a list in OpenSSL's form selects from a table. Names that are not known here are passed over, as OpenSSL does it.
fn named(list: &str, table: &[(&str, SupportedCipherSuite)]) -> Vec<SupportedCipherSuite> {
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for word in list.split([':', ',', ' ', ';']).filter(|word| !word.is_empty()) {
        if let Some(name) = word.strip_prefix(['!', '-']) {
            if let Some((_, removed)) = table.iter().find(|(known, _)| *known == name) {
                chosen.retain(|suite| suite != removed);
            }
            continue;
        }
        // `+NAME` moves to the end, `@STRENGTH` sorts: the order here is good as it is.
        let class = CLASSES.contains(&word);
        for (name, suite) in table {
            if (class || *name == word) && !chosen.contains(suite) {
                chosen.push(*suite);
            }
        }
    }
    chosen
}

/// The versions of `tls-protocols`; what is not set is all.
pub(super) fn versions(list: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let Some(list) = list else { return Ok(vec![&rustls::version::TLS13, &rustls::version::TLS12]) };
    let mut versions = Vec::new();
    for word in list.split_ascii_whitespace() {
        let version = match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => &rustls::version::TLS13,
            "tlsv1.2" => &rustls::version::TLS12,
            // Long broken, and not spoken here: whoever lists them beside others gets the others.
            "tlsv1" | "tlsv1.1" => continue,
            _ => return Err(TlsError::Protocol(word.to_owned())),
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    if versions.is_empty() { Err(TlsError::OldProtocols) } else { Ok(versions) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_openssl() {
        let count = |tls12, tls13| suites(tls12, tls13).map(|suites| suites.len()).ok();
        assert_eq!(count(None, None), Some(9));
        assert_eq!(count(Some("DEFAULT:!MEDIUM"), None), Some(9));
        assert_eq!(count(Some("ECDHE-RSA-AES128-GCM-SHA256"), Some("TLS_AES_128_GCM_SHA256")), Some(2));
        assert_eq!(count(Some("HIGH:!ECDHE-RSA-AES128-GCM-SHA256"), Some("")), Some(5));
        assert_eq!(count(Some("AES128-SHA:ECDHE-ECDSA-CHACHA20-POLY1305"), Some("NONE")), Some(1));
        assert_eq!(count(Some("RC4"), Some("NONE")), None);
    }

    #[test]
    fn protocols() {
        let count = |list| versions(list).map(|versions| versions.len()).map_err(|error| error.to_string());
        assert_eq!(count(None), Ok(2));
        assert_eq!(count(Some("TLSv1.2 TLSv1.3")), Ok(2));
        assert_eq!(count(Some("TLSv1.1 tlsv1.3")), Ok(1));
        assert!(count(Some("TLSv1 TLSv1.1")).is_err());
        assert!(count(Some("SSLv3")).is_err());
    }
}
