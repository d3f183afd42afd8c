//! One client connection as the node sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use resp::{OwnedArgs, Proto, ReplyBuf, RequestParser};

use crate::action::{ConnId, JobId};
use crate::blocking::Waiting;
use crate::client_memory::Counted;
use crate::pubsub::Subscriptions;
use crate::pubsub::deliver::PUBSUB_CLASS;
use crate::replication::feed::ReplicaFeed;
use crate::tracking::Number;
use commands::CommandSpec;

/// Where a connection comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The other end: `127.0.0.1:5555`, or `/path/to/socket:0`.
    pub addr: String,
    /// This end.
    pub laddr: String,
    /// A unix socket.
    pub unix: bool,
    /// The other end is this machine.
    pub loopback: bool,
    /// Number of the file descriptor, for CLIENT LIST.
    pub fd: i32,
    /// The user whom the client's certificate names (`tls-auth-clients-user`).
    pub certificate_user: Option<String>,
}

/// The queue of a transaction.
#[derive(Default)]
pub(crate) struct Transaction {
    /// Commands in order.
    pub queue: Vec<(&'static CommandSpec, OwnedArgs)>,
    /// A command could not be queued: EXEC answers EXECABORT.
    pub broken: bool,
    /// Bytes held by the queue, for CLIENT LIST.
    pub bytes: usize,
    /// A queued command reads.
    pub reads: bool,
    /// A queued command writes.
    pub writes: bool,
    /// A queued command may not run on stale data.
    pub needs_fresh_data: bool,
    /// A queued command may not run while the dataset is being loaded.
    pub needs_whole_data: bool,
    /// A queued command writes, or puts something into the log without being a write.
    pub replicates: bool,
    /// The database that the next queued command will find selected.
    pub db: usize,
    /// A queued command may need memory.
    pub uses_memory: bool,
}

/// The rest of a transaction that is being executed.
pub(crate) struct ExecRest {
    /// The commands that are still to come.
    pub queue: std::vec::IntoIter<(&'static CommandSpec, OwnedArgs)>,
    /// Where its reply begins.
    pub from: usize,
    /// The reply so far, which nobody is to see before the rest of it.
    pub held: Vec<u8>,
    /// EXEC itself.
    pub exec: Option<&'static CommandSpec>,
}

/// A key that a client watches.
pub(crate) struct Watched {
    pub db: usize,
    pub key: Box<[u8]>,
    /// It was there when it was watched.
    pub existed: bool,
    /// It was there, but its time was over: its deletion is no change.
    pub expired: bool,
}

/// Whether replies are sent (CLIENT REPLY).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// The reply of the next command is dropped.
    SkipNext,
    /// The reply of this command is dropped, then all is as before.
    Skipping,
}

/// What a client waits for; its further requests wait with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocked {
    /// SAVE, CONFIG REWRITE: the end of a job.
    Job(JobId),
    /// WAIT: acknowledgements. WAITAOF: those of files, and of the own one or not.
    Wait { offset: backlog::Offset, replicas: i64, local: Option<u8>, deadline_ms: Option<u64> },
    /// BLPOP and the like: a key. Which one and for how long is in [`Session::waiting`].
    Keys,
    /// The command that is at the front of the input is held back: by CLIENT PAUSE, or because a key that it would change is on its way
    /// to another instance.
    Paused,
    /// MIGRATE: another instance.
    Migrate,
    /// SHUTDOWN waits for the save, or for replicas.
    Shutdown,
    /// EVAL, FCALL: the script takes long.
    Script,
}

/// A client connection.
pub(crate) struct Session {
    pub conn: ConnId,
    /// CLIENT ID.
    pub id: u64,
    pub peer: Peer,
    pub created_us: u64,
    pub last_input_us: u64,
    pub db: usize,
    pub authenticated: bool,
    /// It has been at some time.
    pub was_authenticated: bool,
    /// Who the client is, as it was when last looked at: a changed user takes this one's place.
    pub user: Arc<acl::User>,
    /// Authenticated, and the user may do everything: nothing needs to be checked before a command.
    pub unrestricted: bool,
    pub reply: ReplyBuf,
    /// Bytes of `reply` that the driver has written.
    pub reply_sent: usize,
    pub reply_mode: ReplyMode,
    /// What stands for the client among those who track keys, from its first CLIENT TRACKING on.
    pub tracker: Option<Number>,
    /// Bytes of memory that its prefixes take.
    pub tracker_bytes: usize,
    /// Bytes by which the reply buffer has grown for invalidations that are not written yet.
    pub pushed_room: usize,
    /// There were such bytes at the last tick.
    pub pushed_since_tick: bool,
    pub parser: RequestParser,
    /// Input that is not executed yet: half a request, or requests behind a blocking one.
    pub pending: Vec<u8>,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub transaction: Option<Box<Transaction>>,
    pub watched: Vec<Watched>,
    /// What the client listens to, if it listens to anything.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// A watched key was touched: EXEC answers null.
    pub watch_broken: bool,
    /// EXEC is running this client's commands.
    pub in_exec: bool,
    /// MONITOR: sees every command.
    pub monitor: bool,
    /// READONLY.
    pub read_only: bool,
    /// CLIENT CAPA redirect: understands being sent elsewhere.
    pub redirect: bool,
    /// What is left of an EXEC while a script in it takes long.
    pub exec_rest: Option<Box<ExecRest>>,
    pub no_evict: bool,
    /// How it was counted for `maxmemory-clients`.
    pub counted: Counted,
    pub no_touch: bool,
    /// CLIENT IMPORT-SOURCE ON: it brings a dataset.
    pub import_source: bool,
    pub blocked: Option<Blocked>,
    /// What the client waits for while it is blocked on keys.
    pub waiting: Option<Box<Waiting>>,
    /// Close once everything that stands in `reply` is written.
    pub close_after_reply: bool,
    /// Whether the driver has been told that there is output.
    pub listed: bool,
    /// Its replies wait until what it has written stands in the append only file.
    pub held: bool,
    /// The replica behind this connection, once it has sent REPLCONF or PSYNC.
    pub replica: Option<Box<ReplicaFeed>>,
    /// Offset of the log after the last write of this client.
    pub last_write: backlog::Offset,
    /// The number of the batch that takes it to the append only file, if it was a write to a replica.
    pub last_batch: u64,
    pub last_command: Option<&'static CommandSpec>,
    /// Commands carried out.
    pub commands: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// When `reply` first exceeded the soft limit of its class.
    pub soft_limit_since_ms: Option<u64>,
}

