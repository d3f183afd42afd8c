//! Connections that the node asks for: to its master.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::net::{TcpSocket, lookup_host};

/// Opens a TCP connection. The name is resolved on a thread of the runtime's pool; its addresses are tried in turn.
pub(crate) async fn connect(
    host: String,
    port: u16,
    timeout: Duration,
    bind_source: Option<String>,
    keepalive: u32,
) -> io::Result<OwnedFd> {
    let attempt = async {
        let mut failure = None;
        for address in lookup_host((host.as_str(), port)).await? {
            match connect_to(address, bind_source.as_deref()).await {
                Ok(fd) => return Ok(fd),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
    };
    let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "Connection timed out");
    let fd = tokio::time::timeout(timeout, attempt).await.unwrap_or_else(|_| Err(timed_out()))?;
    super::listener::keepalive(fd.as_fd(), keepalive)?;
    Ok(fd)
}

async fn connect_to(address: SocketAddr, bind_source: Option<&str>) -> io::Result<OwnedFd> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = bind_source {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "bind-source-addr is no address");
        socket.bind(SocketAddr::new(source.parse().map_err(invalid)?, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream.into_std()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn run(host: &str, port: u16, timeout_ms: u64, source: Option<&str>) -> io::Result<OwnedFd> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let source = source.map(str::to_owned);
        runtime.block_on(connect(host.to_owned(), port, Duration::from_millis(timeout_ms), source, 60))
    }

    #[test]
    fn connects_by_name_and_from_an_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let fd = run("localhost", port, 10_000, Some("127.0.0.3"));
        // `localhost` may mean ::1 first, which cannot be reached from an IPv4 address: then the next one is tried.
        let fd = fd.unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from.ip().to_string(), "127.0.0.3");
        assert!(rustix::net::sockopt::tcp_nodelay(&fd).unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&fd).unwrap());
        assert!(rustix::fs::fcntl_getfl(&fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    }

    #[test]
    fn says_what_went_wrong() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(
            run("127.0.0.1", port, 10_000, None).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert!(run("no-such-host.invalid", port, 10_000, None).is_err());
        assert_eq!(
            run("127.0.0.1", port, 1000, Some("nonsense")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn gives_up_in_time() {
        use rustix::net::{
            AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = || socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        let listener = socket();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
        // A queue that is full answers nobody.
        let queue: Vec<_> = (0..4).map(|_| socket()).collect();
        for client in &queue {
            let _ = connect(client, &address);
        }
        assert_eq!(run("127.0.0.1", address.port(), 20, None).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
