//! The replication guide does what it says: its files are written, its commands run in their order, and what they print is
//! what the guide shows.
//!
//! In docs/replication-guide.md a block marked `conf` is a file, named by the comment in its first line; a block marked
//! `console` is a session: lines behind `$ ` are commands, the others their output. Ports 6380 to 6382 stand for free ones.
//! What differs from run to run, ids and offsets, is not compared; an output line `...` stands for any lines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use harness::launch::{free_port, tandem_server};
use harness::peers;
use harness::wait::{PATIENCE, wait};

/// The ports of the guide.
const PORTS: [&str; 3] = ["6380", "6381", "6382"];

/// A part of the guide.
#[derive(Clone, Debug, PartialEq)]
enum Block {
    File { name: String, text: String },
    Session(Vec<Step>),
}

/// A command and what it prints.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    command: String,
    output: Vec<String>,
}

/// The blocks of a guide.
fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "conf" => {
                let name = body[0].strip_prefix("# ").expect("the first line of a file names it").to_owned();
                blocks.push(Block::File { name, text: body.join("\n") + "\n" });
            }
            "console" => blocks.push(Block::Session(steps(&body))),
            _ => {}
        }
    }
    blocks
}

fn steps(body: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in body {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: Vec::new() }),
            (None, Some(step)) => step.output.push((*line).to_owned()),
            (None, None) => panic!("output before the first command: {line}"),
        }
    }
    steps
}

fn guide(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where the commands run.
struct Shell {
    dir: tempfile::TempDir,
    ports: [String; 3],
    path: String,
}

impl Shell {
    fn new(cli: &Path) -> Shell {
        let folder =
            |program: &Path| program.parent().map(PathBuf::from).unwrap_or_default().display().to_string();
        let rest = std::env::var("PATH").unwrap_or_default();
        Shell {
            dir: tempfile::tempdir().unwrap(),
            ports: PORTS.map(|_| free_port().to_string()),
            path: format!("{}:{}:{rest}", folder(&tandem_server()), folder(cli)),
        }
    }

    /// A text of the guide with the ports of this run.
    fn to_ours(&self, text: &str) -> String {
        PORTS.iter().zip(&self.ports).fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    /// The other way round.
    fn to_theirs(&self, text: &str) -> String {
        PORTS.iter().zip(&self.ports).fold(text.to_owned(), |text, (theirs, ours)| text.replace(ours, theirs))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(self.to_ours(name)), self.to_ours(text)).unwrap();
    }

    /// Runs a command as on a terminal, where the client shows types.
    fn run(&self, command: &str) -> Vec<String> {
        let script =
            format!("redis-cli() {{ command redis-cli --no-raw \"$@\"; }}\n{}", self.to_ours(command));
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("PATH", &self.path)
            .current_dir(&self.dir)
            .output()
            .expect("there is a shell");
        let text = [output.stdout, output.stderr].concat();
        let text = self.to_theirs(&String::from_utf8_lossy(&text));
        text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
    }

    /// Runs a command until it prints what it shall. What changes something runs only once.
    fn check(&self, step: &Step) {
        let started = Instant::now();
        loop {
            let output = self.run(&step.command);
            if matches(&step.output, &output) {
                break;
            }
            assert!(
                only_looks(&step.command) && started.elapsed() < PATIENCE,
                "$ {}\nprints\n{}\nand the guide shows\n{}\n{}",
                step.command,
                output.join("\n"),
                step.output.join("\n"),
                self.logs()
            );
        }
        // The next command may start an instance on the same port.
        if step.command.contains("SHUTDOWN") {
            for (theirs, ours) in PORTS.iter().zip(&self.ports) {
                if step.command.contains(theirs) {
                    let file = self.dir.path().join(format!("{ours}.pid"));
                    wait("the instance has ended", || !file.exists());
                }
            }
        }
        // An instance in the background is ready a moment after its command has returned.
        if step.command.starts_with("tandem-server ") {
            for (theirs, ours) in PORTS.iter().zip(&self.ports) {
                if step.command.contains(&format!(" {theirs}.conf")) {
                    let port = ours.parse().expect("a port");
                    wait("the instance has loaded what it held", || {
                        harness::client::Client::try_connect(port)
                            .is_ok_and(|mut client| !client.run("PING").starts_with("-LOADING "))
                    });
                }
            }
        }
    }

    fn logs(&self) -> String {
        let log = |port: &String| {
            let text =
                std::fs::read_to_string(self.dir.path().join(format!("{port}.log"))).unwrap_or_default();
            format!("--- {port}.log\n{text}")
        };
        self.to_theirs(&self.ports.iter().map(log).collect::<String>())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for port in &self.ports {
            let pid = std::fs::read_to_string(self.dir.path().join(format!("{port}.pid")));
            let pid = pid.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?));
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Whether a command may be repeated.
fn only_looks(command: &str) -> bool {
    ["INFO", "GET", "ROLE", "DBSIZE", "EXISTS", "TTL"]
        .iter()
        .any(|word| command.split(' ').any(|w| w == *word))
}

/// Whether a command's output is the one shown.
fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skip| matches(rest, &printed[skip..]))
        }
        Some((first, rest)) => {
            printed.first().is_some_and(|line| steady(line) == steady(first)) && matches(rest, &printed[1..])
        }
    }
}

