//! A server process: ours, or one of others.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::launch::{Launch, tandem_server};
use crate::wait::{wait, wait_eq, wait_seeing, wait_some};

/// A running server with a directory of its own, which ends and vanishes with this value.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    child: Option<Child>,
}

impl Server {
    /// Our server, about to start.
    ///
    /// # Panics
    ///
    /// If it has not been built.
    #[must_use]
    pub fn tandem() -> Launch {
        Launch::new(&tandem_server())
    }

    /// A server of others, about to start.
    #[must_use]
    pub fn peer(program: &Path) -> Launch {
        Launch::new(program).args(&["--appendonly", "no"])
    }

    pub(crate) fn new(launch: Launch) -> Server {
        Server { launch, child: None }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.launch.port
    }

    /// Where it runs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.launch.dir.path()
    }

    /// A file in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// What it has written to its standard output and error.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.launch.log_path())
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Starts it on its directory, and waits until it answers.
    ///
    /// # Panics
    ///
    /// With its log, if it does not; or if it runs already.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let child = self.launch.command().spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", self.launch.program.display()));
        let child = self.child.insert(child);
        let port = self.launch.port;
        let log_path = self.launch.log_path();
        wait("the server answers PING", || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                fail_with_log(&log_path, &format!("the server has ended: {status}"));
            }
            answers(port)
        });
    }

    /// Starts it on its directory, and waits until it has ended by itself; what it said.
    ///
    /// # Panics
    ///
    /// If it does not end, or runs already.
    #[must_use]
    pub fn fail_to_start_again(&self) -> String {
        assert!(self.child.is_none(), "the server runs already");
        self.launch.fail().log
    }

    /// As [`Server::fail_to_start_again`], with more options, which a later start does not have.
    ///
    /// # Panics
    ///
    /// If it does not end, or runs already.
    pub fn start_fails_with(&mut self, args: &[&str]) -> String {
        let before = self.launch.args.len();
        self.launch.args.extend(args.iter().map(|&arg| arg.to_owned()));
        let log = self.fail_to_start_again();
        self.launch.args.truncate(before);
        log
    }

    /// As [`Server::start_again`], with more options.
    pub fn start_again_with(&mut self, args: &[&str]) {
        self.launch.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self.start_again();
    }

    /// A new connection.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.port())
    }

    /// Runs one line on a connection of its own; see [`Client::run`].
    #[must_use]
    pub fn run(&self, line: &str) -> String {
        self.client().run(line)
    }

    /// Runs lines on one connection, all of which must be answered with OK.
    ///
    /// # Panics
    ///
    /// If one is not.
    pub fn ok(&self, lines: &[&str]) {
        let mut client = self.client();
        for line in lines {
            assert_eq!(client.run(line), "OK", "{line}");
        }
    }

    /// One field of INFO, empty if there is none.
    #[must_use]
    pub fn info(&self, field: &str) -> String {
        self.client().info("everything").remove(field).unwrap_or_default()
    }

    /// One numeric field of INFO.
    ///
    /// # Panics
    ///
    /// If it is not there.
    #[must_use]
    pub fn count(&self, field: &str) -> u64 {
        let text = self.info(field);
        text.parse().unwrap_or_else(|_| panic!("{field} is {text:?}"))
    }

    /// The replication id and offset.
    #[must_use]
    pub fn position(&self) -> (String, u64) {
        let info = self.client().info("replication");
        (info["master_replid"].clone(), info["master_repl_offset"].parse().expect("an offset is a number"))
    }

    /// Waits until this replica's link to its master is up.
    ///
    /// # Panics
    ///
    /// If it does not come up.
    pub fn wait_for_link(&self) {
        let mut client = self.client();
        wait_eq("up", || client.info("replication").remove("master_link_status").unwrap_or_default());
    }

    /// Waits until this replica has everything that `master` has written so far.
    ///
    /// # Panics
    ///
    /// If it does not get it.
    pub fn wait_for_offset_of(&self, master: &Server) {
        let (id, offset) = master.position();
        let mut client = self.client();
        wait_seeing("the replica catches up", || {
            let info = client.info("replication");
            let is = |field: &str, value: &str| info.get(field).is_some_and(|found| found == value);
            let applied = info["master_repl_offset"].parse::<u64>().is_ok_and(|applied| applied >= offset);
            let caught_up = is("master_link_status", "up") && is("master_replid", &id) && applied;
            if caught_up { Ok(()) } else { Err(info) }
        });
    }

    /// Waits for its link to `master` and for everything written there so far, then compares all keys.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn assert_same_data_as(&self, master: &Server) {
        self.wait_for_link();
        self.wait_for_offset_of(master);
        crate::dataset::assert_equal(master.port(), self.port());
    }

    /// Makes it a replica of that server.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub fn replicate(&self, master: &Server) {
        assert_eq!(self.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("the server runs"));
        kill_process(pid, signal).expect("a child can be signalled");
    }

    /// Stops it where it is: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let mut child = self.child.take().expect("the server runs");
        child.wait().expect("a child can be waited for");
    }

    /// Ends it by SIGTERM, as an operator would, and answers how it ended.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_for_end()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the server runs");
        let status = wait_some("the server ends", || child.try_wait().expect("a child can be waited for"));
        self.child = None;
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!(
                "--- log of {} on port {}:\n{}",
                self.launch.program.display(),
                self.port(),
                tail(&self.log())
            );
        }
    }
}

/// Whether a server answers PING there, if only to ask for a password.
pub(crate) fn answers(port: u16) -> bool {
    let Ok(mut client) = Client::try_connect(port) else { return false };
    if client.send_raw(b"PING\r\n").is_err() {
        return false;
    }
    client.try_receive().is_ok_and(|reply| {
        let text = crate::client::show(&reply);
        ["PONG", "-NOAUTH", "-MASTERDOWN"].iter().any(|start| text.starts_with(start))
    })
}

pub(crate) fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

pub(crate) fn fail_with_log(path: &Path, what: &str) -> ! {
    panic!("{what}\n{}", tail(&read_log(path)))
}

/// The end of a log, where the reason of a failure stands.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
