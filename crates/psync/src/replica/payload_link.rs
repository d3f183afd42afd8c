//! The second connection of a full synchronisation, for the payload alone.
//!
//! ```text
//!  replica                                                              master
//!  [AUTH]                                                           ──▶
//!  REPLCONF capa eof rdb-only 1 rdb-channel 1 listening-port … …    ──▶
//!                                                                   ◀── +OK
//!  SYNC                    | PSYNC ? -1                             ──▶
//!                                                                   ◀── newlines, until the snapshot begins
//!                                                                   ◀── $ENDOFF:offset id db client | +FULLRESYNC id offset
//!                                                                   ◀── the payload, as ever
//! ```
//!
//! The left form is Valkey's, the right one is Redis's, whose REPLCONF also names the main connection (`main-ch-client-id`). Here no
//! refusal is borne: without this connection there is no synchronisation.

use super::event::{Event, PayloadRequest};
use super::line::LineReader;
use super::outbox::Outbox;
use super::payload::Payload;
use super::{LinkConfig, LinkError, PayloadBytes};
use crate::wire::{excerpt, parse_number, parse_signed};
use crate::{Offset, ReplicationId};

/// What comes over the connection, in this order; any number of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadLinkEvent<'b> {
    /// Where the payload stands that follows.
    Position {
        /// The master's history.
        id: ReplicationId,
        /// The position in it.
        offset: Offset,
        /// The database that is selected in the stream there, as far as the master says so.
        db: Option<usize>,
        /// The master's number for this connection, if the main one has to name it: [`Link::attach`](super::Link::attach).
        client: Option<u64>,
    },
    /// The payload begins; its length, if the master knew it.
    Start(Option<u64>),
    /// A piece of it.
    Piece(PayloadBytes<'b>),
    /// It is complete: the connection is to be closed.
    End,
}

/// The connection for a payload.
#[derive(Debug)]
pub struct PayloadLink {
    config: LinkConfig,
    request: PayloadRequest,
    stage: Stage,
    out: Outbox,
    heard_at: u64,
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Auth(LineReader),
    Introduced(LineReader),
    AwaitPosition(LineReader),
    AwaitPayload(LineReader),
    Payload(Payload),
    Done,
    Failed,
}

impl PayloadLink {
    /// For a connection that is being made from now on, to the same master as the main one. Of the configuration the address, the port,
    /// the password, the version and the time limit count.
    pub fn new(config: LinkConfig, request: PayloadRequest, now_ms: u64) -> PayloadLink {
        PayloadLink { config, request, stage: Stage::Connecting, out: Outbox::default(), heard_at: now_ms }
    }

    /// The connection stands.
    pub fn connected(&mut self, now_ms: u64) -> Result<(), LinkError> {
        if !matches!(self.stage, Stage::Connecting) {
            return Err(self.unexpected("connected() once", b""));
        }
        self.heard_at = now_ms;
        self.stage = match &self.config.auth {
            Some(auth) => {
                match &auth.user {
                    Some(user) => self.out.request(&[b"AUTH", user.as_bytes(), auth.password.as_bytes()]),
                    None => self.out.request(&[b"AUTH", auth.password.as_bytes()]),
                }
                Stage::Auth(LineReader::default())
            }
            None => {
                self.introduce();
                Stage::Introduced(LineReader::default())
            }
        };
        Ok(())
    }

