//! MIGRATE: keys on their way to another instance.
//!
//! The client waits; the instance does not. Connections are asked of the driver, as that to a master is, and kept for a while:
//! whoever moves one key mostly moves another.
//!
//! ```text
//!   MIGRATE ──▶ idle connection to that target? ──no──▶ Action::Connect ──▶ connected
//!                     │ yes                                                    │
//!                     ▼                                                        ▼
//!                AUTH and SELECT, if need be                       ◀───────────┘
//!                     ▼
//!                RESTORE a key each, as many as there is room for
//!                     │ replies for all of them, an error of the socket, or silence for too long
//!                     ▼
//!                what has arrived is deleted and logged as one DEL; the client is answered
//! ```
//!
//! While a key is on its way, commands that would write to it are held back, so that moving it is atomic to whoever uses it. Should
//! it change all the same, it stays.

mod request;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::HashSet;

use resp::{Args, ReplyLimits, ReplyParser};

use commands::{CommandSpec, Ctx, EventClass, Flags};

use self::request::Request;
use self::transfer::Transfer;
use crate::action::{Action, ConnId};
use crate::connections::Slot;
use crate::node::Node;
use crate::session::{Blocked, Peer, Session};

/// No more payloads are made while so many bytes wait to be sent.
const SEND_AHEAD_BYTES: usize = 1 << 20;
/// A connection without work is kept for so long…
const KEEP_US: u64 = 10_000_000;
/// …if there are no more than so many.
const KEEP_LINKS: usize = 64;
/// What a target replies is a line.
const REPLY_LIMITS: ReplyLimits = ReplyLimits { max_bulk: 64 * 1024, max_elements: 16, max_depth: 4 };

const CONNECT_FAILED: &str = "IOERR error or timeout connecting to the client";
const WRITE_FAILED: &str = "IOERR error or timeout writing to target instance";
const READ_FAILED: &str = "IOERR error or timeout reading to target instance";

/// Connections to targets, and what is under way on them.
#[derive(Default)]
pub(crate) struct Migrations {
    links: Vec<Link>,
    /// The role has changed: all is to be given up, and those who wait are told this.
    aborted: Option<&'static str>,
}

/// A connection to a target.
struct Link {
    conn: ConnId,
    host: String,
    port: u16,
    connected: bool,
    /// The database that is selected there, if that is known.
    selected: Option<i64>,
    out: Vec<u8>,
    sent: usize,
    replies: ReplyParser,
    job: Option<Job>,
    /// When it is given up, unless something happens: with a job for the job's sake, without one because nobody needs it.
    deadline_us: u64,
}

/// A client's request under way.
struct Job {
    client: ConnId,
    db: usize,
    transfer: Transfer,
    /// Its keys, to be looked up.
    names: HashSet<Box<[u8]>>,
    /// Those that have changed although they should not have.
    changed: HashSet<Box<[u8]>>,
    /// The connection was there before: that it is dead may not be known yet.
    reused: bool,
}

impl Migrations {
    /// Connections that are kept, for INFO.
    pub fn cached(&self) -> usize {
        self.links.iter().filter(|link| link.connected).count()
    }

    /// Whether keys are on their way.
    pub fn under_way(&self) -> bool {
        self.links.iter().any(|link| link.job.is_some())
    }

    /// When something is to be given up, on the monotonic clock.
    pub fn earliest_deadline_us(&self) -> Option<u64> {
        self.links.iter().map(|link| link.deadline_us).min()
    }

    fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.links.iter().filter_map(|link| link.job.as_ref())
    }

    fn moves(&self, db: Option<usize>, key: &[u8]) -> bool {
        let here = |job: &&Job| db.is_none_or(|db| db == job.db);
        self.jobs().filter(here).any(|job| job.names.contains(key))
    }

    /// Whether a command has to wait because it may write to a key that is on its way.
    pub fn hold(&self, spec: &'static CommandSpec, args: Args<'_>, session: &Session) -> bool {
        if spec.full_name == "exec"
            && let Some(transaction) = &session.transaction
        {
            // Which databases it will have selected by then is not known yet.
            return transaction.queue.iter().any(|(spec, args)| self.writes(spec, args.as_args(), None));
        }
        session.transaction.is_none() && self.writes(spec, args, Some(session.db))
    }

    fn writes(&self, spec: &'static CommandSpec, args: Args<'_>, db: Option<usize>) -> bool {
        if !spec.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE) {
            return false;
        }
        let mut keys = spec.keys_of(args).map(|at| args.at(at)).peekable();
        // A write that names no key may touch all of them.
        let all = spec.flags.contains(Flags::WRITE) && keys.peek().is_none();
        all || keys.any(|key| self.moves(db, key))
    }

    /// Notes what has changed meanwhile.
    pub fn note_changes(&mut self, touched: &[(u32, Box<[u8]>)], replaced: &[u32]) {
        for job in self.links.iter_mut().filter_map(|link| link.job.as_mut()) {
            if replaced.contains(&(job.db as u32)) {
                job.changed.clone_from(&job.names);
            }
            let own = touched.iter().filter(|(db, key)| *db as usize == job.db && job.names.contains(key));
            job.changed.extend(own.map(|(_, key)| key.clone()));
        }
    }
}

/// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]
pub(crate) fn migrate(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let request = match Request::parse(args) {
        Ok(request) => request,
        Err(error) => return session.reply.error(error),
    };
    let db = node.keyspace.db(session.db);
    let there = |key: &[u8]| db.get(key).is_some_and(|entry| !node.env.is_expired(entry.expiry()));
    if !request.keys.iter().any(|key| there(key)) {
        return session.reply.simple("NOKEY");
    }
    let job = Job {
        client: session.conn,
        db: session.db,
        names: request.keys.iter().cloned().collect(),
        changed: HashSet::new(),
        transfer: Transfer::new(request),
        reused: false,
    };
    session.blocked = Some(Blocked::Migrate);
    node.start_migration(job);
    node.refresh_gate();
    node.note_waiting();
}

impl Node {
    fn start_migration(&mut self, mut job: Job) {
        let Request { host, port, timeout_ms, .. } = &job.transfer.request;
        let deadline_us = self.now.mono_us.saturating_add(timeout_ms * 1000);
        let idle = |link: &&mut Link| {
            link.job.is_none() && link.connected && link.port == *port && link.host == *host
        };
        if let Some(link) = self.migrations.links.iter_mut().find(idle) {
            job.reused = true;
            let conn = link.conn;
            job.transfer.begin(link.selected, &mut link.out);
            link.deadline_us = deadline_us;
            link.job = Some(job);
            return self.send_keys(conn);
        }
        self.connect_migration(job, deadline_us);
    }

    fn connect_migration(&mut self, job: Job, deadline_us: u64) {
        let conn = self.new_conn();
        self.slots[conn.slot()].slot = Slot::Migration;
        let Request { host, port, timeout_ms, .. } = &job.transfer.request;
        let (host, port, timeout_ms) = (host.clone(), *port, *timeout_ms);
        self.migrations.links.push(Link {
            conn,
            host: host.clone(),
            port,
            connected: false,
            selected: None,
            out: Vec::new(),
            sent: 0,
            replies: ReplyParser::new(REPLY_LIMITS),
            job: Some(job),
            deadline_us,
        });
        let bind_source = self.config.settings().bind_source_addr.clone();
        self.actions.push(Action::Connect { conn, host, port, timeout_ms, bind_source, tls: false });
    }

    /// The answer to [`Action::Connect`], if it was for a target.
    pub(crate) fn migration_connected(&mut self, conn: ConnId, result: &Result<Peer, String>) {
        let Some(link) = self.migrations.links.iter_mut().find(|link| link.conn == conn) else { return };
        match result {
            Ok(_) => {
                link.connected = true;
                let (selected, out) = (link.selected, &mut link.out);
                if let Some(job) = &mut link.job {
                    job.transfer.begin(selected, out);
                    link.deadline_us = self.now.mono_us + job.transfer.request.timeout_ms * 1000;
                }
                self.send_keys(conn);
            }
            Err(error) => {
                tracing::debug!("MIGRATE: no connection to {}:{}: {error}", link.host, link.port);
                self.end_migration_link(conn, CONNECT_FAILED, false);
            }
        }
    }

