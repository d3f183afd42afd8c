//! One round: ready sockets, input, output.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use node::{ConnId, Node, Peer};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use smallvec::SmallVec;

use super::Engine;
use super::sockets::Socket;
use crate::clock;
use crate::files::reason;
use crate::net::{Incoming, Readiness, Token, Waited, Watch, peer_of};
use crate::tls::{Arrived, Received, Session};

/// How often the node hears what the process uses, as far as its own ticks allow.
const READINGS_EVERY_US: u64 = 100_000;

/// Clients accepted in one round at most, so that a storm of them does not starve those who are there.
const ACCEPTS_A_ROUND: usize = 256;

/// One connection writes so much in one round at most. What is left goes out in the next, after the others had their turn.
const WRITE_BYTES_A_ROUND: usize = 1 << 20;

/// The one buffer that all sockets are read into.
///
/// What one round reads is gathered before any of it is executed: that way the memory that the next request of each client
/// will touch is fetched for all of them at once.
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Bytes at the front that are read and not handed over.
    used: usize,
    /// Whose they are: connection, start, end.
    arrived: Vec<(ConnId, usize, usize)>,
    /// A read has filled it since the last look.
    needed: bool,
}

impl ReadBuffer {
    /// Room for the usual: thousands of small commands.
    const FIRST: usize = 64 * 1024;
    /// With less room than this, what has been gathered is handed over first.
    const LEAST: usize = 32 * 1024;
    /// Room for large values and for snapshots: beside the cost of so many bytes that of a read does not matter any more.
    const LARGEST: usize = 512 * 1024;

    pub fn new() -> ReadBuffer {
        ReadBuffer { bytes: vec![0; ReadBuffer::FIRST], used: 0, arrived: Vec::new(), needed: false }
    }

    /// Goes back to the usual size if no read has filled it since the last call.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.needed) && self.bytes.len() > ReadBuffer::FIRST && self.used == 0 {
            self.bytes = vec![0; ReadBuffer::FIRST];
        }
    }

    /// Whether the next read has the room that it should have.
    fn has_room(&self) -> bool {
        self.bytes.len() - self.used >= ReadBuffer::LEAST
    }

    /// Grows for the next time, when a read has filled it.
    fn filled(&mut self) {
        self.needed = true;
        if self.bytes.len() < ReadBuffer::LARGEST {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }
}

/// Connections to be served in the next round whatever the poller says, since it has said so once already.
#[derive(Default)]
pub(super) struct Unfinished {
    /// With each, whether its end is known to follow, or may have been told of while nobody listened.
    reads: Vec<(ConnId, bool)>,
    writes: Vec<ConnId>,
}

impl Unfinished {
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }
}

impl Engine {
    /// Waits for something to do, for so long at most, and does all that there is then. Answers what came of the waiting.
    pub(super) fn round(&mut self, time: Duration) -> Waited {
        let waited = match self.poller.wait(time) {
            Ok(waited) => waited,
            Err(error) => {
                tracing::warn!("The event loop failed: {}", reason(&error));
                self.exit = Some(1);
                return Waited::Interrupted;
            }
        };
        self.now = clock::now();
        let began_us = self.now.mono_us;
        // Before the events, which may add to it: those are for the next round.
        self.finish();
        if let Waited::Events(count) = waited {
            for index in 0..count {
                match self.poller.event(index) {
                    (Token::Conn(id), readiness) => self.socket_ready(id, readiness),
                    (Token::Listener(index), _) => self.accept(index),
                    (Token::Bell, _) => self.hear(),
                }
            }
        }
        self.hand_over();
        if self.now.mono_us >= self.node.deadline() {
            self.tick();
        }
        self.settle();
        self.logger.set_role(self.node.role_letter());
        self.node.round_ended((clock::monotonic_ns() / 1000).saturating_sub(began_us));
        waited
    }

    /// Goes on where the last round has left off.
    fn finish(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        let Unfinished { reads, writes } = std::mem::take(&mut self.unfinished);
        for (id, ends) in reads {
            self.read(id, ends);
        }
        for id in writes {
            self.flush(id);
        }
    }

    fn hear(&mut self) {
        self.hand_over();
        for event in self.events.drain() {
            self.handle(event);
        }
    }

    fn tick(&mut self) {
        if self.now.mono_us >= self.next_readings_us {
            self.next_readings_us = self.now.mono_us + READINGS_EVERY_US;
            let (memory, cpu) = self.readings.take();
            self.node.set_readings(memory, cpu);
            self.buffer.settle();
            self.look_for_certificates();
        }
        if self.resting {
            self.resting = false;
            self.watch_listeners();
        }
        let began_ns = clock::monotonic_ns();
        self.node.tick(self.now);
        self.node.tick_took((clock::monotonic_ns() - began_ns) / 1000);
    }

