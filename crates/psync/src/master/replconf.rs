//! What replicas say with REPLCONF.

use backlog::MAX_ANCESTORS;

use crate::Offset;
use crate::replica::Resume;
use crate::wire::parse_signed;

/// A host name or address that a replica announces may be so long.
pub(super) const MAX_ADDRESS: usize = 255;

/// Which part of the data a replica wants in its payload. Replicas with different wishes cannot share a
/// snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SnapshotFilter {
    /// Everything.
    #[default]
    Everything,
    /// Functions only (`rdb-filter-only functions`).
    FunctionsOnly,
    /// Not even those (`rdb-filter-only ""`): a payload without contents.
    Nothing,
}

/// What is to be done about a REPLCONF that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replconf {
    /// Answer `+OK`.
    Ok,
    /// An acknowledgement: no answer. `starts_stream` says that the replica is online from now on, so that
    /// the stream that was held back has to begin.
    Ack {
        /// Whether this was what the stream waited for.
        starts_stream: bool,
    },
    /// The replica wants to know which of these names of what it holds can be continued, in the order of its preference:
    /// answer with [`lineage_line`](super::lineage_line).
    Lineage(Vec<Resume>),
    /// The stream that this connection will ask for belongs to the payload that the client of this number gets. Answer `+OK` if
    /// [`Channels::expects`](super::Channels::expects) it, an error if not.
    RdbClient(u64),
    /// Our own master asks for an acknowledgement: no answer but that, and none at all if it is not our
    /// master.
    GetAck,
}

/// A REPLCONF that is refused. `Display` is the text after `-ERR `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplconfError {
    /// Options come in pairs.
    #[error("syntax error")]
    Syntax,
    /// A number that is none, or too large or small.
    #[error("value is not an integer or out of range")]
    NotANumber,
    /// An announced address that is too long.
    #[error("REPLCONF ip-address provided by replica instance is too long: {len} bytes")]
    AddressTooLong {
        /// Its length.
        len: usize,
    },
    /// An announced address or version with control characters or bytes that are no text.
    #[error("REPLCONF {option} is not printable text")]
    NotText {
        /// Which option.
        option: &'static str,
    },
    /// A part of the data that cannot be asked for.
    #[error("Unsupported rdb-filter-only option: {name}")]
    UnknownFilter {
        /// Its name, shortened.
        name: String,
    },
    /// A list of names that is none, or too long.
    #[error("REPLCONF lineage wants up to {max} items of the form id:offset, separated by commas", max = MAX_ANCESTORS + 1)]
    NoLineage,
    /// An option that is not known.
    #[error("Unrecognized REPLCONF option: {name}")]
    UnknownOption {
        /// Its name, shortened.
        name: String,
    },
}

/// One pair of words, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Setting {
    ListeningPort(u16),
    IpAddress(String),
    Capability(Vec<u8>),
    Version(String),
    RdbOnly(bool),
    Filter(SnapshotFilter),
    Ack(Option<Offset>),
    FileAck(Option<Offset>),
    Received(Option<Offset>),
    GetAck,
    Lineage(Vec<Resume>),
    /// This connection is for the payload; the stream goes over another one.
    RdbChannel(bool),
    /// The client whose stream it is.
    MainClient(u64),
    /// The client that gets the payload.
    RdbClient(u64),
}

impl Setting {
    pub(super) fn parse(option: &[u8], value: &[u8]) -> Result<Setting, ReplconfError> {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        if is("ack") {
            return parse_position(value).map(Setting::Ack);
        }
        if is("fack") {
            return parse_position(value).map(Setting::FileAck);
        }
        if is("received") {
            return parse_position(value).map(Setting::Received);
        }
        if is("getack") {
            return Ok(Setting::GetAck);
        }
        if is("capa") {
            return Ok(Setting::Capability(value.to_vec()));
        }
        if is("listening-port") {
            let port = parse_signed(value).and_then(|port| u16::try_from(port).ok());
            return port.map(Setting::ListeningPort).ok_or(ReplconfError::NotANumber);
        }
        if is("ip-address") {
            if value.len() > MAX_ADDRESS {
                return Err(ReplconfError::AddressTooLong { len: value.len() });
            }
            return text(value, "ip-address").map(Setting::IpAddress);
        }
        if is("version") {
            return text(value, "version").map(Setting::Version);
        }
        if is("rdb-only") {
            return parse_flag(value).map(Setting::RdbOnly);
        }
        if is("rdb-channel") {
            return parse_flag(value).map(Setting::RdbChannel);
        }
        if is("main-ch-client-id") {
            return parse_client(value).map(Setting::MainClient);
        }
        if is("set-rdb-client-id") {
            return parse_client(value).map(Setting::RdbClient);
        }
        if is("rdb-filter-only") {
            return parse_filter(value).map(Setting::Filter);
        }
        if is("lineage") {
            return parse_lineage(value).map(Setting::Lineage);
        }
        Err(ReplconfError::UnknownOption { name: shorten(option) })
    }
}

