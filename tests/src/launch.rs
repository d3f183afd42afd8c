//! What a server is started with.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::process::{Server, answers, fail_with_log, read_log};
use crate::wait::wait_some;

/// How to start a server.
#[derive(Debug)]
pub struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) before: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) port: u16,
    pub(crate) dir: TempDir,
}

/// How a server ended that was not to come up.
#[derive(Debug)]
pub struct Failure {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said.
    pub log: String,
}

impl Launch {
    /// A program that takes Redis's options. Snapshots for replicas begin at once, and pings come each second.
    ///
    /// # Panics
    ///
    /// If there can be no temporary directory.
    #[must_use]
    pub fn new(program: &Path) -> Launch {
        let dir = tempfile::Builder::new().prefix("tandem-test-").tempdir().expect("a temporary directory");
        Launch { program: program.to_owned(), before: Vec::new(), args: Vec::new(), port: free_port(), dir }
            .args(&["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"])
    }

    /// The same without any option of the harness's own but the port, for tests that state all of it.
    #[must_use]
    pub fn bare(program: &Path) -> Launch {
        let mut launch = Launch::new(program);
        launch.args.clear();
        launch
    }

    /// More options.
    #[must_use]
    pub fn args<A: AsRef<str>>(mut self, args: &[A]) -> Launch {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// No save points: nothing is written unless a test says so.
    #[must_use]
    pub fn unsaved(self) -> Launch {
        self.args(&["--save", ""])
    }

    /// A replica of that server.
    #[must_use]
    pub fn follow(self, master: &Server) -> Launch {
        self.follow_port(master.port())
    }

    /// A replica of what listens on that port.
    #[must_use]
    pub fn follow_port(self, port: u16) -> Launch {
        self.args(&["--slaveof", "127.0.0.1", &port.to_string()])
    }

    /// A configuration file, written into the server's directory and given as the first argument.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn config_file(mut self, name: &str, text: &str) -> Launch {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("writing a configuration file");
        self.args.insert(0, path.to_str().expect("a temporary path is UTF-8").to_owned());
        self
    }

    /// A program that becomes the server, such as a shell that sets limits first: the server's own command line follows.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Launch {
        self.before = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The directory it will run in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The port it will listen on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    ///
    /// With its log, if it does not.
    #[must_use]
    pub fn start(self) -> Server {
        let mut server = Server::new(self);
        server.start_again();
        server
    }

    /// Starts it, and waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// If it does not end.
    #[must_use]
    pub fn fail(&self) -> Failure {
        let mut child =
            self.command().spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let status = wait_some("a server that cannot start ends", || {
            let ended = child.try_wait().expect("a child can be waited for");
            if ended.is_none() && answers(self.port) {
                let _ = child.kill();
                fail_with_log(&self.log_path(), "the server has come up");
            }
            ended
        });
        Failure { status, log: read_log(&self.log_path()) }
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.path().join("output.log")
    }

    pub(crate) fn command(&self) -> Command {
        let mut words = self.before.clone();
        words.push(self.program.to_str().expect("a program's path is UTF-8").to_owned());
        words.extend(self.args.iter().cloned());
        words.extend(["--port".to_owned(), self.port.to_string()]);
        let output =
            std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let errors = output.try_clone().expect("a second handle of the log file");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        command
    }
}

/// The server of this workspace, built beside this test.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn tandem_server() -> PathBuf {
    if let Some(path) = std::env::var_os("TANDEM_SERVER") {
        // As whoever has set it sees it, who stands in the workspace.
        return Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    }
    // target/debug/deps/some_test-0123456789abcdef, or without deps for a program of this package
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = folder.join("tandem-server");
    assert!(
        program.is_file(),
        "{} is missing: build it first with `cargo build -p tandem-server` (`make test` does)",
        program.display()
    );
    program
}

/// A port that nobody listens on, and that no other test of this process is given.
///
/// Below the range out of which the system picks ports for outgoing connections.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two test programs that run at once begin at different places.
    let start = (std::process::id() % 119) as u16 * 101;
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}
