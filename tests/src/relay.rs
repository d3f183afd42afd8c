//! A TCP relay between two servers: a link that a test can cut, heal and stop.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What happens to bytes and connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Bytes pass.
    Open,
    /// Connections stay, nothing passes.
    Frozen,
    /// There are no connections.
    Cut,
    /// The relay is gone.
    Gone,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    mode: Mutex<Mode>,
    changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
    connections: AtomicU64,
}

/// Passes connections to its port on to another one.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

impl Relay {
    /// A relay to a port of this machine.
    ///
    /// # Panics
    ///
    /// If no port can be listened on.
    #[must_use]
    pub fn to(target: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared {
            target,
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            streams: Mutex::new(Vec::new()),
            connections: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || serving.serve(&listener));
        Relay { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.shared.set(Mode::Cut);
    }

    /// Keeps connections open and lets nothing pass: what a pulled cable looks like.
    pub fn freeze(&self) {
        self.shared.set(Mode::Frozen);
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.shared.set(Mode::Open);
    }

    /// Connections that have been passed on so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.set(Mode::Gone);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
    }
}

impl Shared {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().expect("nobody panics with the mode")
    }

    fn set(&self, mode: Mode) {
        *self.mode() = mode;
        self.changed.notify_all();
        if matches!(mode, Mode::Cut | Mode::Gone) {
            for stream in self.streams.lock().expect("nobody panics with the streams").drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn serve(self: Arc<Shared>, listener: &TcpListener) {
        for near in listener.incoming().flatten() {
            match *self.mode() {
                Mode::Gone => return,
                Mode::Cut => continue,
                Mode::Open | Mode::Frozen => {}
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", self.target)) else { continue };
            self.connections.fetch_add(1, Ordering::SeqCst);
            for (from, to) in [(&near, &far), (&far, &near)] {
                let _ = from.set_nodelay(true);
                let (Ok(from), Ok(to), Ok(kept)) = (from.try_clone(), to.try_clone(), from.try_clone())
                else {
                    continue;
                };
                self.streams.lock().expect("nobody panics with the streams").push(kept);
                let shared = Arc::clone(&self);
                std::thread::spawn(move || shared.pump(from, to));
            }
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buf = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buf) {
            let mut mode = self.mode();
            while *mode == Mode::Frozen {
                mode = self.changed.wait(mode).expect("nobody panics with the mode");
            }
            if *mode != Mode::Open {
                break;
            }
            drop(mode);
            if to.write_all(&buf[..n]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_cuts_and_heals() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::to(listener.local_addr().unwrap().port());
        let connect = || TcpStream::connect(("127.0.0.1", relay.port())).unwrap();

        let mut near = connect();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"one").unwrap();
        let mut buf = [0; 3];
        far.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"one");

        relay.cut();
        assert!(matches!(near.read(&mut buf), Ok(0) | Err(_)), "cut");
        assert!(matches!(far.read(&mut buf), Ok(0) | Err(_)), "on both sides");
        assert!(matches!(connect().read(&mut buf), Ok(0) | Err(_)), "and a new one too");

        relay.heal();
        let mut near = connect();
        let (mut far, _) = listener.accept().unwrap();
        relay.freeze();
        far.write_all(b"two").unwrap();
        relay.heal();
        near.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"two");
        assert_eq!(relay.connections(), 2);
    }
}
