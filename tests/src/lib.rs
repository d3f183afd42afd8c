//! What the whole-system tests share.
//!
//! [`sim`] runs whole instances in virtual time. Everything else is for real processes over real sockets: [`process`] starts
//! and ends them, [`client`] talks to them, [`stream`] reads what a master sends its replicas, [`relay`] stands between
//! two of them and can be cut, [`wait`] waits for what has to become true, and [`peers`] finds the servers of others that
//! ours is held against.
//!
//! ```no_run
//! use harness::process::Server;
//!
//! let master = Server::tandem().start();
//! let replica = Server::tandem().follow(&master).start();
//! replica.wait_for_link();
//! assert_eq!(master.run("SET greeting hello"), "OK");
//! replica.wait_for_offset_of(&master);
//! assert_eq!(replica.run("GET greeting"), "hello");
//! ```

pub mod changes;
pub mod client;
pub mod dataset;
pub mod grammar;
pub mod launch;
pub mod peers;
pub mod process;
pub mod relay;
pub mod sim;
pub mod stream;
pub mod wait;