    /// Makes payloads as long as not too many bytes wait.
    fn send_keys(&mut self, conn: ConnId) {
        let Some(link) = self.migrations.links.iter_mut().find(|link| link.conn == conn) else { return };
        let Some(job) = &mut link.job else { return };
        while link.out.len() - link.sent < SEND_AHEAD_BYTES
            && let Some(key) = job.transfer.next_key()
        {
            let entry =
                self.keyspace.db(job.db).get(key).filter(|entry| !self.env.is_expired(entry.expiry()));
            match entry {
                None => job.transfer.skip(),
                Some(entry) => {
                    // What is about to expire arrives and expires there.
                    let ttl = entry.expiry().map_or(0, |at| at.saturating_sub(self.env.now_ms).max(1));
                    let payload = commands::transfer::dump_for_any(&entry);
                    job.transfer.send(&payload, ttl, &mut link.out);
                }
            }
        }
        let done = job.transfer.is_done();
        if link.out.len() > link.sent {
            self.writable.push(conn);
        } else if done {
            self.end_migration(conn);
        }
    }

    pub(crate) fn migration_output(&self, conn: ConnId) -> &[u8] {
        let link = self.migrations.links.iter().find(|link| link.conn == conn);
        link.map_or(&[], |link| &link.out[link.sent..])
    }

    pub(crate) fn migration_written(&mut self, conn: ConnId, n: usize) {
        let now_us = self.now.mono_us;
        let Some(link) = self.migrations.links.iter_mut().find(|link| link.conn == conn) else { return };
        link.sent = (link.sent + n).min(link.out.len());
        if let Some(job) = &link.job {
            link.deadline_us = now_us + job.transfer.request.timeout_ms * 1000;
        }
        if link.sent == link.out.len() {
            link.out.clear();
            link.sent = 0;
            if link.job.as_ref().is_some_and(|job| job.transfer.next_key().is_some()) {
                self.send_keys(conn);
            }
        }
    }

    pub(crate) fn migration_input(&mut self, conn: ConnId, data: &[u8]) {
        let now_us = self.now.mono_us;
        let Some(link) = self.migrations.links.iter_mut().find(|link| link.conn == conn) else { return };
        link.replies.feed(data);
        loop {
            let reply = match link.replies.next() {
                Ok(None) => break,
                Ok(Some(reply)) => reply,
                Err(error) => {
                    tracing::warn!("MIGRATE: {}:{} replied nonsense: {error}", link.host, link.port);
                    return self.end_migration_link(conn, READ_FAILED, true);
                }
            };
            let expected = link.job.as_mut().is_some_and(|job| job.transfer.reply(&reply));
            if !expected {
                return self.end_migration_link(conn, READ_FAILED, true);
            }
        }
        if let Some(job) = &link.job {
            link.deadline_us = now_us + job.transfer.request.timeout_ms * 1000;
            if job.transfer.is_done() || job.transfer.next_key().is_some() {
                self.send_keys(conn);
            }
        }
    }

    /// The target has closed the connection.
    pub(crate) fn migration_lost(&mut self, conn: ConnId) {
        let Some(at) = self.migrations.links.iter().position(|link| link.conn == conn) else { return };
        let link = &mut self.migrations.links[at];
        if let Some(job) = link.job.take_if(|job| job.reused && !job.transfer.has_replies()) {
            // It had been closed before anything was sent, most likely. Another one may do.
            self.migrations.links.swap_remove(at);
            self.free_conn(conn);
            let mut job = job;
            job.reused = false;
            job.transfer.rewind();
            let deadline_us = self.now.mono_us.saturating_add(job.transfer.request.timeout_ms * 1000);
            return self.connect_migration(job, deadline_us);
        }
        let written = self.migration_output(conn).is_empty();
        self.end_migration_link(conn, if written { READ_FAILED } else { WRITE_FAILED }, false);
    }

    /// Gives up what nothing has happened to for too long.
    pub(crate) fn expire_migrations(&mut self) {
        let now_us = self.now.mono_us;
        while let Some(link) = self.migrations.links.iter().find(|link| link.deadline_us <= now_us) {
            let error = match self.migrations.aborted {
                Some(error) => error,
                None if !link.connected => CONNECT_FAILED,
                None if link.sent < link.out.len() => WRITE_FAILED,
                None => READ_FAILED,
            };
            self.end_migration_link(link.conn, error, true);
        }
        self.migrations.aborted = None;
    }

    /// The role changes: nothing more is to be moved away. Those who wait are told so at the next tick, since this one may come in the
    /// middle of a client's request.
    pub(crate) fn abort_migrations(&mut self, error: &'static str) {
        if self.migrations.links.is_empty() {
            return;
        }
        self.migrations.aborted = Some(error);
        self.migrations.links.iter_mut().for_each(|link| link.deadline_us = 0);
        self.next_tick_us = self.now.mono_us;
    }

