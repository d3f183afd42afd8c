//! The engine: one thread that owns the node, the client sockets and the loop over them.
//!
//! One round is: wait for sockets, news from jobs and signals, or the node's deadline; read each ready socket once into one
//! shared buffer and hand the bytes to the node; let the node hand its log to those who read it; write all replies; carry out
//! what else the node wants.
//!
//! The loop is one future of a current-thread runtime. It waits in its own poller, which costs one system call a round, as long
//! as that is all there is to wait for; in between the runtime gets its turn often enough for signals. While a connection is
//! being opened, which is a task of the runtime, the loop waits in the runtime instead.

mod actions;
mod round;
mod sockets;
mod tls;
mod trial;

use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Settings;
use node::{Action, Boot, ConnId, Node, Now};

use crate::clock;
use crate::event::{EventSender, Events, event_channel};
use crate::files::reason;
use crate::jobs::{self, Jobs};
use crate::log::Logger;
use crate::net::{ListenError, Listeners, Poller, Token, Waited, Watch};
use crate::readings::{Allocator, Readings};
use crate::title::Title;
use crate::tls::{Context, Handshakes, TlsError};
use round::{ReadBuffer, Unfinished};
use sockets::Sockets;
pub(crate) use trial::Trial;

/// How often the runtime gets its turn while the engine waits by itself: signals are noticed so late at worst.
const RUNTIME_EVERY_US: u64 = 100_000;
/// The same while a connection is being opened and clients keep the engine busy.
const RUNTIME_EVERY_US_CONNECTING: u64 = 1_000;

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
    pub title: Option<Title>,
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
    events: Events,
    events_sender: EventSender,
    connects: Vec<(ConnId, tokio::task::AbortHandle)>,
    /// What new TLS connections are made with, once it is needed, and the thread that makes them.
    tls: Option<Arc<Context>>,
    handshakes: Option<Handshakes>,
    next_tls_look_us: u64,
    logger: Logger,
    readings: Readings,
    next_readings_us: u64,
    buffer: ReadBuffer,
    unfinished: Unfinished,
    /// Reused between rounds, as is the next one.
    writable: Vec<ConnId>,
    actions: Vec<Action>,
    /// The settings as the engine last acted on them.
    settings: Settings,
    now: Now,
    /// When the runtime had its last turn.
    runtime_us: u64,
    /// When the last SIGINT or SIGTERM came.
    interrupted_us: Option<u64>,
    exit: Option<i32>,
    owns_process: bool,
    title: Option<Title>,
}

impl Engine {
    /// Opens the sockets and makes the node. Must be called inside the runtime that [`Engine::run`] will run in.
    pub fn new(setup: Setup) -> Result<Engine, EngineError> {
        let Setup { config, config_file, listeners, logger, allocator, seed, owns_process, title } = setup;
        let settings = config.settings().clone();
        let poller = Poller::new().map_err(EngineError::Poller)?;
        let (events_sender, events) = event_channel().map_err(EngineError::Poller)?;
        poller.add(events.bell(), Token::Bell, Watch::Reads).map_err(EngineError::Poller)?;
        let tls = match Context::is_needed(&settings) {
            true => Some(Arc::new(Context::load(&settings)?)),
            false => None,
        };
        let handshakes = match &tls {
            Some(_) => Some(Handshakes::start(events_sender.clone()).map_err(EngineError::Poller)?),
            None => None,
        };
        let listeners = Listeners::open(&settings, listeners)?;
        let now = clock::now();
        let boot = Boot {
            seed,
            pid: std::process::id(),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            config_file,
            os: operating_system(),
            clock_ns: clock::monotonic_ns,
            secret: secret().map_err(EngineError::Randomness)?,
            acl_file: acl_file(&settings)?,
            held: std::fs::read(node::held_path(&settings)).ok(),
            has_no_dump: matches!(node::dump_path(&settings).try_exists(), Ok(false)),
            memory_used: crate::memory::used,
            allocator_report: match allocator {
                Allocator::Jemalloc => crate::memory::report,
                Allocator::Unknown => || None,
            },
        };
        node::check_users(&config, boot.acl_file.as_deref()).map_err(EngineError::Users)?;
        crate::jobs::spill::remove_leftovers(std::path::Path::new(&config.settings().dir));
        let mut engine = Engine {
            node: Node::new(config, boot, now),
            sockets: Sockets::default(),
            poller,
            listeners,
            resting: false,
            jobs: Jobs::new(events_sender.clone(), tracing::dispatcher::get_default(Clone::clone)),
            events,
            events_sender,
            connects: Vec::new(),
            tls,
            handshakes,
            next_tls_look_us: now.mono_us,
            logger,
            readings: Readings::new(allocator),
            next_readings_us: now.mono_us,
            buffer: ReadBuffer::new(),
            unfinished: Unfinished::default(),
            writable: Vec::new(),
            actions: Vec::new(),
            settings,
            now,
            runtime_us: now.mono_us,
            interrupted_us: None,
            exit: None,
            owns_process,
            title,
        };
        engine.watch_listeners();
        engine.show_title();
        engine.logger.set_role(engine.node.role_letter());
        Ok(engine)
    }

