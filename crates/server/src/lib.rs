//! The tokio adapter of Tandem: everything around a [`node::Node`] that touches the world.
//!
//! A node takes bytes and time and gives bytes and wishes. This crate owns what these come from and go to: sockets, files,
//! threads, signals, clocks, the log. [`run`] is a whole server process; [`Server`] is an instance on a thread of another
//! program:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! let dir = tempfile::tempdir()?;
//! let args = ["--port", "0", "--save", "", "--dir", dir.path().to_str().unwrap()].map(String::from);
//! let config = config::load(&args, &server::DiskFiles)?.config;
//!
//! // Port 0 means none, so the socket is given: the system has chosen its port.
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let logger = server::Logger::writer(Box::new(std::io::sink()), config::LogLevel::Nothing);
//! let options = server::Options { listeners: vec![listener], logger: Some(logger), ..Default::default() };
//! let mut server = server::Server::start_in_thread(config, options)?;
//! assert!(server.wait_until_ready());
//!
//! let mut client = TcpStream::connect(server.addresses()[0])?;
//! client.write_all(b"ECHO hello\r\n")?;
//! let mut reply = [0; 11];
//! client.read_exact(&mut reply)?;
//! assert_eq!(&reply, b"$5\r\nhello\r\n");
//!
//! server.terminate(node::Signal::Term);
//! assert_eq!(server.wait(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! One thread, the engine, owns the node and all client sockets. The sockets are watched, for edges, by an epoll instance of our
//! own, and so is the bell by which jobs and signals speak to the engine. A wait is one system call, and what it finds is served
//! in one round (`engine/round.rs`):
//!
//! ```text
//!   wait for: sockets | the bell | the node's deadline
//!      │
//!      ▼
//!   read each ready socket once ──► Node::foresee ──► Node::input
//!      ▲                                                  │
//!      │                                                  ▼
//!      └──────── carry out actions ◄── write all replies ◄── Node::before_write
//! ```
//!
//! All that is one future of a current-thread tokio runtime, which has the signals and opens connections. It gets its turn ten
//! times a second; while a connection is being opened, the engine waits in the runtime instead, where its epoll instance is one
//! descriptor among others.
//!
//! What takes long has a thread of its own for as long as it lasts (`jobs.rs`): writing and reading snapshots, keeping what a
//! master sends, rewriting the configuration, freeing memory. Names are resolved on the runtime's thread pool. Nothing on
//! the engine thread waits for a disk or a peer.
//!
//! The crate runs on Linux.
#![deny(unsafe_code)]

mod aof;
mod banner;
mod clock;
mod crash;
mod engine;
mod event;
mod files;
mod jobs;
mod log;
mod mapped;
mod memory;
mod net;
mod process;
mod progress;
mod readings;
mod signals;
mod start;
mod supervise;
mod sys;
mod title;
mod tls;

pub use files::DiskFiles;
pub use log::{LogLayer, Logger};
pub use readings::Allocator;
pub use start::{Options, Server, StartError, run};
