//! The sockets that clients connect to.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Settings;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen,
    socket_with, sockopt,
};

use super::bind::BindAddress;
use crate::files::reason;

/// What the server listens on.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sockets: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    fd: OwnedFd,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp,
    Tls,
    /// Owns the name in the file system.
    Unix(PathBuf),
}

impl Kind {
    fn of(tls: bool) -> Kind {
        if tls { Kind::Tls } else { Kind::Tcp }
    }
}

impl Listener {
    fn is_unix(&self) -> bool {
        matches!(self.kind, Kind::Unix(_))
    }

    /// Where it listens, if it is a TCP socket, and whether it speaks TLS there.
    fn place(&self) -> Option<(SocketAddr, bool)> {
        if self.is_unix() {
            return None;
        }
        let address = rustix::net::getsockname(&self.fd).ok()?.try_into().ok()?;
        Some((address, matches!(self.kind, Kind::Tls)))
    }
}

/// A client that has just connected.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub fd: OwnedFd,
    pub remote: Option<SocketAddr>,
    /// It is to shake hands first.
    pub tls: bool,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("Could not listen on {address}:{port}: {reason}")]
    Tcp { address: String, port: u16, reason: String },
    #[error("Could not open the Unix socket {}: {reason}", path.display())]
    Unix { path: PathBuf, reason: String },
}

impl Listeners {
    /// Opens everything that the settings name. `extra` are sockets that listen already.
    pub fn open(settings: &Settings, extra: Vec<TcpListener>) -> Result<Listeners, ListenError> {
        let mut all = Listeners::default();
        for listener in extra {
            all.adopt(listener)?;
        }
        all.sockets.extend(open_all(&BindAddress::of(settings), &[], settings)?);
        all.open_unix(settings)?;
        all.set_keepalive(settings.tcp_keepalive);
        Ok(all)
    }

    /// Takes a socket in that listens already.
    fn adopt(&mut self, listener: TcpListener) -> Result<(), ListenError> {
        let failed = |error: io::Error| ListenError::Tcp {
            address: "given socket".to_owned(),
            port: 0,
            reason: reason(&error),
        };
        listener.set_nonblocking(true).map_err(failed)?;
        sockopt::set_tcp_nodelay(&listener, true).map_err(|errno| failed(errno.into()))?;
        self.sockets.push(Listener { fd: listener.into(), kind: Kind::Tcp });
        Ok(())
    }

    /// Listens on these addresses instead of those of now. If that fails, everything is as before.
    ///
    /// What is to stay stays open all the time: nobody is refused meanwhile, and nobody else can take the port.
    pub fn move_tcp(&mut self, addresses: &[BindAddress], settings: &Settings) -> Result<(), ListenError> {
        let now = self.tcp_sockets();
        let result = match open_all(addresses, &now, settings) {
            Ok(opened) => {
                let wanted = |(address, tls): (SocketAddr, bool)| {
                    addresses.iter().any(|other| {
                        other.tls == tls && other.address.as_ref().is_ok_and(|other| *other == address)
                    })
                };
                self.sockets.retain(|socket| socket.is_unix() || socket.place().is_some_and(wanted));
                self.sockets.extend(opened);
                Ok(())
            }
            // An address for all is in the way of a single one, and the other way round.
            Err(_) if now.iter().any(|(address, _)| addresses.iter().any(|a| a.port == address.port())) => {
                self.sockets.retain(Listener::is_unix);
                let result = open_all(addresses, &[], settings);
                let opened = match result {
                    Ok(opened) => (opened, Ok(())),
                    Err(error) => (reopen(&now, settings), Err(error)),
                };
                self.sockets.extend(opened.0);
                opened.1
            }
            Err(error) => Err(error),
        };
        self.set_keepalive(settings.tcp_keepalive);
        result
    }

    fn open_unix(&mut self, settings: &Settings) -> Result<(), ListenError> {
        let Some(path) = settings.unixsocket.as_deref().filter(|path| !path.is_empty()) else {
            return Ok(());
        };
        let failed = |error: io::Error| ListenError::Unix { path: path.into(), reason: reason(&error) };
        let path = std::path::absolute(path).map_err(failed)?;
        let fd = unix(&path, settings).map_err(failed)?;
        self.sockets.push(Listener { fd, kind: Kind::Unix(path) });
        Ok(())
    }