    /// Carries out what the node wants and writes what it has to say, until there is no more of either.
    pub(super) fn settle(&mut self) {
        self.carry_out();
        self.node.before_write(self.now);
        loop {
            self.node.take_writable(&mut self.writable);
            for index in 0..self.writable.len() {
                let id = self.writable[index];
                if self.sockets.get(id).is_some_and(|socket| !socket.waits_to_write) {
                    self.flush(id);
                }
            }
            self.writable.clear();
            if !self.node.has_actions() {
                break;
            }
            self.carry_out();
            self.node.before_write(self.now);
        }
    }

    fn socket_ready(&mut self, id: ConnId, readiness: Readiness) {
        if readiness.read {
            self.read(id, readiness.ends);
        }
        if readiness.write && self.sockets.get(id).is_some_and(|socket| socket.waits_to_write) {
            self.flush(id);
        }
    }

    /// Reads once. If that does not fill the buffer there is no more, and the poller will tell when there is.
    ///
    /// `ends` says that an end is known to follow, of which it will not tell again.
    fn read(&mut self, id: ConnId, ends: bool) {
        // The connection may have been closed earlier in this very round.
        if !self.buffer.has_room() {
            self.hand_over();
        }
        let Some(socket) = self.sockets.get(id) else { return };
        if !socket.reads {
            return;
        }
        if socket.tls.is_some() {
            return self.read_encrypted(id);
        }
        let start = self.buffer.used;
        match rustix::net::recv(&socket.fd, &mut self.buffer.bytes[start..], RecvFlags::empty()) {
            Ok((0, _)) => self.lost(id),
            Ok((len, _)) => {
                let end = start + len;
                self.buffer.used = end;
                self.buffer.arrived.push((id, start, end));
                self.node.foresee(id, &self.buffer.bytes[start..end]);
                let full = end == self.buffer.bytes.len();
                if full {
                    self.hand_over();
                    self.buffer.filled();
                }
                if full || ends {
                    self.unfinished.reads.push((id, ends));
                }
            }
            Err(Errno::INTR) => self.unfinished.reads.push((id, ends)),
            Err(Errno::AGAIN) => {}
            Err(_) => self.lost(id),
        }
    }

    /// Reads all there is: the poller does not know of what has been decrypted already.
    fn read_encrypted(&mut self, id: ConnId) {
        let start = self.buffer.used;
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Some(tls) = &mut socket.tls else { return };
        let received = tls.receive(socket.fd.as_fd(), &mut self.buffer.bytes[start..]);
        let answers = tls.has_unsent() && !socket.waits_to_write;
        let (Received::All(len) | Received::Full(len) | Received::End(len)) = received;
        if len > 0 {
            let end = start + len;
            self.buffer.used = end;
            self.buffer.arrived.push((id, start, end));
            self.node.foresee(id, &self.buffer.bytes[start..end]);
        }
        match received {
            Received::All(_) if answers => self.flush(id),
            Received::All(_) => {}
            Received::Full(_) => {
                self.hand_over();
                self.buffer.filled();
                self.unfinished.reads.push((id, false));
            }
            Received::End(_) => self.lost(id),
        }
    }

    /// Hands what was read to the node.
    fn hand_over(&mut self) {
        self.node.prefetch_foreseen();
        let mut arrived = std::mem::take(&mut self.buffer.arrived);
        for (id, start, end) in arrived.drain(..) {
            self.node.input(self.now, id, &self.buffer.bytes[start..end]);
        }
        self.buffer.arrived = arrived;
        self.buffer.used = 0;
    }

    /// Writes what a connection has to say, as far as its socket takes it.
    fn flush(&mut self, id: ConnId) {
        let mut budget = WRITE_BYTES_A_ROUND;
        while let Some(socket) = self.sockets.get_mut(id) {
            socket.waits_to_write = false;
            let written = match &mut socket.tls {
                None => write_once(&self.node, id, socket),
                Some(tls) => write_encrypted(&self.node, id, tls, socket.fd.as_fd()),
            };
            match written {
                (0, _) => return,
                (len, Ok(written)) => {
                    self.node.written(self.now, id, written);
                    budget = budget.saturating_sub(written);
                    if written < len {
                        return self.wait_to_write(id);
                    }
                    if budget == 0 {
                        if let Some(socket) = self.sockets.get_mut(id) {
                            socket.waits_to_write = true;
                            self.unfinished.writes.push(id);
                        }
                        return;
                    }
                }
                (_, Err(Errno::AGAIN)) => return self.wait_to_write(id),
                (_, Err(Errno::INTR)) => {}
                (_, Err(_)) => return self.lost(id),
            }
        }
    }

    /// The socket is full: the poller tells when it has room again.
    fn wait_to_write(&mut self, id: ConnId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        socket.waits_to_write = true;
        if let Err(error) = self.sockets.watch_writes(&self.poller, id) {
            tracing::warn!("Cannot watch a socket: {}", reason(&error));
            self.lost(id);
        }
    }

