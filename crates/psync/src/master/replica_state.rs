//! One replica, as its master sees it.

use super::form::Reader;
use super::payload::PayloadForm;
use super::replconf::{Replconf, ReplconfError, Setting, SnapshotFilter};
use crate::{Capabilities, ChannelForm, Offset};

/// A replica that waits for its snapshot is sent a newline so often.
const KEEPALIVE_PERIOD_MS: u64 = 1000;

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It introduces itself. It is a client like any other so far.
    Handshake,
    /// It needs a snapshot that has not been begun.
    WaitSnapshot,
    /// Its snapshot is being made: it has been told where that stands (`+FULLRESYNC`).
    Announced,
    /// The payload is being sent.
    Transfer,
    /// The whole payload has been sent, and the stream waits for its acknowledgement.
    AwaitAck,
    /// The payload goes over another connection, and the stream, which goes over this one, begins with the snapshot.
    WaitChannel,
    /// The stream flows, and the replica keeps it until it has loaded the payload, which goes over another connection.
    Beside,
    /// The stream flows.
    Online,
}

/// A step that has no place in the phase that a replica is in. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step} has no place for a replica in phase {phase:?}")]
pub struct PhaseError {
    /// The step.
    pub step: &'static str,
    /// The phase.
    pub phase: Phase,
}

/// What follows a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum AfterTransfer {
    /// The stream, from the position of the snapshot on.
    Stream,
    /// Nothing before the replica has acknowledged.
    AwaitAck,
    /// Nothing at all: it wanted the payload only, and the connection is to be closed.
    Close,
}

/// What the passing of time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Tick {
    /// Nothing.
    Idle,
    /// Send [`KEEPALIVE`](super::KEEPALIVE).
    Keepalive,
    /// The replica has been silent, or has not taken any bytes, for too long: close the connection.
    TimedOut,
}

/// One replica, as its master sees it.
#[derive(Clone, Debug)]
pub struct ReplicaState {
    phase: Phase,
    form: PayloadForm,
    legacy: bool,
    listening_port: u16,
    announced_ip: Option<String>,
    version: Option<String>,
    capabilities: Capabilities,
    rdb_only: bool,
    /// The payload of a synchronisation that uses two connections goes over this one.
    rdb_channel: bool,
    /// The client whose stream it is that belongs to the payload which goes over this connection.
    main_client: Option<u64>,
    /// The client that gets the payload which belongs to the stream that goes over this connection.
    rdb_client: Option<u64>,
    /// How the two connections of a synchronisation are spoken of, if the stream goes over this one.
    beside: Option<ChannelForm>,
    filter: SnapshotFilter,
    /// Where its data begins: the position of its snapshot, or where it continued.
    base: Option<Offset>,
    acked: Option<Offset>,
    file_acked: Option<Offset>,
    received: Option<Offset>,
    /// When it last gave a sign of life, or took a piece of its payload.
    alive_at: u64,
    keepalive_at: u64,
}

impl ReplicaState {
    /// A client that has said its first REPLCONF, PSYNC or SYNC.
    pub fn new(now_ms: u64) -> ReplicaState {
        ReplicaState {
            phase: Phase::Handshake,
            form: PayloadForm::Length,
            legacy: false,
            listening_port: 0,
            announced_ip: None,
            version: None,
            capabilities: Capabilities::default(),
            rdb_only: false,
            rdb_channel: false,
            main_client: None,
            rdb_client: None,
            beside: None,
            filter: SnapshotFilter::default(),
            base: None,
            acked: None,
            file_acked: None,
            received: None,
            alive_at: now_ms,
            keepalive_at: now_ms,
        }
    }

