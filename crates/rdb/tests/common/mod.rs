//! Real servers to exchange values with.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server in a directory of its own, killed when dropped.
pub struct Server {
    process: Child,
    connection: BufReader<UnixStream>,
}

impl Server {
    /// A Redis of version 7; `None` if none is installed.
    pub fn start(dir: &Path) -> Option<Server> {
        Server::start_program("redis-server", dir)
    }

    /// A server of this name, in `PATH` or where the other tests have theirs; `None` if it is not installed.
    pub fn start_program(name: &str, dir: &Path) -> Option<Server> {
        let peers = std::env::var_os("PEERS").map(PathBuf::from);
        let default = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/tandem-peers"));
        let mut found = peers.into_iter().chain(default).map(|peers| peers.join("bin").join(name));
        let program = found.find(|program| program.is_file()).unwrap_or_else(|| name.into());
        // A socket in the directory instead of a port: nobody else can be there first.
        let socket = dir.join("socket");
        let spawned = Command::new(program)
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--dbfilename",
                "dump.rdb",
                "--enable-debug-command",
                "yes",
                "--dir",
            ])
            .arg(dir)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: no {name}");
                return None;
            }
            Err(error) => panic!("{name} cannot be started: {error}"),
        };
        // The server says on its output when it is ready, or ends.
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut log = String::new();
        loop {
            let start = log.len();
            assert!(output.read_line(&mut log).unwrap() > 0, "{name} does not come up:\n{log}");
            if log[start..].contains("eady to accept connections") {
                break;
            }
        }
        // Its further output must go somewhere, or it would stall.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let connection = BufReader::new(UnixStream::connect(&socket).unwrap());
        Some(Server { process, connection })
    }

    /// Sends a command and returns its reply: the text of a line, or the bytes of a bulk string.
    pub fn call(&mut self, args: &[&[u8]]) -> Option<Vec<u8>> {
        self.send(args);
        let mut all = Vec::new();
        self.read(&mut all);
        all.pop().flatten()
    }

    /// Sends a command, given as one text, and returns all that is in its reply, however deep, in order.
    pub fn ask(&mut self, line: &str) -> Vec<Vec<u8>> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.send(&words);
        let mut all = Vec::new();
        self.read(&mut all);
        all.into_iter().flatten().collect()
    }

    fn send(&mut self, args: &[&[u8]]) {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&request).unwrap();
    }

    fn read(&mut self, all: &mut Vec<Option<Vec<u8>>>) {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let text = line.trim_end();
        match text.split_at(1) {
            ("+" | ":", text) => all.push(Some(text.as_bytes().to_vec())),
            ("$" | "*", "-1") => all.push(None),
            ("*", len) => (0..len.parse::<usize>().unwrap()).for_each(|_| self.read(all)),
            ("$", len) => {
                let mut bytes = vec![0; len.parse::<usize>().unwrap() + 2];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                all.push(Some(bytes));
            }
            _ => panic!("{text}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
