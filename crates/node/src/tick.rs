//! What happens as time passes, and when settings change.

use commands::{Ctx, EventClass, ExpiryMode};

use crate::node::{Gate, Node};
use crate::session::Blocked;
use crate::time::Now;

/// The node looks around so often.
const TICK_US: u64 = 100_000;
/// Expired keys deleted in one round; a backlog of them is worked off over the next ones without holding clients up.
const EXPIRE_BATCH: usize = 400;
/// Rounds of that in one tick, while they keep finding keys.
const EXPIRE_ROUNDS: usize = 16;

impl Node {
    /// Does what is due. To be called at [`Node::deadline`]; being late or early does no harm.
    pub fn tick(&mut self, now: Now) {
        let due = self.deadline_without_eviction() <= now.mono_us;
        self.set_now(now);
        if self.gate.busy {
            self.continue_script();
            if self.now.mono_us < self.next_tick_us {
                return;
            }
        } else if self.has_leftovers() && !due {
            // It was only for this.
            self.apply_buffered_stream();
            return self.continue_eviction();
        }
        self.next_tick_us = now.mono_us + TICK_US;
        self.stats.sample(now.mono_us);
        if self.gate.busy {
            // Neither the data nor who may see them changes under a script.
            self.check_clients();
            if self.persistence.shutdown.is_some() {
                self.continue_shutdown();
            }
            return;
        }
        self.expire_waiting();
        self.expire_migrations();
        self.begin_loadaof();
        if self.gate.loading || self.debug.pause_cron {
            if self.is_opening() {
                self.tick_aof();
            }
            return;
        }
        self.end_pause();
        self.tick_upstream();
        self.apply_buffered_stream();
        self.tick_downstream();
        self.continue_failover();
        self.serve_waiting();
        if self.env.expiry == ExpiryMode::Spare {
            // What it was spared for may be over.
            self.env.expiry = self.expiry_mode();
        }
        self.expire_what_is_over();
        self.expire_own_keys();
        self.limit_tracking_table();
        self.continue_eviction();
        self.serve_ready();
        self.resume_served();
        self.look_after_saves();
        self.tick_aof();
        self.look_after_held();
        self.check_clients();
        self.refresh_gate();
        if self.persistence.shutdown.is_some() {
            self.continue_shutdown();
        }
    }

    /// What a round of input has asked for and what must not happen while its client's session was in use.
    pub(crate) fn after_input(&mut self) {
        if self.syncs_requested {
            self.syncs_requested = false;
            self.plan_full_syncs();
        }
        self.resume_served();
        if !self.acks.is_empty() {
            self.acks.clear();
            self.serve_waiting();
            if self.persistence.shutdown.is_some() {
                self.continue_shutdown();
            }
        }
    }

    /// Whether what is over is to be deleted unasked. Only a master does that: its replicas wait for the deletions in its log.
    fn expires_actively(&self) -> bool {
        self.debug.active_expire && self.env.expiry == ExpiryMode::Delete
    }

    /// Deletes keys and fields whose time is over; of very many, the first.
    pub(crate) fn expire_what_is_over(&mut self) {
        self.expire_keys();
        self.expire_fields();
    }

    /// Deletes keys whose time is over.
    fn expire_keys(&mut self) {
        if !self.expires_actively() {
            return;
        }
        let now_ms = self.now.unix_ms();
        let databases = self.keyspace.databases();
        let mut due: Vec<Box<[u8]>> = Vec::new();
        for _ in 0..databases {
            let index = self.expire.db % databases;
            let mut more = true;
            for _ in 0..EXPIRE_ROUNDS {
                if self.keyspace.db(index).expires() == 0 || !more {
                    break;
                }
                due.clear();
                more = self.keyspace.db(index).due(
                    now_ms,
                    &mut self.expire.cursor,
                    EXPIRE_BATCH,
                    &mut |entry| due.push(entry.key().into()),
                );
                for key in &due {
                    self.expire_key(index, key);
                }
            }
            if more && !due.is_empty() {
                // This database has more; the next tick goes on here.
                return;
            }
            self.expire.db = (index + 1) % databases;
            self.expire.cursor = keyspace::ExpireCursor::default();
        }
    }

    pub(crate) fn expire_key(&mut self, db: usize, key: &[u8]) {
        let Some(removed) = self.keyspace.db_mut(db).remove(key) else { return };
        let lazy = self.env.lazyfree_expire;
        if lazy && removed.is_large() {
            self.free_garbage(vec![removed.into()]);
        } else {
            drop(removed);
        }
        self.stats.expired += 1;
        self.notify(EventClass::EXPIRED, "expired", db, key);
        self.persistence.dirty += 1;
        if self.replication.records() {
            self.replication.log_deletion(db, commands::deletion(lazy), key);
        }
        if self.effects.track_keys {
            self.effects.touched.clear();
            self.effects.touched.push((db as u32, key.into()));
            self.effects.replaced.clear();
            self.note_gone();
            if !self.tracking.is_idle() {
                self.invalidate_touched(None);
            }
            self.touch_watched(None);
        }
    }

