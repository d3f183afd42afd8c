//! From a configuration to a running instance, and to its end.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::thread::JoinHandle;

use config::{Config, Loaded, Settings};
use node::Signal;

use crate::banner;
use crate::crash;
use crate::engine::{Engine, EngineError, Setup};
use crate::event::{Event, EventSender};
use crate::files::reason;
use crate::log::Logger;
use crate::net::ListenError;
use crate::process::{self, PidFile};
use crate::readings::Allocator;
use crate::signals;
use crate::supervise::Supervisor;
use crate::title::Title;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The working directory cannot be entered.
    #[error("Can't chdir to '{dir}': {reason}")]
    Directory {
        /// The directory.
        dir: String,
        /// What the system says.
        reason: String,
    },
    /// The log file cannot be opened.
    #[error("Can't open the log file '{path}': {reason}")]
    LogFile {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The process cannot go to the background.
    #[error("Can't go to the background: {0}")]
    Background(String),
    /// A port, an address or a Unix socket cannot be listened on.
    #[error("{0}")]
    Listen(String),
    /// A user is defined wrongly, or the ACL file cannot be taken.
    #[error("{0}")]
    Users(String),
    /// The certificates or what else TLS needs.
    #[error("{0}")]
    Tls(String),
    /// There is nothing to listen on.
    #[error("Configured to not listen anywhere")]
    NoListener,
    /// The system lacks something else.
    #[error("{0}")]
    System(String),
}

/// What there is to choose beside the configuration.
#[derive(Default)]
pub struct Options {
    /// The program's global allocator.
    pub allocator: Allocator,
    /// Where the log goes; what the configuration says by default.
    pub logger: Option<Logger>,
    /// Sockets that listen already, beside those of the configuration.
    pub listeners: Vec<TcpListener>,
    /// Seed of everything random; a new one by default.
    pub seed: Option<u64>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("listeners", &self.listeners)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Runs a server that the whole process belongs to, and answers the exit code.
///
/// That is: it changes the working directory, goes to the background if it shall, takes over the process's title, writes the process
/// id file, raises the limit of open files, listens for signals, talks to a supervisor, and ends the process on a bug. The process must not have
/// started a thread yet.
///
/// # Errors
///
/// What keeps the server from starting. The reason has been logged already if there was a log by then.
pub fn run(loaded: Loaded, options: Options) -> Result<i32, StartError> {
    let Loaded { mut config, warnings, config_file, .. } = loaded;
    // Before the working directory changes, which is what it is relative to.
    let config_file = config_file.map(|path| std::path::absolute(&path).unwrap_or(path));
    enter_directory(&mut config)?;
    let logger = open_log(config.settings(), options.logger)?;
    let supervisor = Supervisor::find(config.settings().supervised);
    let background = config.settings().daemonize && !supervisor.is_present();
    if background {
        process::go_to_background().map_err(|error| StartError::Background(reason(&error)))?;
    }
    crash::report_panics_to(logger.clone());
    crash::this_thread_is_the_engine();
    tracing::dispatcher::with_default(&logger.dispatch(), || {
        // The allocator's is the first thread.
        let title = Title::take(config.settings(), config_file.as_deref());
        options.allocator.start_background_work();
        announce(&warnings, config_file.as_deref());
        process::check_backlog(config.settings().tcp_backlog);
        let room = process::raise_descriptor_limit(config.settings().maxclients);
        if room < config.settings().maxclients {
            set(&mut config, "maxclients", &room.to_string());
        }
        let pid_file = PidFile::write(config.settings().pidfile.as_deref(), background);
        if banner::is_wanted(config.settings()) {
            logger.raw(&banner::text(config.settings(), std::process::id()));
        }
        let setup = Setup {
            config,
            config_file,
            listeners: options.listeners,
            logger,
            allocator: options.allocator,
            seed: options.seed.unwrap_or_else(|| fastrand::u64(..)),
            owns_process: true,
            title,
        };
        let code = serve(setup, |engine| signals::listen(&engine.sender()), || supervisor.ready());
        supervisor.stopping();
        // When it ended for a reason, the last line of the log is to be that.
        if let (Some(file), Ok(0)) = (pid_file, &code) {
            tracing::info!("Removing the pid file {}.", file.path().display());
        }
        code
    })
}

/// An instance that runs on a thread of this process, for tests and for programs that want a server inside.
///
/// It changes nothing of the process: neither its working directory nor its signals. Several can run at once. Dropped, it
/// ends as by SIGTERM, and its thread is waited for.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    events: EventSender,
    ready: Receiver<()>,
    is_ready: bool,
    thread: Option<JoinHandle<i32>>,
}

