//! Telling the one who started the process that it is ready.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;

use config::Supervised;

use crate::files::reason;

/// Environment variable in which systemd names its socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Who supervises the process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Supervisor {
    Nobody,
    Systemd(PathBuf),
}

impl Supervisor {
    /// Finds out according to the directive and the environment.
    pub fn find(directive: Supervised) -> Supervisor {
        Supervisor::detect(directive, std::env::var_os(NOTIFY_SOCKET).map(PathBuf::from))
    }

    fn detect(directive: Supervised, socket: Option<PathBuf>) -> Supervisor {
        match (directive, socket) {
            (Supervised::Systemd | Supervised::Auto, Some(socket)) => Supervisor::Systemd(socket),
            // Upstart wants a process that stops itself; nobody runs it any more.
            _ => Supervisor::Nobody,
        }
    }

    /// Whether the supervisor wants the process to stay in the foreground.
    pub fn is_present(&self) -> bool {
        *self != Supervisor::Nobody
    }

    /// The server answers its clients now.
    pub fn ready(&self) {
        self.tell("STATUS=Ready to accept connections\nREADY=1\n");
    }

    /// The server is about to end.
    pub fn stopping(&self) {
        self.tell("STATUS=Stopping\nSTOPPING=1\n");
    }

    fn tell(&self, text: &str) {
        if let Supervisor::Systemd(path) = self
            && let Err(error) = send(path, text)
        {
            tracing::warn!("Cannot tell systemd through {}: {}", path.display(), reason(&error));
        }
    }
}

fn send(path: &std::path::Path, text: &str) -> io::Result<()> {
    // A leading @ stands for the zero byte of a name that is not in the file system.
    let address = match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 256];
        let len = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..len].to_vec()).unwrap()
    }

    #[test]
    fn who_supervises() {
        let socket = || Some(PathBuf::from("/run/notify"));
        assert!(Supervisor::detect(Supervised::Systemd, socket()).is_present());
        assert!(Supervisor::detect(Supervised::Auto, socket()).is_present());
        assert!(!Supervisor::detect(Supervised::No, socket()).is_present());
        assert!(!Supervisor::detect(Supervised::Auto, None).is_present());
        assert!(!Supervisor::detect(Supervised::Systemd, None).is_present());
    }

    #[test]
    fn systemd_hears_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor::detect(Supervised::Systemd, Some(path));
        supervisor.ready();
        assert!(received(&socket).lines().any(|line| line == "READY=1"));
        supervisor.stopping();
        assert!(received(&socket).lines().any(|line| line == "STOPPING=1"));
    }

    #[test]
    fn abstract_names() {
        let name = format!("tandem-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Supervisor::detect(Supervised::Auto, Some(format!("@{name}").into())).ready();
        assert!(received(&socket).contains("READY=1"));
    }

    #[test]
    fn a_supervisor_that_is_gone_is_no_reason_to_fail() {
        assert!(send(std::path::Path::new("/nonexistent/notify"), "READY=1").is_err());
        Supervisor::Systemd("/nonexistent/notify".into()).ready();
    }
}
