//! The program as a process: what it prints, what it leaves behind, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A server in a directory of its own, reached through a Unix socket: no port can be taken by somebody else.
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-server"));
    command.env_remove("NOTIFY_SOCKET");
    command
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

impl Process {
    fn start(extra: &[&str]) -> Process {
        Process::start_with(extra, |_, _| {})
    }

    fn start_with(extra: &[&str], adapt: impl FnOnce(&mut Command, &Path)) -> Process {
        let dir = tempfile::tempdir().unwrap();
        let mut command = program();
        command.current_dir(&dir).args(["--port", "0", "--unixsocket", "socket", "--save", ""]).args(extra);
        adapt(&mut command, dir.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Process { child, stdout, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Reads the standard output up to a line with this text; answers that line.
    fn printed(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "ended without saying {text:?}");
        }
        line
    }

    fn client(&self) -> Client {
        Client(BufReader::new(UnixStream::connect(self.path("socket")).unwrap()))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn ask(&mut self, inline: &str) -> String {
        self.0.get_mut().write_all(format!("{inline}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn version_and_help() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Tandem server v="));
    let output = run(&["-h"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Usage: tandem-server "));
}

#[test]
fn a_bad_configuration_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("redis.conf");
    std::fs::write(&file, "save \"\"\nprot 6379\n").unwrap();
    let output = run(&[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("FATAL CONFIG FILE ERROR"), "{text}");
    assert!(text.contains("redis.conf:2") && text.contains("'port'"), "{text}");
}

#[test]
fn a_missing_directory_stops_the_start() {
    let output = run(&["--dir", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("Can't chdir to '/nonexistent': No such file or directory"), "{text}");
}

#[test]
fn a_port_in_use_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("Failed listening on port {port}")), "{text}");
    assert!(!text.lines().next().unwrap().contains("already in use"), "{text}");
    let output = run(&["--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_title_is_what_the_template_says() {
    let title = |server: &Process| {
        let text = std::fs::read(format!("/proc/{}/cmdline", server.child.id())).unwrap();
        String::from_utf8(text).unwrap().trim_end_matches('\0').to_owned()
    };
    let mut server = Process::start(&["--proc-title-template", "{title} at {listen-addr}"]);
    server.printed("Ready to accept connections");
    let program = env!("CARGO_BIN_EXE_tandem-server");
    assert_eq!(title(&server), format!("{program} at socket"));
    let mut client = server.client();
    let long = "x".repeat(300);
    assert_eq!(client.ask(&format!("CONFIG SET proc-title-template {long}{{port}}")), "+OK");
    let shown = title(&server);
    assert!(shown == format!("{long}0") || shown.starts_with("xxx") && shown.len() > 30, "{shown}");
    assert!(client.ask("CONFIG SET proc-title-template {nonsense}").contains("template format is invalid"));
    // What stood there before is still in force: the environment has only moved.
    assert_eq!(client.ask("PING"), "+PONG");
    drop(server);
    let mut server = Process::start(&["--set-proc-title", "no"]);
    server.printed("Ready to accept connections");
    assert!(title(&server).starts_with(&format!("{program}\0--port\0")));
}

#[test]
fn the_phrases_tools_wait_for_come_in_order() {
    let mut server = Process::start(&["--always-show-logo", "yes"]);
    let pid = server.child.id();
    server.printed(&format!(" PID: {pid}\n"));
    server.printed("Server initialized");
    let line = server.printed("Ready to accept connections");
    assert!(line.starts_with(&format!("{pid}:M ")) && line.contains(" * "), "{line}");
    assert_eq!(server.client().ask("PING"), "+PONG");
    server.signal(Signal::TERM);
    let (status, rest) = server.wait();
    assert!(status.success());
    assert!(rest.contains("bye bye"), "{rest}");
}

#[test]
fn the_log_is_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing to listen on: it ends by itself, and says so in the log alone.
    let run = || program().current_dir(&dir).args(["--port", "0", "--logfile", "log"]).output().unwrap();
    let output = run();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let once = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(once.contains(" is starting"), "{once}");
    run();
    let twice = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(twice.starts_with(&once) && twice.len() > once.len(), "{twice}");
}

#[test]
fn a_process_id_file_for_as_long_as_it_runs() {
    let mut server = Process::start(&["--pidfile", "tandem.pid"]);
    server.printed("Ready to accept connections");
    let path = server.path("tandem.pid");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", server.child.id()));
    server.signal(Signal::INT);
    let Process { child, dir, .. } = &mut server;
    assert!(child.wait().unwrap().success());
    assert!(!path.exists() && !dir.path().join("socket").exists());
}

#[test]
fn signals_that_do_not_end_it() {
    let mut server = Process::start(&[]);
    server.printed("Ready to accept connections");
    server.signal(Signal::HUP);
    server.signal(Signal::PIPE);
    server.signal(Signal::ALARM);
    server.printed("Received SIGALRM");
    assert_eq!(server.client().ask("PING"), "+PONG");
}

#[test]
fn a_second_interrupt_does_not_wait_for_the_save() {
    // A key takes an hour to save.
    let slow = ["--save", "3600 1", "--rdb-key-save-delay", "2000000000"];
    let mut server = Process::start(&slow);
    server.printed("Ready to accept connections");
    assert_eq!(server.client().ask("SET key value"), "+OK");
    server.signal(Signal::INT);
    server.printed("Saving the final RDB snapshot");
    server.signal(Signal::INT);
    server.printed("Interrupted a second time");
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
    // That there was a dataset may be known (see docs/replication.md), half a dump must not be left.
    let mut left: Vec<_> =
        std::fs::read_dir(&server.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| name != "dump.rdb.held");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn systemd_hears_that_it_is_ready() {
    let mut socket = None;
    let server = Process::start_with(&["--supervised", "auto", "--daemonize", "yes"], |command, dir| {
        let path = dir.join("notify");
        socket = Some(UnixDatagram::bind(&path).unwrap());
        command.env("NOTIFY_SOCKET", path);
    });
    let mut text = [0; 256];
    let len = socket.unwrap().recv(&mut text).unwrap();
    assert!(String::from_utf8_lossy(&text[..len]).contains("READY=1"));
    // Under a supervisor it stays in the foreground.
    assert_eq!(server.client().ask("PING"), "+PONG");
}

/// The session that a process belongs to, as its line in `/proc` has it: 0 for one led from outside a container, which the
/// test itself may well be in.
fn session_of(process: &str) -> String {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may hold anything: state, parent, process group, session.
    let (_, fields) = line.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let status = program()
        .current_dir(&dir)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "yes"])
        .args(["--pidfile", "tandem.pid", "--logfile", "log"])
        .status()
        .unwrap();
    assert!(status.success(), "the process that was started ends at once");
    let mut client = loop {
        // It has gone on by itself, and will listen soon.
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    let pid: i32 = std::fs::read_to_string(dir.path().join("tandem.pid")).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    assert_ne!(session_of(&pid.as_raw_nonzero().to_string()), session_of("self"));
    client.write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert_eq!(client.read(&mut [0; 64]).unwrap(), 0, "closed");
    while dir.path().join("tandem.pid").exists() {
        std::thread::yield_now();
    }
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains(&format!("{}:M ", pid.as_raw_nonzero())), "{log}");
}

#[test]
fn a_descriptor_limit_that_is_too_low_lowers_maxclients() {
    let dir = tempfile::tempdir().unwrap();
    // The administrator's processes could raise the limit again, unless they lose the right to.
    let script = "ulimit -S -n 100 && ulimit -H -n 200 || exit 9
        test $(id -u) = 0 && exec setpriv --bounding-set -all \"$0\" \"$@\"
        exec \"$0\" \"$@\"";
    let mut child = Command::new("sh")
        .current_dir(&dir)
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_tandem-server"))
        .args(["--port", "0", "--unixsocket", "socket", "--save", ""])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("Ready to accept connections") {
        assert!(stdout.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(text.contains("maxclients is 168 now"), "{text}");
}