    /// Deletes fields of hashes whose time is over.
    fn expire_fields(&mut self) {
        if !self.expires_actively() {
            return;
        }
        let mut left = EXPIRE_BATCH * EXPIRE_ROUNDS;
        for db in 0..self.keyspace.databases() {
            while left > 0 {
                let Some(key) = self.keyspace.db(db).due_hash(self.env.now_ms).map(Box::<[u8]>::from) else {
                    break;
                };
                left -= self.expire_fields_of(db, &key, left.min(EXPIRE_BATCH)).clamp(1, left);
            }
        }
    }

    /// Deletes up to `max` fields of a hash; gives how many those were.
    fn expire_fields_of(&mut self, db: usize, key: &[u8], max: usize) -> usize {
        self.effects.clear();
        let mut ctx = Ctx {
            ks: &mut self.keyspace,
            db,
            // Nobody has asked.
            out: &mut resp::ReplyBuf::new(),
            env: &self.env,
            fx: &mut self.effects,
            rng: &mut self.rng,
            registry: &self.registry,
        };
        let gone = commands::expire_fields(&mut ctx, key, max);
        self.carry_own_effects(db, None);
        gone
    }

    /// Clients that are idle for too long, or that do not take their replies.
    fn check_clients(&mut self) {
        let settings = self.config.settings();
        let timeout_us = settings.timeout * 1_000_000;
        let limits = settings.client_output_buffer_limit;
        let (now_us, now_ms) = (self.now.mono_us, self.now.mono_ms());
        let mut closing = Vec::new();
        for entry in &mut self.slots {
            let crate::connections::Slot::Client(session) = &mut entry.slot else { continue };
            if session.is_replica() {
                continue;
            }
            let idle = timeout_us > 0
                && session.blocked.is_none()
                && session.subscriptions.is_none()
                && !session.monitor
                && now_us.saturating_sub(session.last_input_us) > timeout_us;
            let limit = limits[session.output_class()];
            let pending = session.reply_pending() as u64;
            let over_soft = limit.soft_bytes > 0 && pending > limit.soft_bytes;
            if session.pushed_room > 0 && session.pushed_since_tick {
                // It does not read: its memory counts.
                self.tracking.pushed_room -= std::mem::take(&mut session.pushed_room) as u64;
            }
            session.pushed_since_tick = session.pushed_room > 0;
            session.soft_limit_since_ms =
                if over_soft { Some(session.soft_limit_since_ms.unwrap_or(now_ms)) } else { None };
            let slow = (limit.hard_bytes > 0 && pending > limit.hard_bytes)
                || session
                    .soft_limit_since_ms
                    .is_some_and(|since| now_ms - since >= limit.soft_seconds * 1000);
            if slow {
                crate::pubsub::deliver::note_cut_off(session);
                self.stats.obl_disconnections += 1;
            }
            if idle {
                tracing::debug!("Closing idle client");
            }
            if idle || slow {
                closing.push(session.conn);
            }
        }
        for conn in closing {
            self.close_client(conn);
        }
    }

    /// Ends CLIENT PAUSE when its time is over.
    fn end_pause(&mut self) {
        if let Some((_, until_ms)) = self.pause.client
            && self.now.unix_ms() >= until_ms
        {
            self.unpause();
        } else if self.pause.release_due {
            self.pause_ended();
        }
    }

    /// Ends CLIENT PAUSE.
    pub(crate) fn unpause(&mut self) {
        self.pause.client = None;
        self.pause_ended();
    }

    /// A reason to hold commands back is gone: lets them run, unless there is another.
    pub(crate) fn pause_ended(&mut self) {
        self.pause.release_due = false;
        self.env.expiry = self.expiry_mode();
        self.refresh_gate();
        self.release_stream();
        self.release_held();
        self.serve_ready();
    }

    /// Lets commands that were held back try again.
    pub(crate) fn release_held(&mut self) {
        for conn in std::mem::take(&mut self.pause.held) {
            if self.session(conn).is_some_and(|session| session.blocked == Some(Blocked::Paused)) {
                self.unblock(conn, |_| {});
            }
        }
    }

