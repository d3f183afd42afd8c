//! How long the start of a background save keeps clients waiting.
//!
//! ```text
//! cargo run --release -p tandem-benches --bin bgsave -- tandem-server 10000000
//! ```
//!
//! Fills a server of its own with so many keys, then saves ten times. Each time it prints what the server says that the freeze took, when
//! BGSAVE was answered, and how long the slowest of the requests waited that another client sent one after the other, for 50 ms from
//! there on and, for comparison, when nothing was being saved.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SAVES: usize = 10;
const WATCH: Duration = Duration::from_millis(50);

/// A server that ends with this value.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is of no use any more; should it be gone already, all the better.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(program: &str, dir: &std::path::Path) -> io::Result<Server> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--save", "", "--enable-debug-command", "local", "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Server { child, port })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Sends a line and gives what comes back at once: all of it, for replies as short as these.
fn ask(stream: &mut TcpStream, line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    let mut buffer = [0; 64 * 1024];
    let len = stream.read(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
    if text.starts_with('-') || len == 0 { Err(io::Error::other(text)) } else { Ok(text) }
}

fn field(stream: &mut TcpStream, section: &str, name: &str) -> io::Result<u64> {
    let text = ask(stream, &format!("INFO {section}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok()).ok_or_else(|| io::Error::other(format!("no {name}")))
}

/// The slowest of requests in a row.
fn slowest(stream: &mut TcpStream) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < WATCH {
        let sent = Instant::now();
        ask(stream, "PING")?;
        slowest = slowest.max(sent.elapsed());
    }
    Ok(slowest)
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [program, keys] = &args[..] else {
        eprintln!("usage: bgsave tandem-server keys");
        std::process::exit(2);
    };
    let dir = std::env::temp_dir().join(format!("bgsave-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let server = Server::start(program, &dir)?;
    let (mut saver, mut other) = (server.connect()?, server.connect()?);
    ask(&mut saver, &format!("DEBUG POPULATE {keys} key 32"))?;
    println!("{keys} keys; microseconds");
    println!(
        "| freeze | answer to BGSAVE | slowest request behind it | slowest while idle |\n|---|---|---|---|"
    );
    for _ in 0..SAVES {
        let idle = slowest(&mut other)?;
        let sent = Instant::now();
        ask(&mut saver, "BGSAVE")?;
        let answer = sent.elapsed();
        let behind = slowest(&mut other)?;
        while field(&mut saver, "persistence", "rdb_bgsave_in_progress")? != 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        let freeze = field(&mut saver, "stats", "latest_fork_usec")?;
        println!("| {freeze} | {} | {} | {} |", answer.as_micros(), behind.as_micros(), idle.as_micros());
    }
    drop(server);
    std::fs::remove_dir_all(dir)
}