/// A replica that does not know yet where it stands may acknowledge a negative position, which says nothing.
fn parse_position(value: &[u8]) -> Result<Option<Offset>, ReplconfError> {
    let position = parse_signed(value).ok_or(ReplconfError::NotANumber)?;
    Ok(u64::try_from(position).ok().map(Offset))
}

fn parse_flag(value: &[u8]) -> Result<bool, ReplconfError> {
    match value {
        b"0" => Ok(false),
        b"1" => Ok(true),
        _ => Err(ReplconfError::NotANumber),
    }
}

fn parse_client(value: &[u8]) -> Result<u64, ReplconfError> {
    parse_signed(value).and_then(|id| u64::try_from(id).ok()).ok_or(ReplconfError::NotANumber)
}

fn parse_filter(value: &[u8]) -> Result<SnapshotFilter, ReplconfError> {
    let mut filter = SnapshotFilter::Nothing;
    for name in value.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()) {
        if !name.eq_ignore_ascii_case(b"functions") {
            return Err(ReplconfError::UnknownFilter { name: shorten(name) });
        }
        filter = SnapshotFilter::FunctionsOnly;
    }
    Ok(filter)
}

fn parse_lineage(value: &[u8]) -> Result<Vec<Resume>, ReplconfError> {
    let text = std::str::from_utf8(value).map_err(|_| ReplconfError::NoLineage)?;
    let mut names = Vec::new();
    for item in text.split(',') {
        if names.len() > MAX_ANCESTORS {
            return Err(ReplconfError::NoLineage);
        }
        names.push(item.parse().map_err(|_| ReplconfError::NoLineage)?);
    }
    Ok(names)
}

fn text(value: &[u8], option: &'static str) -> Result<String, ReplconfError> {
    let printable = value.len() <= MAX_ADDRESS && value.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(value) {
        Ok(text) if printable => Ok(text.to_owned()),
        _ => Err(ReplconfError::NotText { option }),
    }
}

fn shorten(name: &[u8]) -> String {
    crate::wire::excerpt(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(option: &str, value: &str) -> Result<Setting, String> {
        Setting::parse(option.as_bytes(), value.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_understood() {
        assert_eq!(check("listening-port", "6380"), Ok(Setting::ListeningPort(6380)));
        assert_eq!(check("LISTENING-PORT", "0"), Ok(Setting::ListeningPort(0)));
        assert_eq!(check("ip-address", "10.0.0.1"), Ok(Setting::IpAddress("10.0.0.1".into())));
        assert_eq!(check("capa", "eof"), Ok(Setting::Capability(b"eof".to_vec())));
        assert_eq!(check("version", "9.1.2"), Ok(Setting::Version("9.1.2".into())));
        assert_eq!(check("rdb-only", "1"), Ok(Setting::RdbOnly(true)));
        assert_eq!(check("rdb-filter-only", ""), Ok(Setting::Filter(SnapshotFilter::Nothing)));
        assert_eq!(check("rdb-filter-only", "functions"), Ok(Setting::Filter(SnapshotFilter::FunctionsOnly)));
        assert_eq!(check("ack", "12"), Ok(Setting::Ack(Some(Offset(12)))));
        assert_eq!(check("ack", "-1"), Ok(Setting::Ack(None)));
        assert_eq!(check("fack", "3"), Ok(Setting::FileAck(Some(Offset(3)))));
        assert_eq!(check("getack", "*"), Ok(Setting::GetAck));
        let names =
            ["a", "b"].map(|c| Resume { id: c.repeat(40).parse().expect("an id"), applied: Offset(7) });
        let list = format!("{},{}", names[0], names[1]);
        assert_eq!(check("lineage", &list), Ok(Setting::Lineage(names.to_vec())));
        let longest = vec![names[0].to_string(); MAX_ANCESTORS + 1].join(",");
        assert!(check("lineage", &longest).is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        let number = "value is not an integer or out of range";
        for (option, value) in [
            ("listening-port", "65536"),
            ("listening-port", "-1"),
            ("listening-port", "x"),
            ("rdb-only", "2"),
            ("ack", "x"),
            ("ack", "9223372036854775808"),
            ("fack", ""),
        ] {
            assert_eq!(check(option, value), Err(number.into()), "{option} {value}");
        }
        assert_eq!(check("uuid", "x"), Err("Unrecognized REPLCONF option: uuid".into()));
        assert_eq!(check("rdb-filter-only", "keys"), Err("Unsupported rdb-filter-only option: keys".into()));
        assert_eq!(check("ip-address", "a b"), Err("REPLCONF ip-address is not printable text".into()));
        assert_eq!(
            check("ip-address", &"a".repeat(256)),
            Err("REPLCONF ip-address provided by replica instance is too long: 256 bytes".into())
        );
        let longest = vec!["a".repeat(40) + ":1"; MAX_ANCESTORS + 2].join(",");
        for value in ["", ",", "a:1", &longest] {
            let error = check("lineage", value).unwrap_err();
            assert!(error.starts_with("REPLCONF lineage wants up to 17 items"), "{error}");
        }
        let long = check("x\r\n", "").unwrap_err() + &check(&"x".repeat(100_000), "").unwrap_err();
        assert!(long.len() < 400 && !long.contains('\n'), "{long}");
    }
}
