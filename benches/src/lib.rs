//! Whole instances without sockets: what the benchmarks drive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use node::snapshot::{SnapshotLoader, SnapshotWriter};
use node::{Action, Boot, Completion, ConnId, JobId, LoadSource, Node, Now, Peer, SaveReport, SaveTarget};
use smallvec::SmallVec;

/// A moment; the benchmarks let no time pass.
pub const NOW: Now = Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000 };

/// A real clock, so that what it costs to read it is measured too.
fn clock_ns() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// An instance with an empty dataset and these options.
pub fn instance(options: &[&str]) -> Node {
    let mut args: Vec<String> =
        ["--save", "", "--protected-mode", "no"].iter().map(|&word| word.to_owned()).collect();
    args.extend(options.iter().map(|&word| word.to_owned()));
    let config = config::load(&args, &config::NoFiles).expect("the options are right").config;
    let mut node = Node::new(config, Boot { seed: 1, clock_ns, ..Boot::default() }, NOW);
    node.start_empty(NOW);
    node
}

/// A client of an instance.
pub fn client(node: &mut Node) -> ConnId {
    node.accept(NOW, Peer::default()).expect("there is room")
}

/// Hands requests over and throws the replies away; returns how many bytes those were.
pub fn run(node: &mut Node, client: ConnId, requests: &[u8]) -> usize {
    node.input(NOW, client, requests);
    node.before_write(NOW);
    let mut listed = Vec::new();
    node.take_writable(&mut listed);
    drain(node, client)
}

fn drain(node: &mut Node, conn: ConnId) -> usize {
    let mut total = 0;
    loop {
        let len = pending(node, conn);
        if len == 0 {
            return total;
        }
        total += len;
        node.written(NOW, conn, len);
    }
}

/// Bytes that a socket would be given now.
fn pending(node: &Node, conn: ConnId) -> usize {
    let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
    node.output(conn, &mut slices);
    slices.iter().map(|slice| slice.len()).sum()
}

/// A pipeline of `SET key value` over random keys of a keyspace.
pub fn sets(count: usize, keys: u64, value_len: usize, seed: &mut u64) -> Vec<u8> {
    let value = vec![b'v'; value_len];
    let mut out = Vec::new();
    for _ in 0..count {
        let key = format!("key:{:012}", next(seed) % keys);
        resp::encode_request(&mut out, &[b"SET", key.as_bytes(), &value]);
    }
    out
}

/// A pipeline of `GET key`.
pub fn gets(count: usize, keys: u64, seed: &mut u64) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        let key = format!("key:{:012}", next(seed) % keys);
        resp::encode_request(&mut out, &[b"GET", key.as_bytes()]);
    }
    out
}

/// Fills a keyspace.
pub fn fill(node: &mut Node, keys: u64, value_len: usize) {
    let conn = client(node);
    let value = vec![b'v'; value_len];
    let mut out = Vec::new();
    for key in 0..keys {
        let key = format!("key:{key:012}");
        resp::encode_request(&mut out, &[b"SET", key.as_bytes(), &value]);
        if out.len() > 60_000 {
            run(node, conn, &out);
            out.clear();
        }
    }
    run(node, conn, &out);
    node.eof(NOW, conn);
}

/// A small generator: the benchmarks' keys need be neither secret nor good.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A master and replicas that are in step with it.
pub struct Group {
    /// The master.
    pub master: Node,
    jobs: Jobs,
    replicas: Vec<Replica>,
}

struct Replica {
    node: Node,
    jobs: Jobs,
    /// Its link, by its own name and by the master's.
    here: ConnId,
    there: ConnId,
}

impl Group {
    /// A master with `count` replicas, after their full synchronisation.
    pub fn new(mut master: Node, count: usize) -> Group {
        let replicas = (0..count).map(|_| Replica::attach(&mut master)).collect();
        let mut group = Group { master, jobs: Jobs::default(), replicas };
        for _ in 0..20 {
            group.pump();
        }
        assert!(group.replicas.iter().all(|replica| replica.node.link_is_up()), "the replicas are in step");
        group
    }