    /// Takes in what follows the word `REPLCONF`. The options before a refused one have taken effect.
    pub fn replconf<'a>(
        &mut self,
        now_ms: u64,
        args: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
    ) -> Result<Replconf, ReplconfError> {
        let mut args = args.into_iter();
        if !args.len().is_multiple_of(2) {
            return Err(ReplconfError::Syntax);
        }
        let mut outcome = Replconf::Ok;
        while let (Some(option), Some(value)) = (args.next(), args.next()) {
            match Setting::parse(option, value)? {
                Setting::ListeningPort(port) => self.listening_port = port,
                Setting::IpAddress(ip) => self.announced_ip = Some(ip).filter(|ip| !ip.is_empty()),
                Setting::Capability(name) => {
                    self.capabilities.add(&name);
                }
                Setting::Version(version) => self.version = Some(version),
                Setting::RdbOnly(only) => self.rdb_only = only,
                Setting::Filter(filter) => self.filter = filter,
                Setting::Ack(position) => {
                    outcome = Replconf::Ack { starts_stream: self.acknowledged(now_ms, position) };
                }
                Setting::FileAck(position) => {
                    // Comes after an acknowledgement in the same request, whose outcome stands.
                    if self.is_replica() {
                        self.file_acked = self.file_acked.max(position);
                    }
                }
                Setting::RdbChannel(channel) => self.rdb_channel = channel,
                Setting::MainClient(client) => self.main_client = Some(client),
                Setting::RdbClient(client) => {
                    self.rdb_client = Some(client);
                    outcome = Replconf::RdbClient(client);
                }
                Setting::Received(position) => {
                    if self.is_replica() {
                        self.received = self.received.max(position);
                    }
                }
                Setting::GetAck => return Ok(Replconf::GetAck),
                Setting::Lineage(names) => outcome = Replconf::Lineage(names),
            }
        }
        Ok(outcome)
    }

    /// Notes an acknowledgement; whether the stream may begin now.
    fn acknowledged(&mut self, now_ms: u64, position: Option<Offset>) -> bool {
        if !self.is_replica() {
            return false;
        }
        // What was acknowledged once cannot be taken back.
        self.acked = self.acked.max(position);
        self.alive(now_ms);
        let starts = matches!(self.phase, Phase::AwaitAck | Phase::Beside);
        if starts {
            self.phase = Phase::Online;
        }
        starts
    }

    /// A sign of life: a newline, which a replica sends while it loads, or bytes of the payload that it has
    /// taken.
    pub fn alive(&mut self, now_ms: u64) {
        self.alive_at = self.alive_at.max(now_ms);
    }

    /// The replica continues from position `from`: it is online.
    pub fn continue_from(&mut self, now_ms: u64, from: Offset) -> Result<(), PhaseError> {
        self.expect(Phase::Handshake, "a partial synchronisation")?;
        self.phase = Phase::Online;
        self.base = Some(from);
        self.acked = Some(from);
        self.alive(now_ms);
        Ok(())
    }

    /// The replica needs a snapshot. `legacy` if it has asked with SYNC: then it is not expected to
    /// acknowledge anything.
    pub fn wait_snapshot(&mut self, now_ms: u64, legacy: bool) -> Result<(), PhaseError> {
        self.expect(Phase::Handshake, "a full synchronisation")?;
        self.phase = Phase::WaitSnapshot;
        self.legacy = legacy;
        self.alive(now_ms);
        self.keepalive_at = now_ms.saturating_add(KEEPALIVE_PERIOD_MS);
        Ok(())
    }

    /// The replica has been told to ask for its payload over another connection ([`rdb_channel_line`](super::rdb_channel_line)).
    pub fn wait_channel(&mut self, now_ms: u64) -> Result<(), PhaseError> {
        self.expect(Phase::Handshake, "a second connection")?;
        self.phase = Phase::WaitChannel;
        self.beside = Some(ChannelForm::Redis);
        self.alive(now_ms);
        Ok(())
    }

    /// The payload that goes over another connection stands at position `at`: the stream begins there, at once.
    pub fn stream_beside(&mut self, now_ms: u64, at: Offset) -> Result<(), PhaseError> {
        let form = match self.phase {
            Phase::WaitChannel => ChannelForm::Redis,
            Phase::Handshake => ChannelForm::Valkey,
            phase => return Err(PhaseError { step: "the stream beside the payload", phase }),
        };
        self.phase = Phase::Beside;
        self.beside = Some(form);
        self.base = Some(at);
        self.alive(now_ms);
        Ok(())
    }

    /// The connection for the payload belongs to the replica of `main`: what that has said of itself counts here, too.
    pub fn belongs_to(&mut self, main: &ReplicaState) {
        self.version.clone_from(&main.version);
        self.capabilities.rdb_channel |= main.capabilities.rdb_channel;
    }

    /// The snapshot stands at position `at`. Unless the replica is a legacy one, send it
    /// [`full_resync_line`](super::full_resync_line), or [`end_offset_line`](super::end_offset_line) if
    /// [`ReplicaState::payload_channel`] says that it is one of Valkey's.
    pub fn announce(&mut self, at: Offset) -> Result<(), PhaseError> {
        self.expect(Phase::WaitSnapshot, "announcing a snapshot")?;
        self.phase = Phase::Announced;
        self.base = Some(at);
        Ok(())
    }

    /// The header of the payload goes out: no keepalive from now on.
    pub fn start_transfer(&mut self, now_ms: u64, form: PayloadForm) -> Result<(), PhaseError> {
        self.expect(Phase::Announced, "sending a payload")?;
        if form == PayloadForm::Mark && !self.capabilities.eof {
            return Err(PhaseError {
                step: "a payload with an end mark, which the replica does not know,",
                phase: self.phase,
            });
        }
        self.phase = Phase::Transfer;
        self.form = form;
        self.alive(now_ms);
        Ok(())
    }

    /// The last byte of the payload has been handed to the connection.
    pub fn finish_transfer(&mut self, now_ms: u64) -> Result<AfterTransfer, PhaseError> {
        self.expect(Phase::Transfer, "the end of a payload")?;
        self.alive(now_ms);
        let after = match self.form {
            _ if self.rdb_only => AfterTransfer::Close,
            PayloadForm::Mark => AfterTransfer::AwaitAck,
            PayloadForm::Length => AfterTransfer::Stream,
        };
        self.phase = if after == AfterTransfer::Stream { Phase::Online } else { Phase::AwaitAck };
        Ok(after)
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64, timeout_ms: u64) -> Tick {
        let idle_ms = now_ms.saturating_sub(self.alive_at);
        if self.can_time_out() && idle_ms >= timeout_ms {
            return Tick::TimedOut;
        }
        if self.is_kept_alive() && now_ms >= self.keepalive_at {
            self.keepalive_at = now_ms.saturating_add(KEEPALIVE_PERIOD_MS);
            return Tick::Keepalive;
        }
        Tick::Idle
    }

    /// When [`ReplicaState::tick`] has to be called next.
    #[must_use]
    pub fn timeout(&self, timeout_ms: u64) -> Option<u64> {
        if self.is_kept_alive() {
            Some(self.keepalive_at)
        } else if self.can_time_out() {
            Some(self.alive_at.saturating_add(timeout_ms))
        } else {
            None
        }
    }

    /// What INFO shows as `state`; a client that is no replica yet has none. As elsewhere one that gets a snapshot while that is made
    /// waits for it until it is made.
    pub fn info_state(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Handshake => None,
            Phase::WaitSnapshot | Phase::Announced | Phase::WaitChannel => Some("wait_bgsave"),
            Phase::Transfer if self.form == PayloadForm::Mark => Some("wait_bgsave"),
            Phase::AwaitAck if self.payload_channel().is_some() => Some("wait_bgsave"),
            Phase::Transfer | Phase::AwaitAck => Some("send_bulk"),
            Phase::Beside if self.beside == Some(ChannelForm::Redis) => Some("send_bulk_and_stream"),
            Phase::Beside => Some("bg_transfer"),
            Phase::Online => Some("online"),
        }
    }

    /// What INFO shows as `type`: which of the connections of a replica this is.
    pub fn info_type(&self) -> &'static str {
        match self.phase {
            Phase::WaitChannel | Phase::Beside => "main-channel",
            _ if self.payload_channel().is_some() => "rdb-channel",
            _ => "replica",
        }
    }

    fn is_kept_alive(&self) -> bool {
        matches!(self.phase, Phase::WaitSnapshot | Phase::Announced)
    }

    /// Who waits for a snapshot has nothing to say, and a legacy replica never says anything; but a payload
    /// that does not get through holds up everybody who shares it. Beside a payload a replica says nothing until it has loaded that,
    /// and reads nothing once it has enough; while the payload comes, its own connection shows whether the replica is alive.
    fn can_time_out(&self) -> bool {
        match self.phase {
            Phase::Handshake | Phase::WaitSnapshot | Phase::Announced => false,
            Phase::WaitChannel | Phase::Beside => false,
            Phase::Transfer => true,
            Phase::AwaitAck | Phase::Online => !self.legacy,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it is a replica already, or still a client that introduces itself.
    pub fn is_replica(&self) -> bool {
        self.phase != Phase::Handshake
    }

    /// Whether it has its data, and the stream flows.
    pub fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    /// Whether the stream may be sent to it.
    pub fn takes_stream(&self) -> bool {
        matches!(self.phase, Phase::Online | Phase::Beside)
    }

    /// Whether the payload of a synchronisation with two connections goes over this one, and how it speaks of that.
    pub fn payload_channel(&self) -> Option<ChannelForm> {
        (self.rdb_channel && self.rdb_only)
            .then(|| if self.main_client.is_some() { ChannelForm::Redis } else { ChannelForm::Valkey })
    }

    /// The client whose stream belongs to the payload of this connection (`main-ch-client-id`).
    pub fn main_client(&self) -> Option<u64> {
        self.main_client
    }

    /// The client whose payload belongs to the stream of this connection (`set-rdb-client-id`).
    pub fn rdb_client(&self) -> Option<u64> {
        self.rdb_client
    }

    /// Where its stream begins: at the position of its snapshot, or where it continued. The log has to be
    /// kept from here on.
    pub fn base(&self) -> Option<Offset> {
        self.base
    }

    /// Up to where it has applied the stream, as far as it has said so.
    pub fn acked(&self) -> Option<Offset> {
        self.acked
    }

    /// Up to where the stream is safe in its append-only file, if it has said so.
    pub fn file_acked(&self) -> Option<Offset> {
        self.file_acked
    }

    /// Up to where it has received the stream, if it has said so: only replicas of this make do.
    pub fn received(&self) -> Option<Offset> {
        self.received
    }

    /// For how long it has been silent: `lag` of INFO, in milliseconds.
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.alive_at)
    }

    /// Whether it has asked with SYNC.
    pub fn is_legacy(&self) -> bool {
        self.legacy
    }

    /// The port it listens on; 0 if it has not said.
    pub fn listening_port(&self) -> u16 {
        self.listening_port
    }

    /// The address it wants to be shown with.
    pub fn announced_ip(&self) -> Option<&str> {
        self.announced_ip.as_deref()
    }

    /// The version it announced.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Whether it wants the payload only.
    pub fn rdb_only(&self) -> bool {
        self.rdb_only
    }

    /// What it wants in its payload.
    pub fn filter(&self) -> SnapshotFilter {
        self.filter
    }

    /// Which snapshots are of use to it. Replicas say where they listen; who does not, or wants the payload and no stream, is a tool.
    pub fn reader(&self) -> Reader {
        let channel = self.payload_channel();
        if (self.rdb_only && channel.is_none()) || self.listening_port == 0 {
            return Reader::Keeper;
        }
        Reader::announced(
            self.version(),
            self.capabilities.rdb_channel || channel == Some(ChannelForm::Redis),
        )
    }

    fn expect(&self, phase: Phase, step: &'static str) -> Result<(), PhaseError> {
        if self.phase == phase { Ok(()) } else { Err(PhaseError { step, phase: self.phase }) }
    }
}

#[cfg(test)]
mod tests;