    /// Accepted sockets inherit this, as well as the other options, from the one that listens.
    pub fn set_keepalive(&self, seconds: u32) {
        for socket in self.sockets.iter().filter(|socket| !socket.is_unix()) {
            if let Err(error) = keepalive(socket.fd.as_fd(), seconds) {
                tracing::warn!("Cannot set tcp-keepalive: {}", reason(&error.into()));
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Each socket with its index.
    pub fn iter(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.sockets.iter().enumerate().map(|(index, socket)| (index, socket.fd.as_fd()))
    }

    /// The TCP addresses listened on.
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.tcp_sockets().into_iter().map(|(address, _)| address).collect()
    }

    fn tcp_sockets(&self) -> Vec<(SocketAddr, bool)> {
        self.sockets.iter().filter_map(Listener::place).collect()
    }

    /// Whether TLS is spoken on the socket behind this index.
    pub fn is_tls(&self, index: usize) -> bool {
        self.sockets.get(index).is_some_and(|socket| matches!(socket.kind, Kind::Tls))
    }

    /// The path of the Unix socket behind this index, if it is one.
    pub fn unix_path(&self, index: usize) -> Option<&Path> {
        match &self.sockets.get(index)?.kind {
            Kind::Tcp | Kind::Tls => None,
            Kind::Unix(path) => Some(path),
        }
    }

    /// The next client that waits at this socket.
    pub fn accept(&self, index: usize) -> Result<Option<Incoming>, Errno> {
        let Some(listener) = self.sockets.get(index) else { return Ok(None) };
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match &listener.kind {
                Kind::Tcp | Kind::Tls => match rustix::net::acceptfrom_with(&listener.fd, flags) {
                    Ok((fd, from)) => {
                        let tls = matches!(listener.kind, Kind::Tls);
                        return Ok(Some(Incoming { fd, remote: from.and_then(|a| a.try_into().ok()), tls }));
                    }
                    Err(Errno::AGAIN) => return Ok(None),
                    Err(errno) if is_the_clients(errno) => {}
                    Err(errno) => return Err(errno),
                },
                Kind::Unix(_) => match accept_with(&listener.fd, flags) {
                    Ok(fd) => return Ok(Some(Incoming { fd, remote: None, tls: false })),
                    Err(Errno::AGAIN) => return Ok(None),
                    Err(errno) if is_the_clients(errno) => {}
                    Err(errno) => return Err(errno),
                },
            }
        }
    }
}

/// Errors of accept(2) that concern the one connection, or nothing at all.
fn is_the_clients(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INTR
            | Errno::CONNABORTED
            | Errno::NETDOWN
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Unix(path) = &self.kind {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Listens on all addresses but those that are listened on already.
fn open_all(
    addresses: &[BindAddress],
    already: &[(SocketAddr, bool)],
    settings: &Settings,
) -> Result<Vec<Listener>, ListenError> {
    let mut opened = Vec::new();
    for BindAddress { spec, address, port, tls } in addresses {
        let result = match address {
            Ok(address) if already.contains(&(*address, *tls)) => continue,
            Ok(address) => tcp(*address, settings.tcp_backlog),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match result {
            Ok(fd) => opened.push(Listener { fd, kind: Kind::of(*tls) }),
            Err(error) if spec.may_lack(&error) => {
                tracing::debug!("Not listening on {spec}:{port}: {}", reason(&error));
            }
            Err(error) => {
                let (address, port) = (spec.to_string(), *port);
                return Err(ListenError::Tcp { address, port, reason: reason(&error) });
            }
        }
    }
    Ok(opened)
}

/// Listens again where the server did a moment ago.
fn reopen(addresses: &[(SocketAddr, bool)], settings: &Settings) -> Vec<Listener> {
    let open = |(address, tls): &(SocketAddr, bool)| match tcp(*address, settings.tcp_backlog) {
        Ok(fd) => Some(Listener { fd, kind: Kind::of(*tls) }),
        Err(error) => {
            tracing::warn!("Cannot listen on {address} again: {}", reason(&error));
            None
        }
    };
    addresses.iter().filter_map(open).collect()
}

fn tcp(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        // `*` and `::*` are two sockets.
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    sockopt::set_socket_reuseaddr(&fd, true)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    bind(&fd, &address)?;
    listen(&fd, i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(fd)
}

fn unix(path: &Path, settings: &Settings) -> io::Result<OwnedFd> {
    // One that a dead server left behind would be in the way.
    let _ = std::fs::remove_file(path);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&fd, &SocketAddrUnix::new(path)?)?;
    if let Some(mode) = settings.unixsocketperm.filter(|&mode| mode != 0) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    if let Some(group) = settings.unixsocketgroup.as_deref().filter(|group| !group.is_empty()) {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no group {group}"));
        std::os::unix::fs::chown(path, None, Some(group_id(group).ok_or_else(missing)?))?;
    }
    listen(&fd, i32::try_from(settings.tcp_backlog).unwrap_or(i32::MAX))?;
    Ok(fd)
}

/// The number of a group given by number or by name.
fn group_id(group: &str) -> Option<u32> {
    group.parse().ok().or_else(|| {
        let groups = std::fs::read_to_string("/etc/group").ok()?;
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    })
}

/// Turns TCP keep-alive on so that a dead peer is noticed after about `seconds` of silence and the same again; 0 turns it off.
pub(super) fn keepalive(fd: BorrowedFd<'_>, seconds: u32) -> Result<(), Errno> {
    sockopt::set_socket_keepalive(fd, seconds > 0)?;
    if seconds > 0 {
        sockopt::set_tcp_keepidle(fd, Duration::from_secs(seconds.into()))?;
        // Three probes within another such time decide.
        sockopt::set_tcp_keepintvl(fd, Duration::from_secs((seconds / 3).max(1).into()))?;
        sockopt::set_tcp_keepcnt(fd, 3)?;
    }
    Ok(())
}

/// For `getsockname`.
pub(super) fn to_std(address: SocketAddrAny) -> Option<SocketAddr> {
    address.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    fn settings(pairs: &[&str]) -> Settings {
        let args: Vec<_> = pairs.iter().map(|&word| word.to_owned()).collect();
        config::load(&args, &crate::DiskFiles).unwrap().config.settings().clone()
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn accept_one(listeners: &Listeners, index: usize) -> Incoming {
        loop {
            if let Some(incoming) = listeners.accept(index).unwrap() {
                return incoming;
            }
        }
    }

    #[test]
    fn several_addresses_and_optional_ones() {
        let port = free_port().to_string();
        // TEST-NET-1 is nobody's address.
        let settings = settings(&["--port", &port, "--bind", "127.0.0.1 127.0.0.2 -192.0.2.1"]);
        let listeners = Listeners::open(&settings, Vec::new()).unwrap();
        let addresses: Vec<_> = listeners.tcp_addresses().iter().map(ToString::to_string).collect();
        assert_eq!(addresses, [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")]);

        let client = TcpStream::connect(addresses[1].as_str()).unwrap();
        let incoming = accept_one(&listeners, 1);
        assert_eq!(incoming.remote, Some(client.local_addr().unwrap()));
        assert!(sockopt::tcp_nodelay(&incoming.fd).unwrap(), "inherited");
        assert!(sockopt::socket_keepalive(&incoming.fd).unwrap(), "inherited");
        assert_eq!(sockopt::tcp_keepidle(&incoming.fd).unwrap(), Duration::from_secs(300));
        listeners.set_keepalive(0);
        let _client = TcpStream::connect(addresses[1].as_str()).unwrap();
        assert!(!sockopt::socket_keepalive(accept_one(&listeners, 1).fd).unwrap());
        assert!(listeners.accept(0).unwrap().is_none());
    }

    #[test]
    fn an_address_that_must_be_there() {
        let port = free_port().to_string();
        let settings = settings(&["--port", &port, "--bind", "127.0.0.1 192.0.2.1"]);
        let error = Listeners::open(&settings, Vec::new()).unwrap_err();
        let expected = format!("Could not listen on 192.0.2.1:{port}: Cannot assign requested address");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_port_in_use() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let error =
            Listeners::open(&settings(&["--port", &port, "--bind", "127.0.0.1"]), Vec::new()).unwrap_err();
        assert!(error.to_string().ends_with(": Address already in use"), "{error}");
    }

    #[test]
    fn another_port_at_run_time() {
        let (one, two) = (free_port().to_string(), free_port().to_string());
        let before = settings(&["--port", &one, "--bind", "127.0.0.1"]);
        let mut listeners = Listeners::open(&before, Vec::new()).unwrap();
        let mut move_to = |settings: &Settings| {
            let result = listeners.move_tcp(&BindAddress::of(settings), settings);
            (result.is_ok(), listeners.tcp_addresses())
        };
        let local =
            |host: u8, port: &str| -> SocketAddr { format!("127.0.0.{host}:{port}").parse().unwrap() };
        let after = settings(&["--port", &two, "--bind", "127.0.0.1"]);
        assert_eq!(move_to(&after), (true, vec![local(1, &two)]));

        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let impossible = settings(&["--port", &port, "--bind", "127.0.0.1"]);
        assert_eq!(move_to(&impossible), (false, vec![local(1, &two)]), "as before");

        // One stays, one is added; then one that takes in both.
        let more = settings(&["--port", &two, "--bind", "127.0.0.2 127.0.0.1"]);
        assert_eq!(move_to(&more), (true, vec![local(1, &two), local(2, &two)]));
        let all = settings(&["--port", &two, "--bind", "0.0.0.0"]);
        assert_eq!(move_to(&all), (true, vec![format!("0.0.0.0:{two}").parse().unwrap()]));
        // TEST-NET-1 is nobody's address.
        let nobody = settings(&["--port", &two, "--bind", "127.0.0.1 192.0.2.1"]);
        assert_eq!(move_to(&nobody), (false, vec![format!("0.0.0.0:{two}").parse().unwrap()]));
        assert_eq!(move_to(&settings(&["--port", "0"])), (true, Vec::new()));
    }

    #[test]
    fn given_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listeners = Listeners::open(&settings(&["--port", "0"]), vec![listener]).unwrap();
        assert_eq!(listeners.tcp_addresses(), [address]);
    }

    #[test]
    fn unix_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tandem.sock");
        std::fs::write(&path, "left behind").unwrap();
        let text = path.to_str().unwrap();
        let settings = settings(&["--port", "0", "--unixsocket", text, "--unixsocketperm", "700"]);
        let listeners = Listeners::open(&settings, Vec::new()).unwrap();
        assert_eq!(listeners.unix_path(0), Some(path.as_path()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let mut client = UnixStream::connect(&path).unwrap();
        drop(accept_one(&listeners, 0));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop(listeners);
        assert!(!path.exists());
    }

    #[test]
    fn groups_by_number_and_name() {
        assert_eq!(group_id("1234"), Some(1234));
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(group_id("no-such-group"), None);
    }
}