    /// Works out again which commands may have to be refused.
    pub(crate) fn refresh_gate(&mut self) {
        let settings = self.config.settings();
        let replica = self.replication.is_replica();
        let link_up = self.replication.upstream.as_ref().is_none_or(|upstream| upstream.is_up());
        // Whether it stays a replica is not decided: writes are held until it is, and reads are as good as a master's.
        let undecided = self.is_handing_over();
        let saves = settings.stop_writes_on_bgsave_error && !settings.save.is_empty();
        let cannot_save = !self.persistence.last_ok && saves;
        self.gate = Gate {
            loading: self.gate.loading,
            read_only: replica && settings.replica_read_only && !undecided,
            stale: !link_up && (!settings.replica_serve_stale_data || self.replication.emptied) && !undecided,
            emptied: self.replication.emptied,
            persistence_failing: cannot_save && !replica,
            aof_failing: self.aof.is_failing() && !replica,
            few_replicas: !replica
                && settings.min_replicas_to_write > 0
                && settings.min_replicas_max_lag > 0
                && self.good_replicas() < settings.min_replicas_to_write as usize,
            paused: self.pause.is_active(),
            migrating: self.migrations.under_way(),
            importing: !replica && settings.import_mode,
            memory_limited: settings.maxmemory > 0 && !(replica && settings.replica_ignore_maxmemory),
            busy: self.scripting.parked.is_some(),
            redirecting: replica,
            ends_on_writes: replica
                && !settings.replica_ignore_disk_write_errors
                && (cannot_save || self.aof.is_failing()),
        };
        if !self.gate.memory_limited {
            self.eviction.stop(self.now);
        }
        self.note_waiting();
    }

    /// What becomes of keys whose time is over.
    pub(crate) fn expiry_mode(&self) -> ExpiryMode {
        if self.replication.is_replica() {
            ExpiryMode::Hide
        } else if self.pause.is_active()
            || self.config.settings().import_mode
            || self.replication.is_resting(self.now.mono_ms())
        {
            // During a pause nothing changes by itself. What the transaction that begins it still writes is logged like any write.
            ExpiryMode::Spare
        } else {
            ExpiryMode::Delete
        }
    }

    /// While a dataset is imported, those who bring it see everything as it is in their source.
    #[cold]
    pub(crate) fn set_import_view(&mut self, session: &crate::session::Session) {
        self.env.expiry = if session.import_source { ExpiryMode::Ignore } else { ExpiryMode::Spare };
    }

    /// Takes over what the configuration says now.
    pub(crate) fn apply_settings(&mut self) {
        let settings = self.config.settings();
        if self.env.lfu != settings.maxmemory_policy.is_lfu() {
            self.env.lfu = settings.maxmemory_policy.is_lfu();
            // The clock of access words depends on it.
            self.env.set_now_us(self.now.unix_us);
            self.keyspace.set_initial_access(commands::access::fresh(&self.env));
        }
        self.scripting.limits.memory = settings.script_memory_limit as usize;
        self.env.proto_max_bulk_len = settings.proto_max_bulk_len as usize;
        let [normal, _, pubsub] = settings.client_output_buffer_limit.map(|limit| limit.hard_bytes);
        self.env.reply_limit = if normal.min(pubsub) == 0 { 0 } else { normal.max(pubsub) as usize };
        self.env.lfu_log_factor = settings.lfu_log_factor;
        self.env.lfu_decay_time = settings.lfu_decay_time;
        self.env.lazyfree_user_del = settings.lazyfree_lazy_user_del;
        self.env.lazyfree_expire = settings.lazyfree_lazy_expire;
        self.env.lazyfree_server_del = settings.lazyfree_lazy_server_del;
        self.env.lazyfree_user_flush = settings.lazyfree_lazy_user_flush;
        self.env.newer_dumps = settings.rdb_version_check == config::RdbVersionCheck::Relaxed;
        self.env.limits = keyspace::Limits {
            hash_max_listpack_entries: settings.hash_max_listpack_entries,
            hash_max_listpack_value: settings.hash_max_listpack_value,
            set_max_intset_entries: settings.set_max_intset_entries,
            set_max_listpack_entries: settings.set_max_listpack_entries,
            set_max_listpack_value: settings.set_max_listpack_value,
            zset_max_listpack_entries: settings.zset_max_listpack_entries,
            zset_max_listpack_value: settings.zset_max_listpack_value,
            list_max_listpack_size: settings.list_max_listpack_size,
            hll_sparse_max_bytes: settings.hll_sparse_max_bytes,
            stream_node_max_bytes: settings.stream_node_max_bytes,
            stream_node_max_entries: settings.stream_node_max_entries,
        };
        let all_channels = settings.acl_pubsub_default == config::AclPubsubDefault::Allchannels;
        self.access.users.set_all_channels_by_default(all_channels);
        let backlog = settings.repl_backlog_size as usize;
        if self.replication.log.capacity() != backlog {
            self.replication.log.set_capacity(backlog);
        }
        self.apply_aof_settings();
        self.eviction.forget_candidates();
        self.limit_tracking_table();
        self.set_planner_policy();
        self.refresh_event_classes();
        self.env.expiry = self.expiry_mode();
        self.refresh_timing();
        self.refresh_gate();
        // Whether the new limit is kept is looked at without waiting for a command.
        self.eviction.unfinished = self.gate.memory_limited;
        let limited = self.client_memory_limit().is_some();
        if limited != self.clients_limited {
            self.clients_limited = limited;
            self.count_all_clients(limited);
        }
    }
}