    fn show_title(&mut self) {
        if let Some(title) = &mut self.title {
            title.show(&self.settings);
        }
    }

    /// Where to send the engine a message.
    pub fn sender(&self) -> EventSender {
        self.events_sender.clone()
    }

    /// The sockets listened on.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Runs the instance to its end and answers the exit code. `on_ready` is called once, when the dataset is there and
    /// clients are served.
    pub async fn run(mut self, on_ready: impl FnOnce()) -> i32 {
        jobs::step_forward();
        self.now = clock::now();
        self.node.start(self.now);
        self.settle();
        let mut on_ready = Some(on_ready);
        while self.exit.is_none() {
            let waited = self.round(self.patience());
            if self.node.is_ready()
                && let Some(on_ready) = on_ready.take()
            {
                on_ready();
            }
            if !self.connects.is_empty() && waited == Waited::Events(0) && self.unfinished.is_empty() {
                self.wait_in_runtime().await;
            } else if waited == Waited::Interrupted
                || self.now.mono_us - self.runtime_us >= self.runtime_every_us()
            {
                self.yield_to_runtime().await;
            }
        }
        for (_, connect) in self.connects.drain(..) {
            connect.abort();
        }
        // Nobody is to connect any more whom the end of the process would cut off.
        drop(self.listeners);
        self.jobs.shut_down();
        if self.owns_process {
            // The system takes the memory back at once; to free millions of keys one by one takes as long as to load them.
            std::mem::forget(self.node);
        }
        self.exit.unwrap_or_default()
    }

    /// How long the next round may wait on its own.
    fn patience(&self) -> Duration {
        if !self.unfinished.is_empty() || !self.connects.is_empty() {
            Duration::ZERO
        } else {
            self.until_deadline()
        }
    }

    fn until_deadline(&self) -> Duration {
        Duration::from_micros(self.node.deadline().saturating_sub(self.now.mono_us))
    }

    fn runtime_every_us(&self) -> u64 {
        if self.connects.is_empty() { RUNTIME_EVERY_US } else { RUNTIME_EVERY_US_CONNECTING }
    }

    /// Waits for the sockets and for the runtime's tasks together.
    async fn wait_in_runtime(&mut self) {
        self.runtime_us = self.now.mono_us;
        // Late is as good as something to do: both are found out in the next round.
        if let Ok(Err(error)) =
            tokio::time::timeout(self.until_deadline(), self.poller.wait_in_runtime()).await
        {
            tracing::warn!("The event loop failed: {}", crate::files::reason(&error));
            self.exit = Some(1);
        }
    }

    /// Lets the runtime look at its own descriptors, and the tasks run that it wakes then.
    async fn yield_to_runtime(&mut self) {
        self.runtime_us = self.now.mono_us;
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
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

/// Random bytes that nobody can guess.
fn secret() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What stands in the ACL file, if the configuration names one.
fn acl_file(settings: &Settings) -> Result<Option<Vec<u8>>, EngineError> {
    let Some(name) = &settings.aclfile else { return Ok(None) };
    let failed = |error: io::Error| {
        EngineError::Users(format!("Error loading ACLs, opening file '{name}': {}", reason(&error)))
    };
    std::fs::read(Path::new(&settings.dir).join(name)).map(Some).map_err(failed)
}

/// Why an engine could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("cannot watch sockets: {0}")]
    Poller(io::Error),
    #[error("cannot read /dev/urandom: {0}")]
    Randomness(io::Error),
    #[error("Aborting the start because of ACL errors: {0}")]
    Users(String),
    #[error("Failed to configure TLS: {0}")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}
