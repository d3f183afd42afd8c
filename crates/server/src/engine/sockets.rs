//! The table of open connections.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use node::ConnId;

use crate::net::{Poller, Token, Watch};
use crate::tls::{Secured, Session};

/// One connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    id: ConnId,
    pub fd: OwnedFd,
    /// What lies between it and the node, if it is encrypted.
    pub tls: Option<Box<Session>>,
    /// Whether its input is wanted. While it is not, nobody looks at what the poller says about it.
    pub reads: bool,
    /// Whether its output waits: for room in the socket, or for the next round.
    pub waits_to_write: bool,
    watch: Watch,
}

/// Sockets by the slot of their connection.
#[derive(Default)]
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
}

impl Socket {
    /// Parts from the peer of an encrypted connection. Answers what is left to be sent to it, if the socket has no room for that.
    pub fn part(self) -> Option<Secured> {
        let mut session = self.tls?;
        session.close();
        match session.send(self.fd.as_fd()) {
            Err(rustix::io::Errno::AGAIN) => Some(Secured { fd: self.fd, session: *session }),
            _ => None,
        }
    }
}

impl Sockets {
    /// Takes a socket in and has it watched for input.
    pub fn insert(
        &mut self,
        poller: &Poller,
        id: ConnId,
        fd: OwnedFd,
        tls: Option<Box<Session>>,
    ) -> io::Result<()> {
        let watch = Watch::Reads;
        poller.add(&fd, Token::Conn(id), watch)?;
        if self.slots.len() <= id.slot() {
            self.slots.resize_with(id.slot() + 1, || None);
        }
        self.slots[id.slot()] = Some(Socket { id, fd, tls, reads: true, waits_to_write: false, watch });
        Ok(())
    }

    /// The socket of a connection, unless it is closed already and perhaps another's.
    pub fn get(&self, id: ConnId) -> Option<&Socket> {
        self.slots.get(id.slot())?.as_ref().filter(|socket| socket.id == id)
    }

    /// As [`Sockets::get`], to be changed.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Socket> {
        self.slots.get_mut(id.slot())?.as_mut().filter(|socket| socket.id == id)
    }

    /// Gives up a connection, which with its socket also ends the watch on it.
    pub fn remove(&mut self, id: ConnId) -> Option<Socket> {
        self.slots.get_mut(id.slot())?.take_if(|socket| socket.id == id)
    }

    /// Has the poller tell when there is room to write. It goes on telling: most sockets never need it, and one that does
    /// will need it again.
    pub fn watch_writes(&mut self, poller: &Poller, id: ConnId) -> io::Result<()> {
        match self.get_mut(id) {
            Some(socket) if socket.watch != Watch::ReadsAndWrites => {
                socket.watch = Watch::ReadsAndWrites;
                poller.modify(&socket.fd, Token::Conn(id), socket.watch)
            }
            _ => Ok(()),
        }
    }
}
