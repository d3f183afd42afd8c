//! One round: ready sockets, input, output.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use node::ConnId;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use smallvec::SmallVec;

use super::sockets::Socket;
use super::Engine;
use crate::clock;
use crate::files::reason;
use crate::net::{Incoming, Interest, Readiness, Token, peer_of};

/// So many ready sockets at once are a busy server.
const BUSY: usize = 4;

/// How often the node hears what the process uses, as far as its own ticks allow.
const READINGS_EVERY_US: u64 = 100_000;

/// Clients accepted in one round at most, so that a storm of them does not starve those who are there.
const ACCEPTS_A_ROUND: usize = 256;

/// One connection writes so much in one round at most. What is left goes out in the next, after the others had their turn.
const WRITE_BYTES_A_ROUND: usize = 1 << 20;

/// The one buffer that all sockets are read into.
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
}

impl ReadBuffer {
    /// Room for the usual: thousands of small commands.
    const FIRST: usize = 64 * 1024;
    /// Room for large values and for snapshots: beside the cost of so many bytes that of a read does not matter any more.
    const LARGEST: usize = 512 * 1024;

    pub fn new() -> ReadBuffer {
        ReadBuffer { bytes: vec![0; ReadBuffer::FIRST] }
    }

    /// Grows for the next time, when a read has filled it.
    fn filled(&mut self) {
        if self.bytes.len() < ReadBuffer::LARGEST {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }
}

impl Engine {
    /// Handles all that is there now. Afterwards `again` says whether more is known to be left.
    pub(super) fn round(&mut self) {
        self.again = false;
        let count = match self.poller.poll() {
            Ok(count) => count,
            Err(error) => {
                tracing::warn!("The event loop failed: {}", reason(&error));
                self.exit = Some(1);
                return;
            }
        };
        self.now = clock::now();
        while let Ok(event) = self.events.try_recv() {
            self.handle(event);
        }
        // Serving that many has taken long enough for others to come: looking for them right away is cheaper than a wait that
        // ends at once.
        self.again |= count >= BUSY;
        for id in std::mem::take(&mut self.unfinished) {
            self.come_back(id);
        }
        for index in 0..count {
            match self.poller.event(index) {
                (Token::Conn(id), readiness) => self.socket_ready(id, readiness),
                (Token::Listener(index), _) => self.accept(index),
            }
        }
        if self.now.mono_us >= self.node.deadline() {
            self.tick();
        }
        self.settle();
        self.logger.set_role(self.node.role_letter());
    }

    fn tick(&mut self) {
        if self.now.mono_us >= self.next_readings_us {
            self.next_readings_us = self.now.mono_us + READINGS_EVERY_US;
            let (memory, cpu) = self.readings.take();
            self.node.set_readings(memory, cpu);
        }
        if self.resting {
            self.resting = false;
            self.watch_listeners();
        }
        self.node.tick(self.now);
    }

