//! An encrypted connection between the engine and a socket.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::Connection;

/// Plaintext that is encrypted ahead of the socket, at most.
const AHEAD: usize = 64 * 1024;

/// The state of one connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes, and nothing more for now.
    All(usize),
    /// So many bytes: the room was not enough for all.
    Full(usize),
    /// So many bytes, then the end.
    End(usize),
}

impl Session {
    pub fn new(mut connection: Connection) -> Session {
        connection.set_buffer_limit(Some(AHEAD));
        Session { connection }
    }

    /// Decrypts what the socket has into `room`.
    pub fn receive(&mut self, fd: BorrowedFd<'_>, room: &mut [u8]) -> Received {
        let mut len = 0;
        loop {
            match self.connection.reader().read(&mut room[len..]) {
                // Also how a socket that was cut off without a farewell looks.
                Ok(0) if len < room.len() => return Received::End(len),
                Ok(more) => {
                    len += more;
                    if len == room.len() {
                        return Received::Full(len);
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Received::End(len),
            }
            match self.connection.read_tls(&mut Socket(fd)) {
                // The reader above tells what kind of end that is.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::All(len),
                Err(_) => return Received::End(len),
            }
            if self.connection.process_new_packets().is_err() {
                // The peer is told why, if there is room.
                let _ = self.connection.write_tls(&mut Socket(fd));
                return Received::End(len);
            }
        }
    }

    /// Encrypts from the front of `plain`; answers how much was taken.
    pub fn encrypt(&mut self, plain: &[IoSlice<'_>]) -> usize {
        self.connection.writer().write_vectored(plain).unwrap_or(0)
    }

    /// Writes what is encrypted. `Ok` says that nothing is left.
    pub fn send(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(fd)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
                }
            }
        }
        Ok(())
    }

    /// Whether encrypted bytes wait for the socket.
    pub fn has_unsent(&self) -> bool {
        self.connection.wants_write()
    }

    /// Says farewell: what follows for the peer is the end.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}

/// A socket for rustls, which does not block, and does not raise SIGPIPE.
struct Socket<'a>(BorrowedFd<'a>);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0, room, RecvFlags::empty()).map(|(len, _)| len)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut control = rustix::net::SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(self.0, slices, &mut control, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
