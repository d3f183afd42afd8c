//! What the node is told about the other end of a connection.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use node::Peer;

use super::listener::to_std;

/// Describes a socket. `unix` is the path of the Unix socket it came in by; `remote` the address of the other end if that is
/// known already.
pub(crate) fn peer_of(fd: impl AsFd, remote: Option<SocketAddr>, unix: Option<&Path>) -> Peer {
    let fd = fd.as_fd();
    if let Some(path) = unix {
        let address = format!("{}:0", path.display());
        return Peer {
            addr: address.clone(),
            laddr: address,
            unix: true,
            loopback: true,
            fd: fd.as_raw_fd(),
            certificate_user: None,
        };
    }
    let remote = remote.or_else(|| rustix::net::getpeername(fd).ok().flatten().and_then(to_std));
    let local = rustix::net::getsockname(fd).ok().and_then(to_std);
    Peer {
        addr: text(remote),
        laddr: text(local),
        unix: false,
        loopback: remote.is_some_and(|address| address.ip().to_canonical().is_loopback()),
        fd: fd.as_raw_fd(),
        certificate_user: None,
    }
}

/// `127.0.0.1:6379`, `[::1]:6379`; a socket that is gone already has no address.
fn text(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "?:0".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, from) = listener.accept().unwrap();
        let peer = peer_of(&server, Some(from), None);
        assert_eq!(peer.addr, client.local_addr().unwrap().to_string());
        assert_eq!(peer.laddr, listener.local_addr().unwrap().to_string());
        assert!(peer.loopback && !peer.unix);
        assert_eq!(peer.fd, server.as_raw_fd());
        assert_eq!(peer_of(&server, None, None), peer, "asked of the kernel");
    }

    #[test]
    fn unix() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = peer_of(&listener, None, Some(Path::new("/run/tandem.sock")));
        assert_eq!((peer.addr.as_str(), peer.unix), ("/run/tandem.sock:0", true));
    }
}