impl Server {
    /// Starts an instance, and returns once it listens. It may still be loading its dataset then, and say so to its clients.
    ///
    /// # Errors
    ///
    /// What keeps it from starting.
    pub fn start_in_thread(mut config: Config, options: Options) -> Result<Server, StartError> {
        let dir = absolute_directory(config.settings())?;
        set(&mut config, "dir", &dir);
        let logger = open_log(config.settings(), options.logger)?;
        let (sender, started) = channel();
        let (ready_sender, ready) = channel();
        let failed = sender.clone();
        let run = move || {
            let setup = Setup {
                config,
                config_file: None,
                listeners: options.listeners,
                allocator: options.allocator,
                seed: options.seed.unwrap_or_else(|| fastrand::u64(..)),
                logger: logger.clone(),
                owns_process: false,
                title: None,
            };
            tracing::dispatcher::with_default(&logger.dispatch(), || {
                let listening = |engine: &Engine| {
                    let _ = sender.send(Ok((engine.listeners().tcp_addresses(), engine.sender())));
                };
                let on_ready = move || {
                    let _ = ready_sender.send(());
                };
                serve(setup, listening, on_ready).unwrap_or_else(|error| {
                    let _ = failed.send(Err(error));
                    1
                })
            })
        };
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(run);
        let thread = thread.map_err(|error| StartError::System(reason(&error)))?;
        match started.recv() {
            Ok(Ok((addresses, events))) => {
                Ok(Server { addresses, events, ready, is_ready: false, thread: Some(thread) })
            }
            Ok(Err(error)) => Err(error),
            Err(RecvError) => Err(StartError::System("the engine failed as it started".to_owned())),
        }
    }

    /// The TCP addresses it listens on: given sockets first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until its dataset is loaded and it serves its clients. `false` if it ended before.
    pub fn wait_until_ready(&mut self) -> bool {
        self.is_ready = self.is_ready || self.ready.recv().is_ok();
        self.is_ready
    }

    /// Asks it to end, as SIGTERM or SIGINT would.
    pub fn terminate(&self, signal: Signal) {
        self.events.send(Event::Terminate(signal));
    }

    /// Waits for its end and answers the exit code.
    ///
    /// # Panics
    ///
    /// If the engine did.
    pub fn wait(mut self) -> i32 {
        let thread = self.thread.take().expect("only this and drop take it, once");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.terminate(Signal::Term);
            let _ = thread.join();
        }
    }
}

/// Sets an engine up and runs it to its end on this thread.
fn serve(setup: Setup, listening: impl FnOnce(&Engine), on_ready: impl FnOnce()) -> Result<i32, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System(format!("Cannot start the runtime: {}", reason(&error))))?;
    let port = setup.config.settings().port;
    let code = runtime.block_on(async {
        let engine = Engine::new(setup).map_err(|error| failed_to_start(port, &error))?;
        if engine.listeners().is_empty() {
            tracing::warn!("Configured to not listen anywhere, exiting.");
            return Err(StartError::NoListener);
        }
        listening(&engine);
        tracing::info!("Server initialized");
        let code = engine.run(|| {
            tracing::info!("Ready to accept connections");
            on_ready();
        });
        Ok(code.await)
    });
    // A name that is being resolved may take its time.
    runtime.shutdown_background();
    code
}

fn failed_to_start(port: u16, error: &EngineError) -> StartError {
    tracing::warn!("{error}");
    match error {
        EngineError::Listen(ListenError::Tcp { .. }) => {
            // Tools wait for this very phrase to try another port.
            tracing::warn!("Failed listening on port {port} (tcp), aborting.");
            StartError::Listen(error.to_string())
        }
        EngineError::Listen(ListenError::Unix { .. }) => StartError::Listen(error.to_string()),
        EngineError::Users(_) => StartError::Users(error.to_string()),
        EngineError::Tls(_) => StartError::Tls(error.to_string()),
        EngineError::Poller(_) | EngineError::Randomness(_) => StartError::System(error.to_string()),
    }
}

fn announce(warnings: &[String], config_file: Option<&Path>) {
    let pid = std::process::id();
    tracing::warn!("Tandem version {} is starting, pid {pid}", node::TANDEM_VERSION);
    match config_file {
        Some(path) => tracing::warn!("Configuration loaded from {}", path.display()),
        None => tracing::warn!("No configuration file given: the defaults and the command line are in force"),
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Enters `dir`, and sets it to where that really is.
fn enter_directory(config: &mut Config) -> Result<(), StartError> {
    let dir = absolute_directory(config.settings())?;
    std::env::set_current_dir(&dir)
        .map_err(|error| StartError::Directory { dir: dir.clone(), reason: reason(&error) })?;
    set(config, "dir", &dir);
    Ok(())
}

/// `dir`, without symbolic links and relations.
fn absolute_directory(settings: &Settings) -> Result<String, StartError> {
    let failed = |reason: String| StartError::Directory { dir: settings.dir.clone(), reason };
    let path: PathBuf = std::fs::canonicalize(&settings.dir).map_err(|error| failed(reason(&error)))?;
    path.into_os_string().into_string().map_err(|_| failed("its full name is not UTF-8".to_owned()))
}

fn open_log(settings: &Settings, given: Option<Logger>) -> Result<Logger, StartError> {
    if let Some(logger) = given {
        return Ok(logger);
    }
    let path = &settings.logfile;
    if path.is_empty() {
        return Ok(Logger::stdout(settings.loglevel));
    }
    Logger::file(Path::new(path), settings.loglevel)
        .map_err(|error| StartError::LogFile { path: path.clone(), reason: reason(&error) })
}

/// Sets a directive to a value that it takes, since it comes from the server itself.
fn set(config: &mut Config, name: &str, value: &str) {
    if let Err(error) = config.force(name, value) {
        tracing::warn!("{error}");
    }
}
