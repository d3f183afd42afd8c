//! An epoll instance of our own, below tokio's.
//!
//! Client sockets are registered here, and this instance as one descriptor with tokio. That way a round over all ready
//! sockets costs one system call to find them, no wakers and no per-socket state of the runtime, and the loop can look for
//! more work without a detour through the scheduler.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use node::ConnId;
use rustix::event::{Timespec, epoll};
use tokio::io::unix::AsyncFd;

/// What a socket is watched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interest {
    pub read: bool,
    pub write: bool,
}

impl Interest {
    pub const READ: Interest = Interest { read: true, write: false };

    pub fn is_nothing(self) -> bool {
        !self.read && !self.write
    }

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN | epoll::EventFlags::RDHUP, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        flags
    }
}

/// Whom an event concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    Conn(ConnId),
    Listener(usize),
}

/// The low half of a connection's number is its slot, and no table has so many: what has it is a listener, whose index
/// is in the high half.
const LISTENER: u64 = u32::MAX as u64;

impl Token {
    fn encode(self) -> u64 {
        match self {
            Token::Conn(conn) => {
                debug_assert_ne!(conn.as_u64() & LISTENER, LISTENER);
                conn.as_u64()
            }
            Token::Listener(index) => ((index as u64) << 32) | LISTENER,
        }
    }

    /// Connections are reported once for every piece of news (edge-triggered): the kernel then need not look at each of them
    /// again at the next poll, which is a tenth of what a request without a pipeline costs. Listeners are reported as long as
    /// somebody waits there.
    fn mode(self) -> epoll::EventFlags {
        match self {
            Token::Conn(_) => epoll::EventFlags::ET,
            Token::Listener(_) => epoll::EventFlags::empty(),
        }
    }

    fn decode(raw: u64) -> Token {
        if raw & LISTENER == LISTENER {
            Token::Listener((raw >> 32) as usize)
        } else {
            Token::Conn(ConnId::from_u64(raw))
        }
    }
}

/// What a socket is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness {
    pub read: bool,
    pub write: bool,
    /// The peer will send no more; what it sent before may still have to be read.
    pub closing: bool,
    /// An error, or both directions closed: reported even where nothing is watched for.
    pub broken: bool,
}

/// As many as are handled in one round.
const BATCH: usize = 512;

/// The epoll instance. Must be made, and waited for, inside a tokio runtime.
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

    pub fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let flags = interest.flags() | token.mode();
        Ok(epoll::add(self.epoll.get_ref(), fd, epoll::EventData::new_u64(token.encode()), flags)?)
    }

    pub fn modify(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let flags = interest.flags() | token.mode();
        Ok(epoll::modify(self.epoll.get_ref(), fd, epoll::EventData::new_u64(token.encode()), flags)?)
    }

    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(self.epoll.get_ref(), fd)?)
    }

    /// Becomes ready when something happens on a socket.
    ///
    /// It is told of news only. A socket that [`Poller::poll`] has named once, and that is still ready without anything
    /// having happened since (unread bytes, an end of file behind bytes that were read), is not named again:
    /// whoever leaves one like that must come back to it by himself.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = ready!(self.epoll.poll_read_ready(context))?;
        guard.clear_ready();
        Poll::Ready(Ok(()))
    }

    /// Looks, without waiting, which sockets are ready, and answers how many.
    pub fn poll(&mut self) -> io::Result<usize> {
        const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(self.epoll.get_ref(), spare, Some(&NOW)) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// One of those found by the last [`Poller::poll`].
    pub fn event(&self, index: usize) -> (Token, Readiness) {
        let epoll::Event { flags, data } = self.events[index];
        let readiness = Readiness {
            read: flags.contains(epoll::EventFlags::IN),
            write: flags.contains(epoll::EventFlags::OUT),
            closing: flags.contains(epoll::EventFlags::RDHUP),
            broken: flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP),
        };
        (Token::decode(data.u64()), readiness)
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
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