impl Session {
    pub fn new(conn: ConnId, id: u64, peer: Peer, user: Arc<acl::User>, now_us: u64) -> Session {
        Session {
            conn,
            id,
            peer,
            created_us: now_us,
            last_input_us: now_us,
            db: 0,
            authenticated: false,
            was_authenticated: false,
            user,
            unrestricted: false,
            reply: ReplyBuf::new(),
            reply_sent: 0,
            reply_mode: ReplyMode::On,
            tracker: None,
            tracker_bytes: 0,
            pushed_room: 0,
            pushed_since_tick: false,
            parser: RequestParser::new(),
            pending: Vec::new(),
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            transaction: None,
            watched: Vec::new(),
            subscriptions: None,
            watch_broken: false,
            in_exec: false,
            monitor: false,
            read_only: false,
            redirect: false,
            exec_rest: None,
            no_evict: false,
            counted: Counted::default(),
            no_touch: false,
            import_source: false,
            blocked: None,
            waiting: None,
            close_after_reply: false,
            listed: false,
            held: false,
            replica: None,
            last_write: backlog::Offset(0),
            last_batch: 0,
            last_command: None,
            commands: 0,
            bytes_in: 0,
            bytes_out: 0,
            soft_limit_since_ms: None,
        }
    }

    /// Makes the client somebody, or leaves it to authenticate first.
    pub fn set_user(&mut self, user: Arc<acl::User>, authenticated: bool) {
        self.unrestricted = authenticated && user.is_unrestricted();
        self.authenticated = authenticated;
        self.was_authenticated |= authenticated;
        self.user = user;
    }

    /// Whether this connection is a replica that has asked for the stream.
    pub fn is_replica(&self) -> bool {
        self.replica.as_ref().is_some_and(|feed| feed.is_attached())
    }

    /// Keeps input that is not executed yet.
    ///
    /// Of a large argument that is on its way, reserves what has been announced, but never more than has come twice over; and
    /// nothing beyond, so that what a client takes does not depend on the pieces in which its input comes.
    pub fn append_input(&mut self, data: &[u8]) {
        let room = self.pending.capacity() - self.pending.len();
        let missing = self.parser.missing();
        if room < data.len() && missing > data.len() {
            self.pending.reserve_exact(missing.min(2 * (self.pending.len() + data.len())));
        }
        self.pending.extend_from_slice(data);
    }

    /// Bytes of replies not written yet.
    pub fn reply_pending(&self) -> usize {
        self.reply.buf.len() - self.reply_sent
    }

    /// Position of its limits in `client-output-buffer-limit`.
    pub fn output_class(&self) -> usize {
        if self.subscriptions.is_some() { PUBSUB_CLASS } else { 0 }
    }

    /// Closes the connection without sending what waits to be sent.
    pub fn drop_replies_and_close(&mut self) {
        self.reply.buf = Vec::new();
        self.reply_sent = 0;
        self.close_after_reply = true;
    }

    pub fn resp3(&self) -> bool {
        self.reply.proto == Proto::Resp3
    }
}

/// Chunks of a payload on their way to one replica.
#[derive(Default)]
pub(crate) struct PayloadQueue {
    chunks: VecDeque<Bytes>,
    /// Bytes of the first chunk that are written.
    sent: usize,
    bytes: usize,
}

impl PayloadQueue {
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Bytes not written yet.
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.chunks.front().map(|chunk| &chunk[self.sent..]);
        first.into_iter().chain(self.chunks.iter().skip(1).map(|chunk| &chunk[..]))
    }

    /// Forgets `n` written bytes and returns how many of them were of this queue.
    pub fn written(&mut self, n: usize) -> usize {
        let mut left = n.min(self.bytes);
        let taken = left;
        self.bytes -= left;
        while left > 0 {
            let Some(front) = self.chunks.front() else { break };
            let rest = front.len() - self.sent;
            if left < rest {
                self.sent += left;
                break;
            }
            left -= rest;
            self.sent = 0;
            self.chunks.pop_front();
        }
        taken
    }
}