    /// Ends a connection, and with an error what was under way on it.
    fn end_migration_link(&mut self, conn: ConnId, error: &str, close: bool) {
        let Some(at) = self.migrations.links.iter().position(|link| link.conn == conn) else { return };
        let link = self.migrations.links.swap_remove(at);
        if close {
            self.actions.push(Action::Close(conn));
        }
        self.free_conn(conn);
        if let Some(job) = link.job {
            self.finish_migration(job, Some(error));
        }
    }

    /// All keys have been answered for: the connection is free for others.
    fn end_migration(&mut self, conn: ConnId) {
        let now_us = self.now.mono_us;
        let Some(link) = self.migrations.links.iter_mut().find(|link| link.conn == conn) else { return };
        let Some(job) = link.job.take() else { return };
        // After an error it is not known what is selected.
        link.selected = job.transfer.error().is_none().then_some(job.transfer.request.db);
        link.deadline_us = now_us + KEEP_US;
        if self.migrations.links.len() > KEEP_LINKS {
            let mut idle = self.migrations.links.iter().filter(|link| link.job.is_none()).collect::<Vec<_>>();
            idle.sort_by_key(|link| link.deadline_us);
            if let Some(oldest) = idle.first() {
                self.end_migration_link(oldest.conn, READ_FAILED, true);
            }
        }
        self.finish_migration(job, None);
    }

    /// Deletes what has arrived, answers the client, and lets those go on who were held back.
    fn finish_migration(&mut self, job: Job, failure: Option<&str>) {
        let keep = job.transfer.request.copy || self.replication.is_replica();
        let kept = if keep { false } else { self.delete_migrated(&job) };
        let end = self.replication.is_logging().then(|| self.replication.log.end());
        self.refresh_gate();
        self.note_waiting();
        let reply = match (failure, job.transfer.error()) {
            // What the target has said counts for more than how the connection ended.
            (_, Some(error)) => format!("ERR Target instance replied with error: {error}"),
            (Some(error), None) => error.to_owned(),
            (None, None) if kept => {
                "ERR A key was changed while it was moved; it is on both instances".to_owned()
            }
            (None, None) if !job.transfer.fates.contains(&transfer::Fate::Arrived) => String::new(),
            (None, None) => "OK".to_owned(),
        };
        if self.session(job.client).is_some_and(|session| session.blocked == Some(Blocked::Migrate)) {
            self.unblock(job.client, |session| {
                session.last_write = end.unwrap_or(session.last_write);
                let from = session.reply.buf.len();
                match &reply[..] {
                    "OK" => session.reply.ok(),
                    "" => session.reply.simple("NOKEY"),
                    error => session.reply.error(error),
                }
                if session.reply_mode == crate::session::ReplyMode::Off {
                    session.reply.buf.truncate(from);
                }
            });
        }
        self.release_held();
    }

    /// Deletes the keys that have arrived and logs one DEL of them; whether one has to stay.
    fn delete_migrated(&mut self, job: &Job) -> bool {
        let mut kept = false;
        let mut gone: Vec<&[u8]> = Vec::new();
        self.effects.clear();
        let mut ctx = Ctx {
            ks: &mut self.keyspace,
            db: job.db,
            // Nobody has asked for this one.
            out: &mut resp::ReplyBuf::new(),
            env: &self.env,
            fx: &mut self.effects,
            rng: &mut self.rng,
            registry: &self.registry,
        };
        for (number, key) in job.transfer.request.keys.iter().enumerate() {
            if job.transfer.fates[number] != transfer::Fate::Arrived {
                continue;
            }
            if job.changed.contains(key) && ctx.db().contains(key) {
                kept = true;
            } else if let Some(removed) = ctx.take(key) {
                ctx.discard(removed, ctx.env.lazyfree_server_del);
                ctx.modified(EventClass::GENERIC, "del", key);
                gone.push(key);
            }
        }
        if !gone.is_empty() {
            let mut command: Vec<&[u8]> = vec![b"DEL"];
            command.extend(gone);
            ctx.fx.rewrite(&command);
            self.carry_own_effects(job.db, None);
        }
        kept
    }
}
