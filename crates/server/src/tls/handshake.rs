//! Handshakes, on a thread of their own, and farewells that take longer than the engine may wait.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::Connection;
use rustls::pki_types::ServerName;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Context, Session};
use crate::event::{Event, EventSender};

/// Who has not shaken hands by then is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes under way at once, at most: until one is done nothing is known about the client but that it has connected.
const AT_ONCE: usize = 1024;

/// A socket with the session on it.
#[derive(Debug)]
pub(crate) struct Secured {
    pub fd: OwnedFd,
    pub session: Session,
}

/// A client whose handshake is done.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub secured: Secured,
    pub remote: Option<SocketAddr>,
    /// The user that its certificate names.
    pub user: Option<String>,
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Handshakes {
    runtime: Handle,
    events: EventSender,
    under_way: Arc<AtomicUsize>,
    /// Dropped to end the thread.
    _life: tokio::sync::oneshot::Sender<()>,
}

impl Handshakes {
    /// Starts the thread.
    pub fn start(events: EventSender) -> io::Result<Handshakes> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (life, end) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new().name("tls".to_owned()).spawn(move || {
            let _ = runtime.block_on(end);
        })?;
        Ok(Handshakes { runtime: handle, events, under_way: Arc::default(), _life: life })
    }

    /// Begins the handshake of a client. Who comes when there are too many already is let go.
    pub fn accept(&self, context: Arc<Context>, fd: OwnedFd, remote: Option<SocketAddr>) {
        let place = Place::take(&self.under_way);
        if place.is_none() {
            return tracing::debug!("Too many TLS handshakes are under way: a client is let go");
        }
        let events = self.events.clone();
        self.runtime.spawn(async move {
            let _place = place;
            let shake = async {
                let stream = stream(fd)?;
                TlsAcceptor::from(context.server.clone()).accept(stream).await
            };
            match within(shake).await {
                Ok(stream) => {
                    let (stream, connection) = stream.into_inner();
                    let user = context.user_of(connection.peer_certificates());
                    match secured(stream, Connection::Server(connection)) {
                        Ok(secured) => {
                            events.send(Event::Shaken(Box::new(Arrived { secured, remote, user })))
                        }
                        Err(error) => tracing::debug!("A TLS client is lost: {error}"),
                    }
                }
                Err(error) => tracing::info!(
                    "Error accepting a client connection: {error} (addr={})",
                    remote.map_or_else(|| "?:0".to_owned(), |remote| remote.to_string())
                ),
            }
        });
    }

    /// Runs a task on the thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    /// Sends what a closed connection has encrypted and not sent, as the kernel does it for one without TLS.
    pub fn say_farewell(&self, mut secured: Secured) {
        self.runtime.spawn(async move {
            let Ok(stream) = stream(secured.fd) else { return };
            let farewell = async {
                let mut send = || Ok(secured.session.send(stream.as_fd())?);
                while stream.writable().await.is_ok() {
                    match stream.try_io(Interest::WRITABLE, &mut send) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        _ => return,
                    }
                }
            };
            let _ = tokio::time::timeout(PATIENCE, farewell).await;
        });
    }
}

/// Shakes hands with a master over a connection that stands. To be run in the thread of [`Handshakes`].
pub(crate) async fn with_master(context: &Context, fd: OwnedFd, host: &str) -> io::Result<Secured> {
    let config = context.client.clone().ok_or_else(|| io::Error::other("TLS is not configured"))?;
    // The name is for the other side to choose a certificate by; an address or an odd name chooses none.
    let name = ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from([127, 0, 0, 1])));
    let shake = async { TlsConnector::from(config).connect(name, stream(fd)?).await };
    let (stream, connection) = within(shake).await?.into_inner();
    secured(stream, Connection::Client(connection))
}

async fn within<T>(shake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long");
    tokio::time::timeout(PATIENCE, shake).await.unwrap_or_else(|_| Err(late()))
}

fn stream(fd: OwnedFd) -> io::Result<TcpStream> {
    TcpStream::from_std(fd.into())
}

fn secured(stream: TcpStream, connection: Connection) -> io::Result<Secured> {
    Ok(Secured { fd: stream.into_std()?.into(), session: Session::new(connection) })
}

/// One of the handshakes under way.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Option<Place> {
        if count.fetch_add(1, Ordering::Relaxed) < AT_ONCE {
            return Some(Place(count.clone()));
        }
        count.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
