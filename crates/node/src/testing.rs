//! A node with one client, driven by hand.

use std::io;
use std::path::{Path, PathBuf};

use backlog::Offset;
use smallvec::SmallVec;

use crate::action::{Action, Completion, ConnId, JobId, SaveJob, SaveReport};
use crate::node::{Boot, Node};
use crate::session::Peer;
use crate::time::Now;

/// No file exists.
struct NoFiles;

impl config::Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn glob(&self, _: &str) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn stdin(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// The options a node starts with unless told otherwise: everything is permitted, and nothing is saved by itself.
const DEFAULTS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];

/// Tests about memory look at what their own thread has allocated.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes that this thread has allocated and not freed.
pub(crate) fn allocated_here() -> u64 {
    use tikv_jemalloc_ctl::thread::{allocatedp, deallocatedp};
    let allocated = allocatedp::read().expect("the allocator counts").get();
    allocated.saturating_sub(deallocatedp::read().expect("the allocator counts").get())
}

/// A node that is ready, and its first client.
pub(crate) struct Fixture {
    pub node: Node,
    pub conn: ConnId,
    pub now: Now,
    clients: u32,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture::with(&[])
    }

    /// With options of the command line.
    pub fn with(options: &[&str]) -> Fixture {
        Fixture::boot(options, Boot::default())
    }

    pub fn boot(options: &[&str], boot: Boot) -> Fixture {
        let args: Vec<String> = DEFAULTS.iter().chain(options).map(|option| (*option).to_owned()).collect();
        let config = config::load(&args, &NoFiles).expect("the options are well-formed").config;
        let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000 };
        let mut node = Node::new(config, boot, now);
        node.start_empty(now);
        let mut fixture = Fixture { node, conn: ConnId::from_u64(0), now, clients: 0 };
        fixture.conn = fixture.client();
        fixture
    }

    /// One more client, of this machine; the n-th comes from port n.
    pub fn client(&mut self) -> ConnId {
        let addr = format!("127.0.0.1:{}", self.clients + 1);
        let laddr = "127.0.0.1:6379".to_owned();
        self.client_from(Peer { addr, laddr, loopback: true, fd: 8, ..Peer::default() })
    }

    pub fn client_from(&mut self, peer: Peer) -> ConnId {
        self.clients += 1;
        self.node.accept(self.now, peer).expect("there is room")
    }

    pub fn eof(&mut self, conn: ConnId) {
        self.node.eof(self.now, conn);
    }

    /// Sends a command of the first client and reads what there is to read.
    pub fn run(&mut self, words: &[&str]) -> String {
        self.run_on(self.conn, words)
    }

    pub fn run_on(&mut self, conn: ConnId, words: &[&str]) -> String {
        self.input(conn, words);
        self.read_from(conn)
    }

    /// Sends a command, and reads nothing.
    pub fn input(&mut self, conn: ConnId, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut request = Vec::new();
        resp::encode_request(&mut request, &words);
        self.node.input(self.now, conn, &request);
        self.node.before_write(self.now);
    }

    /// What the first client can read.
    pub fn read(&mut self) -> String {
        self.read_from(self.conn)
    }

    pub fn read_from(&mut self, conn: ConnId) -> String {
        let mut slices = SmallVec::new();
        self.node.output(conn, &mut slices);
        let bytes = slices.concat();
        drop(slices);
        if !bytes.is_empty() {
            self.node.written(self.now, conn, bytes.len());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Has the node keep a log, as it does once it has had a replica.
    pub fn begin_logging(&mut self) {
        self.node.replication.begin_logging(&mut self.node.rng);
    }

    /// The end of the log.
    pub fn log_end(&self) -> Offset {
        self.node.replication.log.end()
    }

    /// What went into the log behind an offset, with blanks between the lines.
    pub fn log_from(&self, from: Offset) -> String {
        let slices = self.node.replication.log.slices(from).expect("nothing was trimmed");
        let bytes: Vec<u8> = slices.flatten().copied().collect();
        String::from_utf8_lossy(&bytes).replace("\r\n", " ")
    }

    /// Lets time pass, and the node look around.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now.unix_us += ms * 1000;
        self.now.mono_us += ms * 1000;
        self.node.tick(self.now);
    }

    /// What the node has asked for since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.node.take_actions(&mut actions);
        actions
    }

    /// The snapshots among that.
    pub fn saves(&mut self) -> Vec<SaveJob> {
        let saves = self.actions().into_iter().filter_map(|action| match action {
            Action::Save(job) => Some(*job),
            _ => None,
        });
        saves.collect()
    }

    /// Lets the snapshots that were asked for be written; gives how many those were.
    pub fn finish_saves(&mut self) -> usize {
        let saves = self.saves();
        for save in &saves {
            let report = SaveReport { bytes: 1, keys: 0 };
            self.complete(save.id, Completion::Saved(Ok(report)));
        }
        saves.len()
    }

    pub fn complete(&mut self, job: JobId, what: Completion) {
        self.node.complete(self.now, job, what);
    }
}
