//! What MIGRATE is asked to do.

use resp::Args;

use commands::errors::{NOT_INTEGER, SYNTAX};
use commands::number::parse_i64;

/// A second, when the client gave none that is one.
const DEFAULT_TIMEOUT_MS: u64 = 1000;
/// The longest that a connection is waited for.
const MAX_TIMEOUT_MS: u64 = 24 * 3600 * 1000;

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Request {
    pub host: String,
    pub port: u16,
    /// As the client wrote it: the target says whether it has such a database.
    pub db: i64,
    /// How long nothing may happen.
    pub timeout_ms: u64,
    pub copy: bool,
    pub replace: bool,
    /// User, if one was named, and password.
    pub auth: Option<(Option<Vec<u8>>, Vec<u8>)>,
    pub keys: Vec<Box<[u8]>>,
}

impl Request {
    /// Reads `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]`; the error is
    /// the reply.
    pub fn parse(args: Args<'_>) -> Result<Request, &'static str> {
        let (mut copy, mut replace, mut auth) = (false, false, None);
        let mut keys = vec![args.at(3).into()];
        let mut at = 6;
        while at < args.len() {
            let is = |name: &str| args.at(at).eq_ignore_ascii_case(name.as_bytes());
            let left = args.len() - at - 1;
            match () {
                () if is("COPY") => copy = true,
                () if is("REPLACE") => replace = true,
                () if is("AUTH") && left >= 1 => {
                    auth = Some((None, args.at(at + 1).to_vec()));
                    at += 1;
                }
                () if is("AUTH2") && left >= 2 => {
                    auth = Some((Some(args.at(at + 1).to_vec()), args.at(at + 2).to_vec()));
                    at += 2;
                }
                () if is("KEYS") => {
                    if !args.at(3).is_empty() {
                        return Err(
                            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                        );
                    }
                    keys = args.from(at + 1).iter().map(Into::into).collect();
                    break;
                }
                () => return Err(SYNTAX),
            }
            at += 1;
        }
        let timeout = parse_i64(args.at(5)).ok_or(NOT_INTEGER)?;
        let db = parse_i64(args.at(4)).ok_or(NOT_INTEGER)?;
        let port = parse_i64(args.at(2)).and_then(|port| u16::try_from(port).ok()).ok_or(NOT_INTEGER)?;
        let host = std::str::from_utf8(args.at(1)).map_err(|_| "ERR Invalid target host")?.to_owned();
        let timeout_ms = u64::try_from(timeout).ok().filter(|&ms| ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
        let timeout_ms = timeout_ms.min(MAX_TIMEOUT_MS);
        Ok(Request { host, port, db, timeout_ms, copy, replace, auth, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, &'static str> {
        let words: Vec<&[u8]> =
            text.split(' ').map(|word| if word == "''" { &b""[..] } else { word.as_bytes() }).collect();
        Request::parse(resp::OwnedArgs::from_slices(&words).as_args())
    }

    #[test]
    fn options_in_any_order() {
        let request = parse("MIGRATE h 6379 '' 3 -1 replace AUTH2 u keys COPY KEYS a keys b").unwrap();
        assert_eq!((&request.host[..], request.port, request.db), ("h", 6379, 3));
        assert_eq!(request.timeout_ms, 1000);
        assert!(request.copy && request.replace);
        assert_eq!(request.auth, Some((Some(b"u".to_vec()), b"keys".to_vec())));
        assert_eq!(request.keys, [b"a"[..].into(), b"keys"[..].into(), b"b"[..].into()]);
        let request = parse("MIGRATE h 1 k 0 5 AUTH p").unwrap();
        assert_eq!(request.keys, [b"k"[..].into()]);
        assert_eq!((request.auth, request.timeout_ms), (Some((None, b"p".to_vec())), 5));
    }

    #[test]
    fn what_makes_no_sense() {
        for (text, error) in [
            ("MIGRATE h 1 k x 5", NOT_INTEGER),
            ("MIGRATE h 1 k 0 x", NOT_INTEGER),
            ("MIGRATE h 70000 k 0 5", NOT_INTEGER),
            ("MIGRATE h 1 k 0 5 AUTH", SYNTAX),
            ("MIGRATE h 1 k 0 5 AUTH2 u", SYNTAX),
            ("MIGRATE h 1 k 0 5 NOW", SYNTAX),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        assert!(parse("MIGRATE h 1 k 0 5 KEYS a").unwrap_err().contains("empty string"));
    }
}