    /// Moves what the master has for its replicas to them, and their answers back.
    pub fn pump(&mut self) {
        self.master.before_write(NOW);
        let mut listed = Vec::new();
        self.master.take_writable(&mut listed);
        self.jobs.perform(&mut self.master);
        for replica in &mut self.replicas {
            replica.exchange(&mut self.master);
        }
        self.jobs.perform(&mut self.master);
    }

    /// Only the master's half: reads what it has for its replicas without applying it anywhere.
    pub fn feed_only(&mut self) {
        self.master.before_write(NOW);
        let mut listed = Vec::new();
        self.master.take_writable(&mut listed);
        for replica in &self.replicas {
            drain(&mut self.master, replica.there);
        }
    }
}

impl Replica {
    fn attach(master: &mut Node) -> Replica {
        let mut node = instance(&["--replicaof", "master 6379"]);
        let mut actions = Vec::new();
        node.take_actions(&mut actions);
        let here = actions
            .iter()
            .find_map(|action| match action {
                Action::Connect { conn, .. } => Some(*conn),
                _ => None,
            })
            .expect("a replica connects to its master");
        let there = client(master);
        node.connected(NOW, here, Ok(Peer::default()));
        Replica { node, jobs: Jobs::default(), here, there }
    }

    fn exchange(&mut self, master: &mut Node) {
        pipe(&mut self.node, self.here, master, self.there);
        pipe(master, self.there, &mut self.node, self.here);
        self.jobs.perform(&mut self.node);
    }
}

/// Moves all output of one end to the other.
fn pipe(from: &mut Node, at: ConnId, to: &mut Node, their: ConnId) {
    let mut listed = Vec::new();
    from.take_writable(&mut listed);
    loop {
        let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
        from.output(at, &mut slices);
        let mut len = 0;
        for slice in slices {
            to.input(NOW, their, slice);
            len += slice.len();
        }
        if len == 0 {
            return;
        }
        from.written(NOW, at, len);
    }
}

/// Jobs under way.
#[derive(Default)]
struct Jobs {
    loads: HashMap<JobId, SnapshotLoader>,
    saved: HashMap<JobId, (Vec<u8>, SaveReport)>,
}

impl Jobs {
    /// Carries out what an instance asks for, at once.
    fn perform(&mut self, node: &mut Node) {
        loop {
            let mut actions = Vec::new();
            node.take_actions(&mut actions);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Save(job) => {
                        assert_eq!(
                            job.target,
                            SaveTarget::Stream,
                            "the benchmarks synchronise without a disk"
                        );
                        let mut bytes = Vec::new();
                        let progress = Arc::new(AtomicU64::new(0));
                        let report = SnapshotWriter::new(job.view, job.header, job.options, progress)
                            .run(&mut |chunk, _| {
                                bytes.extend_from_slice(&chunk);
                                true
                            })
                            .expect("the sink takes everything");
                        self.saved.insert(job.id, (bytes, report));
                    }
                    Action::Credit { job, .. } => {
                        if let Some((bytes, report)) = self.saved.remove(&job) {
                            node.complete(NOW, job, Completion::Chunk(bytes.into()));
                            node.complete(NOW, job, Completion::Saved(Ok(report)));
                        }
                    }
                    Action::Load(job) => {
                        assert!(matches!(job.source, LoadSource::Stream { .. }));
                        self.loads.insert(job.id, SnapshotLoader::new(job.options));
                    }
                    Action::LoadChunk { job, bytes } => {
                        if let Some(loader) = self.loads.get_mut(&job) {
                            loader.feed(&bytes).expect("the payload is right");
                        }
                    }
                    Action::LoadEnd(job) => {
                        if let Some(loader) = self.loads.remove(&job) {
                            node.complete(NOW, job, Completion::Loaded(loader.finish()));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