    /// Reads from a connection, or leaves it alone for now.
    pub(super) fn read_from(&mut self, id: ConnId, read: bool) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if read && !socket.reads {
            // What the poller said meanwhile went unheard, of an end, too.
            self.unfinished.reads.push((id, true));
        }
        socket.reads = read;
    }

    /// The peer is gone, or the socket failed.
    fn lost(&mut self, id: ConnId) {
        // What it sent before comes before its end.
        self.hand_over();
        if let Some(socket) = self.sockets.remove(id) {
            self.part_from(socket);
            self.node.eof(self.now, id);
        }
    }

    /// Closes a socket that nobody has any more.
    pub(super) fn part_from(&mut self, socket: Socket) {
        if let Some(rest) = socket.part()
            && let Some(handshakes) = &self.handshakes
        {
            handshakes.say_farewell(rest);
        }
    }

    fn accept(&mut self, index: usize) {
        let most = match self.listeners.is_tls(index) {
            true => self.settings.max_new_tls_connections_per_cycle as usize,
            false => ACCEPTS_A_ROUND,
        };
        for _ in 0..most {
            match self.listeners.accept(index) {
                Ok(Some(Incoming { fd, remote, tls: false })) => {
                    let unix = self.listeners.unix_path(index).map(PathBuf::from);
                    let peer = peer_of(&fd, remote, unix.as_deref());
                    self.welcome(fd, peer, None);
                }
                Ok(Some(Incoming { fd, remote, tls: true })) => self.shake_hands(fd, remote),
                Ok(None) => return,
                Err(errno) => {
                    tracing::warn!("Cannot accept a connection: {}", reason(&errno.into()));
                    // Most likely the process is out of descriptors. The clients that wait would be reported without end.
                    self.resting = true;
                    self.unwatch_listeners();
                    return;
                }
            }
        }
    }

    /// A client has shaken hands.
    pub(super) fn arrived(&mut self, arrived: Arrived) {
        let Arrived { secured, remote, user } = arrived;
        let peer = Peer { certificate_user: user, ..peer_of(&secured.fd, remote, None) };
        self.welcome(secured.fd, peer, Some(Box::new(secured.session)));
    }

    fn welcome(&mut self, fd: OwnedFd, peer: Peer, tls: Option<Box<Session>>) {
        match self.node.accept(self.now, peer) {
            Ok(id) => self.take_in(id, fd, tls),
            // The socket's buffer is empty: what does not fit at once is not worth waiting for.
            Err(refusal) => match tls {
                None => drop(rustix::net::send(&fd, refusal, SendFlags::NOSIGNAL)),
                Some(mut tls) => {
                    tls.encrypt(&[IoSlice::new(refusal)]);
                    tls.close();
                    let _ = tls.send(fd.as_fd());
                }
            },
        }
        // A slot that is closed now may be given to the next client at once.
        self.carry_out();
    }

    /// Adds the socket of a connection that the node knows.
    pub(super) fn take_in(&mut self, id: ConnId, fd: OwnedFd, tls: Option<Box<Session>>) {
        // What came behind the handshake has been read from the socket already.
        let encrypted = tls.is_some();
        if let Err(error) = self.sockets.insert(&self.poller, id, fd, tls) {
            tracing::warn!("Cannot watch a socket: {}", reason(&error));
            self.node.eof(self.now, id);
        } else if encrypted {
            self.unfinished.reads.push((id, false));
        }
    }

    pub(super) fn watch_listeners(&self) {
        for (index, fd) in self.listeners.iter() {
            if let Err(error) = self.poller.add(fd, Token::Listener(index), Watch::Listener) {
                tracing::warn!("Cannot watch a listening socket: {}", reason(&error));
            }
        }
    }

    pub(super) fn unwatch_listeners(&self) {
        for (_, fd) in self.listeners.iter() {
            // One that rests is not watched: that is what is wanted.
            let _ = self.poller.remove(fd);
        }
    }
}

/// Writes what is encrypted already, and then a part of what there is. What the socket has no room for stays in the session.
fn write_encrypted(
    node: &Node,
    id: ConnId,
    tls: &mut Session,
    fd: BorrowedFd<'_>,
) -> (usize, rustix::io::Result<usize>) {
    if let Err(errno) = tls.send(fd) {
        return (usize::MAX, Err(errno));
    }
    let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
    node.output(id, &mut slices);
    let slices: SmallVec<[IoSlice<'_>; 16]> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let taken = tls.encrypt(&slices);
    match tls.send(fd) {
        // What was taken counts as written whatever becomes of it: it is on its way.
        Ok(()) => (taken, Ok(taken)),
        Err(Errno::AGAIN) if taken > 0 => (usize::MAX, Ok(taken)),
        Err(errno) => (usize::MAX, Err(errno)),
    }
}

/// One write: how many bytes there were to write, and what came of it.
fn write_once(node: &Node, id: ConnId, socket: &Socket) -> (usize, rustix::io::Result<usize>) {
    let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
    node.output(id, &mut slices);
    match &slices[..] {
        [] => (0, Ok(0)),
        [only] => (only.len(), rustix::net::send(&socket.fd, only, SendFlags::NOSIGNAL)),
        several => {
            let several: SmallVec<[IoSlice<'_>; 16]> =
                several.iter().map(|slice| IoSlice::new(slice)).collect();
            let len = several.iter().map(|slice| slice.len()).sum();
            (len, rustix::io::writev(&socket.fd, &several))
        }
    }
}