    fn introduce(&mut self) {
        let port = self.config.listening_port.to_string();
        let main_client = match self.request {
            PayloadRequest::Redis { main_client } => Some(main_client.to_string()),
            PayloadRequest::Valkey => None,
        };
        let mut words: Vec<&[u8]> =
            vec![b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1", b"rdb-channel", b"1"];
        if let Some(client) = &main_client {
            words.extend_from_slice(&[b"main-ch-client-id", client.as_bytes()]);
        }
        if let Some(ip) = &self.config.announce_ip {
            words.extend_from_slice(&[b"ip-address", ip.as_bytes()]);
        }
        words.extend_from_slice(&[b"listening-port", port.as_bytes()]);
        // A Redis does not know the option, and would refuse all of them.
        if let (Some(version), PayloadRequest::Valkey) = (&self.config.version, self.request) {
            words.extend_from_slice(&[b"version", version.as_bytes()]);
        }
        self.out.request(&words);
    }

    /// Takes bytes from the front of `input` and says what they mean. To be called until it returns `None`.
    pub fn step<'b>(
        &mut self,
        now_ms: u64,
        input: &mut &'b [u8],
    ) -> Result<Option<PayloadLinkEvent<'b>>, LinkError> {
        if !input.is_empty() {
            self.heard_at = self.heard_at.max(now_ms);
        }
        let result = self.advance(input);
        if result.is_err() {
            self.stage = Stage::Failed;
        }
        result
    }

    fn advance<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<PayloadLinkEvent<'b>>, LinkError> {
        loop {
            let expected = self.waiting_for();
            match &mut self.stage {
                Stage::Auth(lines) => {
                    let Some(line) = lines.next(input, expected)? else { return Ok(None) };
                    if !line.starts_with(b"+") {
                        return Err(LinkError::Denied { request: "AUTH", reply: excerpt(&line) });
                    }
                    self.introduce();
                    self.stage = Stage::Introduced(LineReader::default());
                }
                Stage::Introduced(lines) => {
                    let Some(line) = lines.next(input, expected)? else { return Ok(None) };
                    if !line.starts_with(b"+") {
                        return Err(LinkError::Denied { request: "REPLCONF", reply: excerpt(&line) });
                    }
                    match self.request {
                        PayloadRequest::Redis { .. } => self.out.request(&[b"PSYNC", b"?", b"-1"]),
                        PayloadRequest::Valkey => self.out.request(&[b"SYNC"]),
                    }
                    self.stage = Stage::AwaitPosition(LineReader::default());
                }
                Stage::AwaitPosition(lines) => {
                    let Some(line) = lines.next(input, expected)? else { return Ok(None) };
                    let position = self.position(&line)?;
                    self.stage = Stage::AwaitPayload(LineReader::default());
                    return Ok(Some(position));
                }
                Stage::AwaitPayload(lines) => {
                    let Some(header) = lines.next(input, expected)? else { return Ok(None) };
                    let payload = Payload::from_header(&header)?;
                    let len = payload.len();
                    self.stage = Stage::Payload(payload);
                    return Ok(Some(PayloadLinkEvent::Start(len)));
                }
                Stage::Payload(payload) => {
                    return Ok(match payload.step(input) {
                        Some(Event::Payload(bytes)) => Some(PayloadLinkEvent::Piece(bytes)),
                        Some(_) => {
                            self.stage = Stage::Done;
                            Some(PayloadLinkEvent::End)
                        }
                        None => None,
                    });
                }
                Stage::Done => {
                    // Nothing of what a master may say after the payload matters.
                    *input = &[];
                    return Ok(None);
                }
                Stage::Connecting | Stage::Failed if input.is_empty() => return Ok(None),
                Stage::Connecting | Stage::Failed => return Err(self.unexpected("nothing", input)),
            }
        }
    }

    fn position(&self, line: &[u8]) -> Result<PayloadLinkEvent<'static>, LinkError> {
        if line.starts_with(b"-") {
            return Err(LinkError::SyncAborted { reply: excerpt(line) });
        }
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
        let id = |word: &[u8]| ReplicationId::from_bytes(word).ok();
        let offset = |word: &[u8]| parse_number(word).map(Offset);
        let position = match (self.request, &words[..]) {
            (PayloadRequest::Redis { .. }, [b"+FULLRESYNC", name, at]) => {
                id(name).zip(offset(at)).map(|(id, offset)| (id, offset, None, None))
            }
            (PayloadRequest::Valkey, [first, name, db, client]) => {
                let at = first.strip_prefix(b"$ENDOFF:").and_then(offset);
                let db = parse_signed(db).map(|db| usize::try_from(db).ok());
                match (id(name), at, db, parse_number(client)) {
                    (Some(id), Some(offset), Some(db), Some(client)) => Some((id, offset, db, Some(client))),
                    _ => None,
                }
            }
            _ => None,
        };
        match position {
            Some((id, offset, db, client)) => Ok(PayloadLinkEvent::Position { id, offset, db, client }),
            None => Err(self.unexpected("the position of the payload", line)),
        }
    }

    /// Bytes to send.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.out.pending()
    }

    /// The first `len` bytes of [`PayloadLink::transmit`] have been handed to the connection.
    ///
    /// # Panics
    ///
    /// If there were fewer.
    pub fn transmitted(&mut self, len: usize) {
        self.out.sent(len);
    }

    /// Time has passed: a silent master is given up. It says something each second until the payload begins.
    pub fn tick(&mut self, now_ms: u64, timeout_ms: u64) -> Result<(), LinkError> {
        let after_ms = now_ms.saturating_sub(self.heard_at);
        if self.is_done() || matches!(self.stage, Stage::Failed) || after_ms < timeout_ms {
            return Ok(());
        }
        let waiting_for = self.waiting_for();
        self.stage = Stage::Failed;
        Err(LinkError::Timeout { after_ms, waiting_for })
    }

    /// The silence up to now is not the master's: the caller did not read.
    pub fn excuse_silence(&mut self, now_ms: u64) {
        self.heard_at = self.heard_at.max(now_ms);
    }

    /// Whether the payload is complete.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// For how long nothing has come.
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_at)
    }

    /// What the connection is waiting for, in words.
    pub fn waiting_for(&self) -> &'static str {
        match &self.stage {
            Stage::Connecting => "the connection for the payload",
            Stage::Auth(_) => "the reply to AUTH on the connection for the payload",
            Stage::Introduced(_) => "the reply to REPLCONF on the connection for the payload",
            Stage::AwaitPosition(_) => "the position of the payload",
            Stage::AwaitPayload(_) => "the payload",
            Stage::Payload(_) => "the rest of the payload",
            Stage::Done | Stage::Failed => "nothing",
        }
    }

    fn unexpected(&self, expected: &'static str, got: &[u8]) -> LinkError {
        LinkError::Unexpected { expected, got: excerpt(got) }
    }
}

#[cfg(test)]
mod tests;
