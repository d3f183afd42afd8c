//! The engine: one thread that owns the node, the client sockets and the loop over them.
//!
//! One round is: find the ready sockets, read each of them once into one shared buffer and hand the bytes to the node, let
//! the node hand its log to those who read it, write all replies, carry out what else the node wants. Rounds follow each
//! other while there is work; then the engine waits in tokio for the sockets, for news from jobs and signals, and for the
//! node's deadline, all at once.

mod actions;
mod round;
mod sockets;

use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use config::Settings;
use node::{Action, Boot, ConnId, Node, Now};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Sleep};

use crate::clock;
use crate::event::Event;
use crate::jobs::Jobs;
use crate::log::Logger;
use crate::net::{ListenError, Listeners, Poller};
use crate::readings::{Allocator, Readings};
use round::ReadBuffer;
use sockets::Sockets;

/// After so many rounds without a pause the runtime gets its turn: signals and connects live there.
const ROUNDS_IN_A_ROW: u32 = 64;

/// What an engine needs besides its configuration.
pub(crate) struct Setup {
    pub config: config::Config,
    pub config_file: Option<PathBuf>,
    pub listeners: Vec<TcpListener>,
    pub logger: Logger,
    pub allocator: Allocator,
    pub seed: u64,
    /// Whether the process belongs to this instance: its working directory follows `dir`.
    pub owns_process: bool,
}

/// One instance with everything around it.
pub(crate) struct Engine {
    node: Node,
    sockets: Sockets,
    poller: Poller,
    listeners: Listeners,
    /// Listeners that are left alone for a moment because the process has run out of descriptors.
    resting: bool,
    jobs: Jobs,
    events: UnboundedReceiver<Event>,
    events_sender: UnboundedSender<Event>,
    connects: Vec<(ConnId, tokio::task::AbortHandle)>,
    logger: Logger,
    readings: Readings,
    next_readings_us: u64,
    buffer: ReadBuffer,
    /// Reused between rounds.
    /// Connections that were left before all was read or written.
    unfinished: Vec<ConnId>,
    writable: Vec<ConnId>,
    actions: Vec<Action>,
    /// The settings as the engine last acted on them.
    settings: Settings,
    now: Now,
    /// Something is left to do at once: wait for nothing.
    again: bool,
    /// When the last SIGINT or SIGTERM came.
    interrupted_us: Option<u64>,
    exit: Option<i32>,
    owns_process: bool,
}

impl Engine {
    /// Opens the sockets and makes the node. Must be called inside the runtime that [`Engine::run`] will run in.
    pub fn new(setup: Setup) -> Result<Engine, EngineError> {
        let Setup { config, config_file, listeners, logger, allocator, seed, owns_process } = setup;
        let settings = config.settings().clone();
        let (events_sender, events) = unbounded_channel();
        let poller = Poller::new().map_err(EngineError::Poller)?;
        let listeners = Listeners::open(&settings, listeners)?;
        let now = clock::now();
        let boot = Boot {
            seed,
            pid: std::process::id(),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            config_file,
            os: operating_system(),
            clock_ns: clock::monotonic_ns,
        };
        let engine = Engine {
            node: Node::new(config, boot, now),
            sockets: Sockets::default(),
            poller,
            listeners,
            resting: false,
            jobs: Jobs::new(events_sender.clone(), tracing::dispatcher::get_default(Clone::clone)),
            events,
            events_sender,
            connects: Vec::new(),
            logger,
            readings: Readings::new(allocator),
            next_readings_us: now.mono_us,
            buffer: ReadBuffer::new(),
            writable: Vec::new(),
            unfinished: Vec::new(),
            actions: Vec::new(),
            settings,
            now,
            again: true,
            interrupted_us: None,
            exit: None,
            owns_process,
        };
        engine.watch_listeners();
        engine.logger.set_role(engine.node.role_letter());
        Ok(engine)
    }

    /// Where to send the engine a message.
    pub fn sender(&self) -> UnboundedSender<Event> {
        self.events_sender.clone()
    }

    /// The sockets listened on.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Runs the instance to its end and answers the exit code. `on_ready` is called once, when the dataset is there and
    /// clients are served.
    pub async fn run(mut self, on_ready: impl FnOnce()) -> i32 {
        self.now = clock::now();
        self.node.start(self.now);
        self.settle();
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut armed_us = 0;
        let mut rounds = 0;
        let mut on_ready = Some(on_ready);
        while self.exit.is_none() {
            if !self.again {
                rounds = 0;
                self.arm(&mut timer, &mut armed_us);
                poll_fn(|context| self.poll(context, timer.as_mut())).await;
            } else if rounds >= ROUNDS_IN_A_ROW {
                rounds = 0;
                tokio::task::yield_now().await;
            }
            rounds += 1;
            self.round();
            if self.node.is_ready()
                && let Some(on_ready) = on_ready.take()
            {
                on_ready();
            }
        }
        for (_, connect) in self.connects.drain(..) {
            connect.abort();
        }
        self.jobs.shut_down();
        self.exit.unwrap_or_default()
    }

    /// Sets the timer to the node's deadline.
    fn arm(&mut self, timer: &mut Pin<Box<Sleep>>, armed_us: &mut u64) {
        let deadline_us = self.node.deadline();
        if *armed_us != deadline_us {
            *armed_us = deadline_us;
            let wait = Duration::from_micros(deadline_us.saturating_sub(self.now.mono_us));
            timer.as_mut().reset(Instant::now() + wait);
        }
    }

    /// Waits for whatever comes first.
    fn poll(&mut self, context: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<()> {
        let mut ready = false;
        match self.poller.poll_ready(context) {
            Poll::Ready(Ok(())) => ready = true,
            Poll::Ready(Err(error)) => {
                tracing::warn!("The event loop failed: {error}");
                self.exit = Some(1);
                return Poll::Ready(());
            }
            Poll::Pending => {}
        }
        if let Poll::Ready(event) = self.events.poll_recv(context) {
            ready = true;
            if let Some(event) = event {
                self.handle(event);
            }
        }
        ready |= timer.poll(context).is_ready();
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Name, release and machine, as INFO shows them.
fn operating_system() -> String {
    let uname = rustix::system::uname();
    format!(
        "{} {} {}",
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy()
    )
}

/// Why an engine could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("cannot watch sockets: {0}")]
    Poller(io::Error),
    #[error(transparent)]
    Listen(#[from] ListenError),
}
