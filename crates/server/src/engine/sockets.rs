//! The table of open connections.

use std::os::fd::OwnedFd;

use node::ConnId;

use crate::net::{Interest, Poller, Token};

/// One connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    id: ConnId,
    pub fd: OwnedFd,
    /// What the poller watches it for; it does not know the socket at all while that is nothing.
    interest: Interest,
}

/// Sockets by the slot of their connection.
#[derive(Default)]
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
}

impl Sockets {
    /// Takes a socket in and has it watched for input.
    pub fn insert(&mut self, poller: &Poller, id: ConnId, fd: OwnedFd) -> std::io::Result<()> {
        poller.add(&fd, Token::Conn(id), Interest::READ)?;
        if self.slots.len() <= id.slot() {
            self.slots.resize_with(id.slot() + 1, || None);
        }
        self.slots[id.slot()] = Some(Socket { id, fd, interest: Interest::READ });
        Ok(())
    }

    /// The socket of a connection, unless it is closed already and perhaps another's.
    pub fn get(&self, id: ConnId) -> Option<&Socket> {
        self.slots.get(id.slot())?.as_ref().filter(|socket| socket.id == id)
    }

    /// Closes a connection, which also ends the watch on it. Answers whether it was there.
    pub fn remove(&mut self, id: ConnId) -> bool {
        match self.slots.get_mut(id.slot()) {
            Some(slot) if slot.as_ref().is_some_and(|socket| socket.id == id) => {
                *slot = None;
                true
            }
            _ => false,
        }
    }

    /// Changes what a socket is watched for.
    pub fn watch(
        &mut self,
        poller: &Poller,
        id: ConnId,
        change: impl FnOnce(&mut Interest),
    ) -> std::io::Result<()> {
        let slot = self.slots.get_mut(id.slot()).and_then(Option::as_mut);
        let Some(socket) = slot.filter(|socket| socket.id == id) else { return Ok(()) };
        let before = socket.interest;
        change(&mut socket.interest);
        match (before.is_nothing(), socket.interest.is_nothing()) {
            _ if before == socket.interest => Ok(()),
            (true, _) => poller.add(&socket.fd, Token::Conn(id), socket.interest),
            // Left in the poller without any interest it would report a hang-up over and over.
            (false, true) => poller.remove(&socket.fd),
            (false, false) => poller.modify(&socket.fd, Token::Conn(id), socket.interest),
        }
    }
}

impl Socket {
    /// Whether input is wanted.
    pub fn reads(&self) -> bool {
        self.interest.read
    }

    /// Whether output waits for room.
    pub fn waits_to_write(&self) -> bool {
        self.interest.write
    }
}
