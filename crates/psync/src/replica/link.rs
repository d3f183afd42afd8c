//! One link to a master, from the connection to the stream.

use super::event::Event;
use super::handshake::{Agreement, Handshake};
use super::line::LineReader;
use super::outbox::Outbox;
use super::payload::Payload;
use super::{LinkConfig, LinkError, PayloadRequest, Resume};
use crate::Offset;
use crate::wire::{byte_wanted, excerpt};

/// An acknowledgement, or while loading a newline, goes out so often.
const ACK_PERIOD_MS: u64 = 1000;

/// The request for the stream that belongs to a payload on another connection.
#[derive(Debug)]
struct Attach {
    lines: LineReader,
    /// Where it is to begin.
    payload: Resume,
    /// The other connection's number has been accepted, and the stream asked for. A Valkey refuses both at once.
    named: bool,
}

impl Attach {
    /// Takes a reply in; whether the stream follows it.
    fn agreed(&mut self, line: &[u8], out: &mut Outbox) -> Result<bool, LinkError> {
        if line.starts_with(b"-") {
            return Err(LinkError::SyncAborted { reply: excerpt(line) });
        }
        if !self.named && line.starts_with(b"+OK") {
            self.named = true;
            let Resume { id, applied } = self.payload;
            let byte = byte_wanted(applied).to_string();
            out.request(&[b"PSYNC", id.to_string().as_bytes(), byte.as_bytes()]);
            return Ok(false);
        }
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let continues = self.named && words.next() == Some(b"+CONTINUE");
        // A history that has got another name since the payload was begun is not the one that the payload is of.
        if continues && words.next().is_none_or(|id| id == self.payload.id.as_bytes()) {
            return Ok(true);
        }
        Err(LinkError::Unexpected { expected: STREAM_BESIDE, got: excerpt(line) })
    }
}

const STREAM_BESIDE: &str = "the stream beside the payload";

/// One link to a master.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    stage: Stage,
    out: Outbox,
    /// When the last byte came, or when waiting for one began.
    heard_at: u64,
    /// When the next acknowledgement or keepalive is due. Means something while loading and streaming.
    ack_at: u64,
    /// The master does not know PSYNC, so it does not know acknowledgements either.
    legacy: bool,
    /// The master knew all names that there were to offer when it decided.
    received: Option<Offset>,
    consulted: bool,
    /// PSYNC has been sent.
    asked: bool,
}

/// Where a link stands, in the terms of INFO and ROLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// There is no connection: none has been made yet, or the link has failed.
    Connect,
    /// The connection is being made.
    Connecting,
    /// We introduce ourselves.
    Handshake,
    /// The payload is awaited or is coming in.
    Sync,
    /// The payload is complete; its owner has to load it.
    Loading,
    /// The stream flows.
    Connected,
}

impl LinkState {
    /// The word that ROLE shows.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync | LinkState::Loading => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// What the passing of time asks of the owner of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Tick {
    /// Nothing.
    Idle,
    /// An acknowledgement is due: call [`Link::ack`].
    AckDue,
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Handshake(Handshake),
    AwaitPayload(LineReader),
    Payload(Payload),
    Loading {
        received: u64,
        len: Option<u64>,
    },
    /// The other connection has to say first where the payload stands.
    AwaitPosition(LineReader),
    /// The stream beside the payload has been asked for.
    Attaching(Attach),
    /// The stream flows, and the payload comes over another connection.
    Beside,
    Streaming,
    Failed,
}

impl Link {
    /// A link whose connection is being made from now on.
    pub fn new(config: LinkConfig, now_ms: u64) -> Link {
        Link {
            config,
            stage: Stage::Connecting,
            out: Outbox::default(),
            heard_at: now_ms,
            ack_at: u64::MAX,
            legacy: false,
            received: None,
            consulted: false,
            asked: false,
        }
    }

    /// The connection stands: the handshake begins.
    pub fn connected(&mut self, now_ms: u64) -> Result<(), LinkError> {
        match self.stage {
            Stage::Connecting => {
                self.heard_at = now_ms;
                self.stage = Stage::Handshake(Handshake::begin(&mut self.out));
                Ok(())
            }
            _ => Err(self.misuse("connected()")),
        }
    }

