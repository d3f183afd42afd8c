//! Keys leave when memory runs out.
//!
//! Before each command, and as long as there is more to do at each turn of the driver, the memory in use is held against
//! `maxmemory`. What is over is made up for by deleting keys as `maxmemory-policy` chooses them; each deletion goes into the log.
//! It takes no longer than `maxmemory-eviction-tenacity` allows: a limit that was just lowered by gigabytes is reached bit by bit,
//! while clients are served. Only when there is nothing left to delete are commands refused that need memory.
//!
//! ```text
//!   a command ──▶ within the limit? ──yes──▶ it runs
//!                    │ no
//!                    ▼
//!                 a key to evict? ──no──▶ refused if it needs memory
//!                    │ yes
//!                    ▼
//!                 deleted, logged ──▶ within the limit, or out of time? ──▶ it runs; the rest later
//! ```

mod pool;
#[cfg(test)]
mod tests;

use commands::{EventClass, access};
use config::MaxmemoryPolicy as Policy;

use crate::node::Node;
use crate::session::Session;
use crate::time::Now;
use pool::Pool;

/// The clock is read once for so many keys.
const KEYS_PER_LOOK: usize = 16;

/// What commands that need memory are told when there is none.
pub(crate) const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// What came of making room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Memory is within the limit, or nobody asks.
    Enough,
    /// Keys were evicted, but more have to go: time is up for now.
    Underway,
    /// Memory is over the limit, and there is nothing to evict.
    Lacking,
}

/// The state of eviction.
#[derive(Default)]
pub(crate) struct Eviction {
    pool: Pool,
    /// Since when memory has been over the limit (monotonic microseconds).
    exceeded_since_us: Option<u64>,
    /// How long it was before that, all in all.
    exceeded_us: u64,
    /// There is more to evict as soon as clients have had their turn.
    pub unfinished: bool,
    /// What was found before the command that is being executed.
    lacking: bool,
}

impl Eviction {
    /// For how long memory has been over the limit, and how long it ever was, in milliseconds.
    pub fn exceeded_ms(&self, now: Now) -> (u64, u64) {
        let current = self.exceeded_since_us.map_or(0, |since| now.mono_us.saturating_sub(since));
        (current / 1000, (self.exceeded_us + current) / 1000)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.exceeded_us = 0;
    }

    /// Candidates were ranked by a policy that is no more.
    pub fn forget_candidates(&mut self) {
        self.pool.clear();
    }

    /// There is no limit any more.
    pub fn stop(&mut self, now: Now) {
        self.note(Room::Enough, now);
    }

    fn note(&mut self, room: Room, now: Now) {
        match room {
            Room::Enough => {
                if let Some(since) = self.exceeded_since_us.take() {
                    self.exceeded_us += now.mono_us.saturating_sub(since);
                }
            }
            Room::Underway | Room::Lacking => {
                self.exceeded_since_us.get_or_insert(now.mono_us);
            }
        }
        self.unfinished = room == Room::Underway;
        self.lacking = room == Room::Lacking;
    }
}

impl Node {
    /// Whether memory was over its limit, without a key to evict, before the command in progress: what a script's commands go by.
    pub(crate) fn out_of_memory(&self) -> bool {
        self.gate.memory_limited && self.eviction.lacking
    }

    /// Whether it is over its limit now, and no key would leave for that. With a policy that evicts, room was made before the command in
    /// progress: what that takes itself, as a script does to begin with, is made up for behind it.
    pub(crate) fn is_over_limit(&self) -> bool {
        let settings = self.config.settings();
        settings.maxmemory_policy == Policy::Noeviction && self.counted_memory() > settings.maxmemory
    }

    /// Makes room as far as that is to be done now. `session` is the one in use, if one is.
    pub(crate) fn make_room(&mut self, session: Option<&mut Session>) -> Room {
        let limit = self.config.settings().maxmemory;
        let room = if self.gate.loading || self.counted_memory() <= limit {
            Room::Enough
        } else {
            self.evict_down_to(limit, session)
        };
        self.eviction.note(room, self.now);
        room
    }

    #[cold]
    fn evict_down_to(&mut self, limit: u64, mut session: Option<&mut Session>) -> Room {
        let settings = self.config.settings();
        let policy = settings.maxmemory_policy;
        let samples = settings.maxmemory_samples as usize;
        let slice_ns = slice_ns(settings.maxmemory_eviction_tenacity);
        if self.pause.is_active() {
            // Replicas are to find the log where it is.
            return Room::Enough;
        }
        if policy == Policy::Noeviction || settings.import_mode {
            return Room::Lacking;
        }
        if self.clients_limited {
            // Clients that take more than they may go before any key does.
            self.evict_clients();
            if self.counted_memory() <= limit {
                return Room::Enough;
            }
        }
        let started_ns = (self.boot.clock_ns)();
        for count in 1.. {
            if !self.evict_one(policy, samples, session.as_deref_mut()) {
                break;
            }
            if self.counted_memory() <= limit {
                return Room::Enough;
            }
            if count % KEYS_PER_LOOK == 0 && (self.boot.clock_ns)() - started_ns >= slice_ns {
                return Room::Underway;
            }
        }
        Room::Lacking
    }