/// A line without what differs from run to run: ids, offsets, seconds.
fn steady(line: &str) -> String {
    const VARYING: [&str; 9] =
        ["offset=", "lag=", "_offset:", "histlen:", "_ago:", "_seconds:", "sent=", "received=", "applied="];
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let skip = if hex == 40 && !rest.starts_with("0000000000") {
            hex
        } else if VARYING.iter().any(|name| out.ends_with(name)) {
            digits
        } else {
            0
        };
        if skip > 0 {
            out.push('#');
            rest = &rest[skip..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[test]
fn the_guide_does_what_it_says() {
    let Some(cli) = peers::redis_cli() else { return };
    let shell = Shell::new(&cli);
    let blocks = blocks(&guide("docs/replication-guide.md"));
    let mut commands = 0;
    for block in &blocks {
        match block {
            Block::File { name, text } => shell.write(name, text),
            Block::Session(steps) => {
                for step in steps {
                    shell.check(step);
                    commands += 1;
                }
            }
        }
    }
    assert!(commands > 30, "{commands} commands have been found");
}

#[test]
fn the_chinese_guide_shows_the_same() {
    let (english, chinese) =
        (blocks(&guide("docs/replication-guide.md")), blocks(&guide("docs/zh/replication-guide.md")));
    for (number, (english, chinese)) in (1..).zip(english.iter().zip(&chinese)) {
        assert_eq!(english, chinese, "block {number}");
    }
    assert_eq!(english.len(), chinese.len());
}

#[test]
fn a_guide_that_is_wrong_would_be_noticed() {
    let shown = ["a:1".to_owned(), "...".to_owned(), "master_repl_offset:12".to_owned()];
    let printed = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(matches(&shown, &printed(&["a:1", "master_repl_offset:99"])));
    assert!(matches(&shown, &printed(&["a:1", "b", "c", "master_repl_offset:99"])));
    assert!(!matches(&shown, &printed(&["a:2", "master_repl_offset:99"])));
    assert!(!matches(&shown, &printed(&["a:1", "master_repl_offset:99", "more"])));
    assert!(!matches(&shown, &printed(&["a:1"])));
    assert_eq!(
        steady("slave0:ip=127.0.0.1,port=6381,offset=7,lag=12"),
        "slave0:ip=127.0.0.1,port=6381,offset=#,lag=#"
    );
    assert_eq!(steady(&format!("master_replid:{}", "8f".repeat(20))), "master_replid:#");
    let zero = format!("master_replid2:{}", "0".repeat(40));
    assert_eq!(steady(&zero), zero, "no id is not an id");
    assert_eq!(steps(&["$ a", "1", "2", "$ b"]).len(), 2);
}
