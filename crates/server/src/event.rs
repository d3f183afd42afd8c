//! What other threads and tasks tell the engine.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::engine::Trial;
use crate::tls::{Arrived, Context, Secured, TlsError};
use node::{AofEvent, Completion, ConnId, JobId};
use rustix::event::{EventfdFlags, eventfd};

/// A connection that was asked for.
#[derive(Debug)]
pub(crate) enum Connected {
    Plain(OwnedFd),
    Encrypted(Box<Secured>),
}

/// A message to the engine.
pub(crate) enum Event {
    /// Something came of a job.
    Job(JobId, Completion),
    /// The writer of the append only file has done something.
    Aof(AofEvent),
    /// A connection that the node asked for stands, or does not.
    Connected(ConnId, io::Result<Connected>),
    /// A client has shaken hands.
    Shaken(Box<Arrived>),
    /// The files that TLS needs have been read again.
    TlsReloaded(Result<Box<Context>, TlsError>),
    /// What settings under trial name has been looked up.
    LookedUp(Trial),
    /// A signal came, or whoever started the server wants it to end.
    Terminate(node::Signal),
    /// A signal that is only noted.
    Note(&'static str),
}

/// Wakes the engine where it waits for sockets.
#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    /// It has rung, and the engine has not looked since: a flood of messages costs one system call.
    rung: AtomicBool,
}

/// The way to the engine.
#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    events: Sender<Event>,
    bell: Arc<Bell>,
}

/// The engine's end.
pub(crate) struct Events {
    events: Receiver<Event>,
    bell: Arc<Bell>,
}

/// A way to the engine.
pub(crate) fn event_channel() -> io::Result<(EventSender, Events)> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let bell = Arc::new(Bell { fd, rung: AtomicBool::new(false) });
    let (sender, receiver) = channel();
    Ok((EventSender { events: sender, bell: bell.clone() }, Events { events: receiver, bell }))
}

impl EventSender {
    /// Tells the engine. Once it has ended nobody listens any more.
    pub fn send(&self, event: Event) {
        if self.events.send(event).is_ok() && !self.bell.rung.swap(true, Ordering::AcqRel) {
            // It fails only when the counter is full, and then the bell is ringing.
            let _ = rustix::io::write(&self.bell.fd, &1u64.to_ne_bytes());
        }
    }
}

impl Events {
    /// Becomes readable with a message. To be watched for edges: nobody reads it.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.fd.as_fd()
    }

    /// All messages there are. What is sent from this call on rings again.
    pub fn drain(&self) -> Vec<Event> {
        self.bell.rung.store(false, Ordering::Release);
        self.events.try_iter().collect()
    }

    /// Waits for one, for tests without a poller.
    #[cfg(test)]
    pub fn wait(&self) -> Event {
        self.events.recv().expect("a sender is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(events: &Events) -> bool {
        let mut count = [0; 8];
        rustix::io::read(events.bell(), &mut count).is_ok()
    }

    #[test]
    fn one_ring_for_many_messages() {
        let (sender, events) = event_channel().unwrap();
        assert!(!rings(&events));
        for _ in 0..3 {
            sender.send(Event::Note("hello"));
        }
        assert!(rings(&events));
        sender.send(Event::Note("again"));
        assert!(!rings(&events), "nobody has looked yet");
        assert_eq!(events.drain().len(), 4);
        sender.send(Event::Note("later"));
        assert!(rings(&events));
        assert_eq!(events.drain().len(), 1);
    }
}