    /// Evicts a key, if the policy has one.
    fn evict_one(&mut self, policy: Policy, samples: usize, session: Option<&mut Session>) -> bool {
        match policy {
            Policy::AllkeysRandom | Policy::VolatileRandom => {
                let Some((db, key)) = self.random_key(volatile_only(policy)) else { return false };
                self.evict(db, &key, session);
            }
            _ => {
                let Some(candidate) = self.worst_key(policy, samples) else { return false };
                self.evict(candidate.db, &candidate.key, session);
                self.eviction.pool.recycle(candidate);
            }
        }
        true
    }

    /// A database, each with a chance that goes by its number of keys.
    fn random_db(&mut self, volatile: bool) -> Option<usize> {
        let keys = |db: &keyspace::Db| if volatile { db.expires() } else { db.len() };
        let databases = self.keyspace.databases();
        let all: usize = (0..databases).map(|index| keys(self.keyspace.db(index))).sum();
        if all == 0 {
            return None;
        }
        let mut at = self.rng.usize(..all);
        (0..databases).find(|&index| match at.checked_sub(keys(self.keyspace.db(index))) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })
    }

    fn random_key(&mut self, volatile: bool) -> Option<(usize, Vec<u8>)> {
        let index = self.random_db(volatile)?;
        let mut chosen = Vec::new();
        let mut seen = 0;
        let mut choice = self.rng.fork();
        self.keyspace.db(index).sample(&mut self.rng, 1, volatile, &mut |entry| {
            seen += 1;
            if choice.usize(..seen) == 0 {
                chosen.clear();
                chosen.extend_from_slice(entry.key());
            }
        });
        (seen > 0).then_some((index, chosen))
    }

    /// The key that is to go next, as far as the policy knows.
    fn worst_key(&mut self, policy: Policy, samples: usize) -> Option<pool::Candidate> {
        loop {
            let index = self.random_db(volatile_only(policy))?;
            let (env, pool) = (&self.env, &mut self.eviction.pool);
            self.keyspace.db(index).sample(&mut self.rng, samples, volatile_only(policy), &mut |entry| {
                pool.offer(rank(policy, &entry, env), index, &entry);
            });
            // Those that were used since they were seen drop out. Of those seen just now at least one is left.
            while let Some(candidate) = self.eviction.pool.pop() {
                let entry = self.keyspace.db(candidate.db).get(&candidate.key);
                if entry.is_some_and(|entry| candidate.is_still(&entry)) {
                    return Some(candidate);
                }
                self.eviction.pool.recycle(candidate);
            }
        }
    }

    fn evict(&mut self, db: usize, key: &[u8], session: Option<&mut Session>) {
        let viewed = self.keyspace.has_views();
        let before = if viewed { self.counted_memory() } else { 0 };
        let Some(removed) = self.keyspace.db_mut(db).remove(key) else { return };
        let settings = self.config.settings();
        let lazy = settings.lazyfree_lazy_eviction;
        let size = if viewed { removed.memory_usage() as u64 } else { 0 };
        self.stats.evicted += 1;
        self.effects.clear();
        self.effects.suppress();
        self.effects.dirty = 1;
        if self.replication.records() {
            self.effects.push(&[commands::deletion(lazy), key]);
        }
        if self.effects.track_keys {
            self.effects.touched.push((db as u32, key.into()));
        }
        if self.effects.notify.contains(EventClass::EVICTED) {
            let event = commands::KeyEvent {
                class: EventClass::EVICTED,
                name: "evicted",
                db: db as u32,
                key: key.into(),
            };
            self.effects.events.push(event);
        }
        if lazy && removed.is_large() {
            self.effects.garbage.push(removed.into());
        } else {
            drop(removed);
        }
        self.carry_own_effects(db, session);
        if viewed {
            // What a view still holds comes free with it: this key has done its part. Otherwise all would have to go.
            let freed = before.saturating_sub(self.counted_memory());
            self.keyspace.note_left_behind(size.saturating_sub(freed));
        }
    }

    /// Goes on evicting where time was up. To be called when clients have had their turn.
    pub(crate) fn continue_eviction(&mut self) {
        if self.gate.memory_limited {
            self.make_room(None);
            self.serve_ready();
        }
    }
}

fn volatile_only(policy: Policy) -> bool {
    matches!(policy, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
}

/// The place of a key in the order of leaving, which depends on nothing but the key's own history: ranks of different times compare.
fn rank(policy: Policy, entry: &keyspace::Entry<'_>, env: &commands::Env) -> u64 {
    match policy {
        Policy::VolatileTtl => entry.expiry().unwrap_or(u64::MAX),
        _ if env.lfu => {
            let minute = (env.now_ms / 60_000).saturating_sub(access::idle_minutes(entry.access(), env));
            u64::from(access::decayed(entry.access(), env)) << 48 | minute
        }
        _ => (env.now_ms / 1000).saturating_sub(access::idle_seconds(entry.access(), env)),
    }
}

/// How long one call may take: half a millisecond at 10, in even steps below, each step 15 % longer above; at 100 as long as it takes.
fn slice_ns(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50_000 * u64::from(tenacity),
        11..=99 => (500_000.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}
