//! An epoll instance of our own, below tokio's.
//!
//! Client sockets are registered here. The engine waits in it directly as long as it is all there is to wait for; while the
//! runtime has tasks of its own, this instance is one descriptor among those that tokio waits for. That way a round over all
//! ready sockets costs one system call to wait for them and to find them, and there are no wakers and no state of the runtime
//! for each socket.
//!
//! Sockets are watched for edges: the poller names one when something has happened on it. Whoever does not read or write it to
//! its end must come back to it unasked. That saves the kernel a second look at every socket that has been served.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use node::ConnId;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// What a descriptor is watched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watch {
    /// A socket: something to read, or an end.
    Reads,
    /// A socket: also room to write.
    ReadsAndWrites,
    /// A listener: reported for as long as a client waits.
    Listener,
}

impl Watch {
    fn flags(self) -> epoll::EventFlags {
        use epoll::EventFlags as Flags;
        match self {
            Watch::Reads => Flags::IN | Flags::RDHUP | Flags::ET,
            Watch::ReadsAndWrites => Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET,
            Watch::Listener => Flags::IN,
        }
    }
}

/// Whom an event concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    Conn(ConnId),
    Listener(usize),
    /// A message to the engine.
    Bell,
}

/// The low half of a connection's number is its slot, and no table has so many: what has it is something else, told by the
/// high half.
const NO_SLOT: u64 = u32::MAX as u64;
/// The high half that stands for the bell; listeners have their index there.
const BELL: u64 = u32::MAX as u64;

impl Token {
    fn encode(self) -> u64 {
        match self {
            Token::Conn(conn) => {
                debug_assert_ne!(conn.as_u64() & NO_SLOT, NO_SLOT);
                conn.as_u64()
            }
            Token::Listener(index) => ((index as u64) << 32) | NO_SLOT,
            Token::Bell => (BELL << 32) | NO_SLOT,
        }
    }

    fn decode(raw: u64) -> Token {
        match (raw & NO_SLOT, raw >> 32) {
            (NO_SLOT, BELL) => Token::Bell,
            (NO_SLOT, index) => Token::Listener(index as usize),
            _ => Token::Conn(ConnId::from_u64(raw)),
        }
    }
}

/// What a socket is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness {
    pub read: bool,
    pub write: bool,
    /// The peer sends no more, or the connection has failed: behind what there is to read comes an end that will not be
    /// reported again.
    pub ends: bool,
}

/// What came of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    /// So many events, perhaps none.
    Events(usize),
    /// A signal came meanwhile.
    Interrupted,
}

/// As many are handled in one round.
const BATCH: usize = 512;

/// The epoll instance. Must be made inside a tokio runtime.
pub(crate) struct Poller {
    epoll: AsyncFd<OwnedFd>,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Deprecated because the descriptor of any type may change under the runtime. That of an `OwnedFd` does not, and the
        // successor of the function is unsafe to call.
        #[allow(deprecated)]
        let epoll = AsyncFd::with_interest(epoll, tokio::io::Interest::READABLE)?;
        Ok(Poller { epoll, events: Vec::with_capacity(BATCH) })
    }

    pub fn add(&self, fd: impl AsFd, token: Token, watch: Watch) -> io::Result<()> {
        Ok(epoll::add(self.epoll.get_ref(), fd, epoll::EventData::new_u64(token.encode()), watch.flags())?)
    }

    /// Changes what is watched for. What is there already is reported as if it had just happened.
    pub fn modify(&self, fd: impl AsFd, token: Token, watch: Watch) -> io::Result<()> {
        Ok(epoll::modify(self.epoll.get_ref(), fd, epoll::EventData::new_u64(token.encode()), watch.flags())?)
    }

    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(self.epoll.get_ref(), fd)?)
    }

    /// Waits on this thread, for so long at most. With no time it only looks.
    pub fn wait(&mut self, time: Duration) -> io::Result<Waited> {
        self.events.clear();
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        match epoll::wait(self.epoll.get_ref(), rustix::buffer::spare_capacity(&mut self.events), Some(&time))
        {
            Ok(count) => Ok(Waited::Events(count)),
            Err(Errno::INTR) => Ok(Waited::Interrupted),
            Err(error) => Err(error.into()),
        }
    }

    /// One of those that the last [`Poller::wait`] has found.
    pub fn event(&self, index: usize) -> (Token, Readiness) {
        use epoll::EventFlags as Flags;
        let epoll::Event { flags, data } = self.events[index];
        let readiness = Readiness {
            read: flags.intersects(Flags::IN | Flags::RDHUP | Flags::ERR | Flags::HUP),
            write: flags.intersects(Flags::OUT | Flags::ERR | Flags::HUP),
            ends: flags.intersects(Flags::RDHUP | Flags::ERR | Flags::HUP),
        };
        (Token::decode(data.u64()), readiness)
    }

    /// Waits in the runtime, whose tasks run meanwhile, for something new. To be called when a [`Poller::wait`] has just found
    /// nothing.
    pub async fn wait_in_runtime(&self) -> io::Result<()> {
        self.epoll.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        for token in [
            Token::Conn(ConnId::from_u64(0)),
            Token::Conn(ConnId::from_u64((7 << 32) | 10_000)),
            Token::Conn(ConnId::from_u64(u64::from(u32::MAX) << 32)),
            Token::Listener(0),
            Token::Listener(17),
            Token::Bell,
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