#[cfg(test)]
mod tests {
    use backlog::Offset;

    use crate::testing::Fixture;

    /// What went into the log behind an offset.
    fn log_from(fixture: &Fixture, from: Offset) -> String {
        let slices = fixture.node.replication.log.slices(from).expect("nothing was trimmed");
        let bytes: Vec<u8> = slices.flatten().copied().collect();
        String::from_utf8_lossy(&bytes).replace("\r\n", " ")
    }

    fn logging() -> Fixture {
        let mut fixture = Fixture::new();
        let node = &mut fixture.node;
        node.replication.begin_logging(&mut node.rng);
        fixture
    }

    #[test]
    fn fields_that_are_over_are_deleted_and_logged() {
        let mut fixture = logging();
        fixture.run(&["HSET", "h", "stays", "1"]);
        fixture.run(&["HSETEX", "h", "PX", "150", "FIELDS", "1", "goes", "2"]);
        fixture.run(&["HSETEX", "all", "PX", "150", "FIELDS", "2", "a", "1", "b", "2"]);
        fixture.run(&["SELECT", "3"]);
        fixture.run(&["HSETEX", "other", "PX", "150", "FIELDS", "1", "a", "1"]);
        let before = fixture.node.replication.log.end();
        fixture.advance_ms(100);
        assert_eq!(fixture.node.replication.log.end(), before, "nothing is over yet");

        fixture.advance_ms(100);
        let log = log_from(&fixture, before);
        for deletion in ["*3 $4 HDEL $1 h $4 goes", "*4 $4 HDEL $3 all", "$1 3 *3 $4 HDEL $5 other $1 a"] {
            assert!(log.contains(deletion), "{deletion} is not in {log}");
        }
        assert_eq!(fixture.run(&["EXISTS", "other"]), ":0\r\n");
        fixture.run(&["SELECT", "0"]);
        assert_eq!(fixture.run(&["HLEN", "h"]), ":1\r\n");
        assert_eq!(fixture.run(&["EXISTS", "all"]), ":0\r\n");
        assert!(fixture.run(&["INFO", "stats"]).contains("expired_fields:4\r\n"));
        let after = fixture.node.replication.log.end();
        fixture.advance_ms(1000);
        assert_eq!(fixture.node.replication.log.end(), after, "what is gone is deleted once");
    }

    #[test]
    fn a_large_backlog_of_fields_takes_several_ticks() {
        let mut fixture = Fixture::new();
        let names: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
        for names in names.chunks(500) {
            let mut words = vec!["HSETEX", "h", "PX", "10", "FIELDS", "500"];
            words.extend(names.iter().flat_map(|name| [name.as_str(), "v"]));
            assert_eq!(fixture.run(&words), ":1\r\n");
        }
        let left = |fixture: &mut Fixture| {
            fixture.run(&["HLEN", "h"])[1..].trim().parse::<usize>().expect("a number")
        };
        fixture.advance_ms(100);
        let first = left(&mut fixture);
        assert!((1..20_000).contains(&first), "{first}");
        let ticks = (0..20)
            .take_while(|_| {
                left(&mut fixture) > 0 && {
                    fixture.advance_ms(100);
                    true
                }
            })
            .count();
        assert!((1..20).contains(&ticks), "{ticks}");
    }

    #[test]
    fn watches_break_and_a_stopped_cycle_rests() {
        let mut fixture = Fixture::with(&["--enable-debug-command", "yes"]);
        assert_eq!(fixture.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), "+OK\r\n");
        fixture.run(&["HSETEX", "h", "PX", "10", "FIELDS", "1", "a", "1"]);
        fixture.advance_ms(100);
        assert_eq!(fixture.run(&["HLEN", "h"]), ":1\r\n");
        assert_eq!(fixture.run(&["HGET", "h", "a"]), "$-1\r\n");
        fixture.run(&["WATCH", "h"]);
        assert_eq!(fixture.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]), "+OK\r\n");
        fixture.advance_ms(100);
        fixture.run(&["MULTI"]);
        fixture.run(&["PING"]);
        assert_eq!(fixture.run(&["EXEC"]), "*-1\r\n");
        assert_eq!(fixture.run(&["EXISTS", "h"]), ":0\r\n");
    }
}