    /// Carries out what the node wants and writes what it has to say, until there is no more of either.
    pub(super) fn settle(&mut self) {
        self.carry_out();
        self.node.before_write(self.now);
        loop {
            self.node.take_writable(&mut self.writable);
            for index in 0..self.writable.len() {
                let id = self.writable[index];
                // One whose socket is full comes by itself when it has room.
                if self.sockets.get(id).is_some_and(|socket| !socket.waits_to_write()) {
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
        // The event may be of a connection that was closed earlier in this very round.
        let Some(socket) = self.sockets.get(id) else { return };
        let reads = socket.reads();
        if reads && (readiness.read || readiness.closing || readiness.broken) {
            self.read(id, readiness);
        }
        // A broken socket that nobody reads from is found out by writing to it.
        if readiness.write || (readiness.broken && !reads) {
            self.flush(id);
        }
    }

    /// Goes on with a socket that was left before it was done: the poller does not name it again.
    fn come_back(&mut self, id: ConnId) {
        let Some(socket) = self.sockets.get(id) else { return };
        let (reads, writes) = (socket.reads(), socket.waits_to_write());
        if reads {
            self.read(id, Readiness { read: true, write: false, closing: false, broken: false });
        }
        if writes {
            self.flush(id);
        }
    }

    fn leave_unfinished(&mut self, id: ConnId) {
        self.unfinished.push(id);
        self.again = true;
    }

    /// Reads once. A read that does not fill the buffer has taken all there was; what comes later is news.
    fn read(&mut self, id: ConnId, readiness: Readiness) {
        let Some(socket) = self.sockets.get(id) else { return };
        match rustix::net::recv(&socket.fd, &mut self.buffer.bytes[..], RecvFlags::empty()) {
            Ok((0, _)) => self.lost(id),
            Ok((len, _)) => {
                self.node.input(self.now, id, &self.buffer.bytes[..len]);
                let full = len == self.buffer.bytes.len();
                if full {
                    self.buffer.filled();
                }
                // What is left here, or an end of file behind it, is no news.
                if full || readiness.closing || readiness.broken {
                    self.leave_unfinished(id);
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.lost(id),
        }
    }

    /// Writes what a connection has to say, as far as its socket takes it.
    fn flush(&mut self, id: ConnId) {
        let mut budget = WRITE_BYTES_A_ROUND;
        while let Some(socket) = self.sockets.get(id) {
            match self.write_once(id, socket) {
                (0, _) => {
                    if socket.waits_to_write() {
                        self.wait_to_write(id, false);
                    }
                    return;
                }
                (len, Ok(written)) => {
                    self.node.written(self.now, id, written);
                    budget = budget.saturating_sub(written);
                    if written < len {
                        return self.wait_to_write(id, true);
                    }
                    if budget == 0 {
                        // There may be room left, and that is no news.
                        self.wait_to_write(id, true);
                        return self.leave_unfinished(id);
                    }
                }
                (_, Err(Errno::AGAIN)) => return self.wait_to_write(id, true),
                (_, Err(Errno::INTR)) => {}
                (_, Err(_)) => return self.lost(id),
            }
        }
    }

    /// One write: how many bytes there were to write, and what came of it.
    fn write_once(&self, id: ConnId, socket: &Socket) -> (usize, rustix::io::Result<usize>) {
        let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
        self.node.output(id, &mut slices);
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

    fn wait_to_write(&mut self, id: ConnId, wait: bool) {
        if let Err(error) = self.sockets.watch(&self.poller, id, |interest| interest.write = wait) {
            tracing::warn!("Cannot watch a socket: {}", reason(&error));
            self.lost(id);
        }
    }

    /// Reads from a connection, or leaves it alone for now.
    pub(super) fn read_from(&mut self, id: ConnId, read: bool) {
        if let Err(error) = self.sockets.watch(&self.poller, id, |interest| interest.read = read) {
            tracing::warn!("Cannot watch a socket: {}", reason(&error));
            self.lost(id);
        }
    }

    /// The peer is gone, or the socket failed.
    fn lost(&mut self, id: ConnId) {
        if self.sockets.remove(id) {
            self.node.eof(self.now, id);
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_A_ROUND {
            match self.listeners.accept(index) {
                Ok(Some(Incoming { fd, remote })) => {
                    let unix = self.listeners.unix_path(index).map(PathBuf::from);
                    self.welcome(fd, remote, unix);
                }
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
        self.again = true;
    }

    fn welcome(&mut self, fd: OwnedFd, remote: Option<SocketAddr>, unix: Option<PathBuf>) {
        let peer = peer_of(&fd, remote, unix.as_deref());
        match self.node.accept(self.now, peer) {
            Ok(id) => self.take_in(id, fd),
            Err(refusal) => {
                // The socket's buffer is empty: what does not fit at once is not worth waiting for.
                let _ = rustix::net::send(&fd, refusal, SendFlags::NOSIGNAL);
            }
        }
        // A slot that is closed now may be given to the next client at once.
        self.carry_out();
    }

    /// Adds the socket of a connection that the node knows.
    pub(super) fn take_in(&mut self, id: ConnId, fd: OwnedFd) {
        if let Err(error) = self.sockets.insert(&self.poller, id, fd) {
            tracing::warn!("Cannot watch a socket: {}", reason(&error));
            self.node.eof(self.now, id);
        }
    }

    pub(super) fn watch_listeners(&self) {
        for (index, fd) in self.listeners.iter() {
            if let Err(error) = self.poller.add(fd, Token::Listener(index), Interest::READ) {
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
