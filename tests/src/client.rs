//! A small blocking client. Every wait has a deadline, and what goes over the wire is in the test's hands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use resp::{OwnedReply, ReplyLimits, ReplyParser, Value};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    parser: ReplyParser,
}

impl Client {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn try_connect(port: u16) -> io::Result<Client> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, parser: ReplyParser::new(ReplyLimits::default()) })
    }

    /// Connects to a port of this machine.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[must_use]
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).unwrap_or_else(|error| panic!("connecting to port {port}: {error}"))
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// If the server does not take them.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Writes a request without waiting for its answer.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let mut bytes = Vec::new();
        resp::encode_request(&mut bytes, &args);
        self.send_raw(&bytes).unwrap_or_else(|error| panic!("sending {}: {error}", printable(&args)));
    }

    /// Reads the next reply.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the server has closed the connection, `InvalidData` for what is no reply, else what the socket says.
    pub fn try_receive(&mut self) -> io::Result<OwnedReply> {
        let mut buf = [0; 16 * 1024];
        loop {
            match self.parser.next() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            match self.stream.read(&mut buf)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.parser.feed(&buf[..n]),
            }
        }
    }

    /// Reads the next reply.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn receive(&mut self) -> OwnedReply {
        self.try_receive().unwrap_or_else(|error| panic!("waiting for a reply: {error}"))
    }

    /// Sends a request and reads its reply.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> OwnedReply {
        self.send(args);
        self.try_receive()
            .unwrap_or_else(|error| panic!("waiting for the reply to {}: {error}", printable(args)))
    }

    /// Runs one line as somebody would type it, and answers the reply as [`show`] shows it.
    ///
    /// # Panics
    ///
    /// If there is no reply, or the line's quotes are not balanced.
    pub fn run(&mut self, line: &str) -> String {
        let args = resp::split_inline(line.as_bytes()).expect("balanced quotes");
        show(&self.call(&args))
    }

    /// A section of INFO, by field.
    ///
    /// # Panics
    ///
    /// If there is no reply.
    pub fn info(&mut self, section: &str) -> BTreeMap<String, String> {
        let reply = self.call(&["INFO", section]);
        let text = String::from_utf8_lossy(reply.as_bytes().unwrap_or_else(|| panic!("INFO: {reply:?}")));
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// Reads bytes as they come until `enough` says so.
    ///
    /// # Errors
    ///
    /// If the connection ends before, or nothing comes.
    pub fn read_raw_until(&mut self, mut enough: impl FnMut(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut buf = [0; 16 * 1024];
        while !enough(&bytes) {
            match self.stream.read(&mut buf)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => bytes.extend_from_slice(&buf[..n]),
            }
        }
        Ok(bytes)
    }

    /// Everything that comes until the server closes the connection.
    ///
    /// # Panics
    ///
    /// If it does not close it.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            // The server closed while bytes of ours were on their way.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => bytes,
            Err(error) => {
                panic!("the server keeps the connection open: {error}, after {}", show_bytes(&bytes))
            }
        }
    }

    /// Sends nothing more; what the server still answers can be read.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

fn printable<A: AsRef<[u8]>>(args: &[A]) -> String {
    args.iter().map(|arg| show_bytes(arg.as_ref())).collect::<Vec<_>>().join(" ")
}

fn show_bytes(bytes: &[u8]) -> String {
    let (start, more) = bytes.split_at(bytes.len().min(200));
    format!("{}{}", start.escape_ascii(), if more.is_empty() { "" } else { "…" })
}

/// A reply as text that is short enough for an assertion: strings as they are, errors behind `-`, numbers plain, nulls as
/// `nil`, arrays in brackets, maps in braces.
#[must_use]
pub fn show(reply: &OwnedReply) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = |items: &[OwnedReply]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match reply {
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::BigNumber(bytes) => text(bytes),
        Value::Error(bytes) | Value::BulkError(bytes) => format!("-{}", text(bytes)),
        Value::Int(n) => n.to_string(),
        Value::Null | Value::NullArray => "nil".to_owned(),
        Value::Array(items) => format!("[{}]", list(items)),
        Value::Set(items) => format!("~[{}]", list(items)),
        Value::Push(items) => format!(">[{}]", list(items)),
        Value::Map(pairs) => {
            let mut out = String::from("{");
            for (key, value) in pairs {
                let gap = if out.len() > 1 { " " } else { "" };
                let _ = write!(out, "{gap}{}:{}", show(key), show(value));
            }
            out + "}"
        }
        Value::Double(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Verbatim { text: bytes, .. } => text(bytes),
        Value::Attribute(attributed) => show(&attributed.reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_shown_shortly() {
        let reply = Value::Array(vec![
            Value::Bulk("a b".into()),
            Value::Int(-1),
            Value::Null,
            Value::Error("ERR no".into()),
            Value::Map(vec![
                (Value::Simple("k".into()), Value::Boolean(true)),
                (Value::Int(1), Value::NullArray),
            ]),
        ]);
        assert_eq!(show(&reply), "[a b -1 nil -ERR no {k:true 1:nil}]");
    }
}