    /// Takes bytes from the front of `input` and says what they mean. To be called until it returns `None`;
    /// then `input` is empty, except while loading: what follows a payload stays with the caller until
    /// [`Link::loaded`].
    pub fn step<'b>(&mut self, now_ms: u64, input: &mut &'b [u8]) -> Result<Option<Event<'b>>, LinkError> {
        if !input.is_empty() {
            match self.stage {
                Stage::Connecting | Stage::Failed => return Err(self.misuse("step() with input")),
                _ => self.heard_at = self.heard_at.max(now_ms),
            }
        }
        let result = self.advance(now_ms, input);
        if result.is_err() {
            self.stage = Stage::Failed;
        }
        result
    }

    fn advance<'b>(&mut self, now_ms: u64, input: &mut &'b [u8]) -> Result<Option<Event<'b>>, LinkError> {
        match &mut self.stage {
            Stage::Connecting | Stage::Failed | Stage::Loading { .. } => Ok(None),
            Stage::Handshake(handshake) => {
                let agreement = handshake.step(input, &self.config, &mut self.out);
                self.asked = handshake.has_asked();
                let Some(agreement) = agreement? else { return Ok(None) };
                self.consulted = handshake.consulted();
                let await_payload = Stage::AwaitPayload(LineReader::default());
                Ok(Some(match agreement {
                    Agreement::Full { id, offset } => {
                        self.stage = await_payload;
                        Event::FullResync { id, offset }
                    }
                    Agreement::Legacy => {
                        self.legacy = true;
                        self.stage = await_payload;
                        Event::LegacySync
                    }
                    Agreement::Continue { offered, new_id } => {
                        self.stage = Stage::Streaming;
                        self.ack_at = now_ms;
                        Event::Continue { offered, new_id }
                    }
                    Agreement::SecondConnection(request) => {
                        self.stage = match request {
                            PayloadRequest::Redis { .. } => Stage::Beside,
                            PayloadRequest::Valkey => Stage::AwaitPosition(LineReader::default()),
                        };
                        self.ack_at = now_ms.saturating_add(ACK_PERIOD_MS);
                        Event::SecondConnection(request)
                    }
                }))
            }
            Stage::AwaitPosition(lines) => match lines.next(input, "nothing")? {
                Some(line) => Err(LinkError::Unexpected {
                    expected: "nothing before the other connection has said where the payload stands",
                    got: excerpt(&line),
                }),
                None => Ok(None),
            },
            Stage::Attaching(attach) => {
                while let Some(line) = attach.lines.next(input, STREAM_BESIDE)? {
                    if attach.agreed(&line, &mut self.out)? {
                        self.stage = Stage::Beside;
                        self.ack_at = now_ms.saturating_add(ACK_PERIOD_MS);
                        break;
                    }
                }
                match self.stage {
                    Stage::Beside if !input.is_empty() => Ok(Some(Event::Stream(std::mem::take(input)))),
                    _ => Ok(None),
                }
            }
            Stage::AwaitPayload(lines) => {
                let Some(header) = lines.next(input, "the header of a payload")? else {
                    return Ok(None);
                };
                let payload = Payload::from_header(&header)?;
                let len = payload.len();
                self.stage = Stage::Payload(payload);
                Ok(Some(Event::PayloadStart { len }))
            }
            Stage::Payload(payload) => {
                let event = payload.step(input);
                if event == Some(Event::PayloadEnd) {
                    self.stage = Stage::Loading { received: payload.received(), len: payload.len() };
                    self.ack_at = now_ms.saturating_add(ACK_PERIOD_MS);
                }
                Ok(event)
            }
            Stage::Streaming | Stage::Beside if input.is_empty() => Ok(None),
            Stage::Streaming | Stage::Beside => Ok(Some(Event::Stream(std::mem::take(input)))),
        }
    }

    /// The payload has been loaded, and the data stands at `offset`: the stream may begin. A master that sent
    /// a payload with an end mark waits for the acknowledgement that this queues.
    pub fn loaded(&mut self, now_ms: u64, offset: Offset) -> Result<(), LinkError> {
        match self.stage {
            Stage::Loading { .. } | Stage::Beside => {
                self.stage = Stage::Streaming;
                self.heard_at = now_ms;
                self.ack(now_ms, offset, None)
            }
            _ => Err(self.misuse("loaded()")),
        }
    }

    /// The other connection has said where the payload stands, and its number for the master: asks for the stream from there.
    pub fn attach(&mut self, now_ms: u64, client: u64, payload: Resume) -> Result<(), LinkError> {
        if !matches!(self.stage, Stage::AwaitPosition(_)) {
            return Err(self.misuse("attach()"));
        }
        self.heard_at = now_ms;
        self.out.request(&[b"REPLCONF", b"set-rdb-client-id", client.to_string().as_bytes()]);
        self.stage = Stage::Attaching(Attach { lines: LineReader::default(), payload, named: false });
        Ok(())
    }

    /// Whether [`Link::loaded`] has its place now.
    pub fn takes_loaded(&self) -> bool {
        matches!(self.stage, Stage::Loading { .. } | Stage::Beside)
    }

    /// Whether the stream flows already, but the payload that belongs before it has not been loaded.
    pub fn is_beside(&self) -> bool {
        matches!(self.stage, Stage::Beside)
    }

    /// Queues an acknowledgement: everything up to `offset` has been applied, and everything up to `fack` is
    /// safe in this replica's own append-only file. Due when [`Link::tick`] says so, and when `REPLCONF
    /// GETACK` stands in the stream; then `offset` is the position before that request.
    pub fn ack(&mut self, now_ms: u64, offset: Offset, fack: Option<Offset>) -> Result<(), LinkError> {
        if !matches!(self.stage, Stage::Streaming) {
            return Err(self.misuse("ack()"));
        }
        self.ack_at = now_ms.saturating_add(ACK_PERIOD_MS);
        if self.legacy {
            return Ok(());
        }
        let (offset, fack) = (offset.to_string(), fack.map(|fack| fack.to_string()));
        let received = self.received.map(|received| received.to_string());
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", offset.as_bytes()];
        if let Some(fack) = &fack {
            words.extend([&b"FACK"[..], fack.as_bytes()]);
        }
        if let Some(received) = &received {
            words.extend([&b"RECEIVED"[..], received.as_bytes()]);
        }
        self.out.ack(&words);
        Ok(())
    }

    /// Says in later acknowledgements that everything up to here has been received, whether it is applied or not. Masters of other
    /// makes read no further than what they know.
    pub fn set_received(&mut self, offset: Offset) {
        self.received = Some(offset);
    }

    /// Bytes to send to the master.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.out.pending()
    }

    /// The first `len` bytes of [`Link::transmit`] have been handed to the connection.
    ///
    /// # Panics
    ///
    /// If there were fewer.
    pub fn transmitted(&mut self, len: usize) {
        self.out.sent(len);
    }

    /// When [`Link::tick`] has to be called next, on the clock of `now_ms`.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        let silence = self.heard_at.saturating_add(self.config.timeout_ms);
        match self.stage {
            Stage::Failed | Stage::AwaitPosition(_) => None,
            Stage::Loading { .. } | Stage::Beside => Some(self.ack_at),
            Stage::Streaming => Some(silence.min(self.ack_at)),
            _ => Some(silence),
        }
    }

    /// Time has passed. While the payload is being loaded, or comes over another connection, the master is kept from giving up on us, and we
    /// wait for nothing; at any other time a silent master is given up.
    pub fn tick(&mut self, now_ms: u64) -> Result<Tick, LinkError> {
        let loading = matches!(self.stage, Stage::Loading { .. } | Stage::Beside);
        if matches!(self.stage, Stage::Failed | Stage::AwaitPosition(_)) {
            return Ok(Tick::Idle);
        }
        let after_ms = self.silent_ms(now_ms);
        if !loading && after_ms >= self.config.timeout_ms {
            let waiting_for = self.waiting_for();
            self.stage = Stage::Failed;
            return Err(LinkError::Timeout { after_ms, waiting_for });
        }
        if now_ms < self.ack_at {
            return Ok(Tick::Idle);
        }
        self.ack_at = now_ms.saturating_add(ACK_PERIOD_MS);
        if loading {
            self.out.keepalive();
            return Ok(Tick::Idle);
        }
        Ok(Tick::AckDue)
    }

    /// Where the link stands.
    pub fn state(&self) -> LinkState {
        match self.stage {
            Stage::Failed => LinkState::Connect,
            Stage::Connecting => LinkState::Connecting,
            Stage::Handshake(_) => LinkState::Handshake,
            // Others show the handshake until the stream flows.
            Stage::AwaitPosition(_) | Stage::Attaching(_) => LinkState::Handshake,
            Stage::AwaitPayload(_) | Stage::Payload(_) | Stage::Beside => LinkState::Sync,
            Stage::Loading { .. } => LinkState::Loading,
            Stage::Streaming => LinkState::Connected,
        }
    }

    /// What the link is waiting for, in words.
    pub fn waiting_for(&self) -> &'static str {
        match &self.stage {
            Stage::Connecting => "the connection",
            Stage::Handshake(handshake) => handshake.waiting_for(),
            Stage::AwaitPayload(_) => "the payload",
            Stage::AwaitPosition(_) => "the other connection",
            Stage::Attaching(_) => STREAM_BESIDE,
            Stage::Beside => "the payload of the other connection",
            Stage::Payload(_) => "the rest of the payload",
            Stage::Loading { .. } => "the payload to be loaded",
            Stage::Streaming => "the stream",
            Stage::Failed => "nothing",
        }
    }

    /// For how long nothing has come from the master.
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_at)
    }

    /// Bytes of the payload received so far, and how many there will be if the master said so.
    pub fn payload_progress(&self) -> (u64, Option<u64>) {
        match &self.stage {
            Stage::Payload(payload) => (payload.received(), payload.len()),
            Stage::Loading { received, len } => (*received, *len),
            _ => (0, None),
        }
    }

    /// The silence up to now is not the master's: the caller did not read, because the loader had enough to
    /// do.
    pub fn excuse_silence(&mut self, now_ms: u64) {
        self.heard_at = self.heard_at.max(now_ms);
    }

    /// Changes how long a silent master is borne (`repl-timeout`).
    pub fn set_timeout(&mut self, timeout_ms: u64) {
        self.config.timeout_ms = timeout_ms;
    }

    /// Whether the master was asked about all the names that this link has to offer, and has answered. If not, a full
    /// synchronisation may be due to the name alone, and another attempt with one of the alternatives may spare it.
    pub fn consulted(&self) -> bool {
        self.consulted || self.config.alternatives.is_empty()
    }

    /// Whether PSYNC is on its way or beyond that: a peer that was asked to take over may have done so, whatever became of the
    /// answer.
    pub fn has_asked(&self) -> bool {
        self.asked
    }

    /// What the link was told to say.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    fn misuse(&self, call: &'static str) -> LinkError {
        LinkError::Misuse { call, state: self.state() }
    }
}
