//! The circumstances of a command.

use keyspace::Limits;

use crate::access;

/// What becomes of a key whose time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExpiryMode {
    /// It is deleted, and the deletion goes into the log: a master.
    #[default]
    Delete,
    /// It is treated as missing but stays until the master's deletion arrives: a replica serving its clients.
    Hide,
    /// It is treated as missing but stays; a write that meets it deletes it, and that goes into the log: a master into which a dataset
    /// is being imported, or whose clients are paused.
    Spare,
    /// It is there: applying the master's stream, or loading.
    Ignore,
}

/// The time, and the settings that commands depend on.
#[derive(Clone, Debug)]
pub struct Env {
    /// The time, unix milliseconds. Set it by [`Env::set_now_us`] or [`Env::set_now_ms`], which keep the
    /// others in step.
    pub now_ms: u64,
    /// The time, unix microseconds.
    pub now_us: u64,
    /// The time as access words carry it.
    pub clock: u32,
    /// What becomes of expired keys.
    pub expiry: ExpiryMode,
    /// Number of databases.
    pub databases: usize,
    /// `proto-max-bulk-len`: the longest string.
    pub proto_max_bulk_len: usize,
    /// Bytes of a reply beyond which a client is disconnected, whatever its class (`client-output-buffer-limit`); 0 where there is a
    /// class without a limit.
    pub reply_limit: usize,
    /// Access words count frequency (an LFU `maxmemory-policy`) instead of recency. Set it before the time:
    /// the clock depends on it.
    pub lfu: bool,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_time: u32,
    /// `lazyfree-lazy-user-del`: DEL frees like UNLINK.
    pub lazyfree_user_del: bool,
    /// `lazyfree-lazy-expire`: expired values are freed off the engine thread.
    pub lazyfree_expire: bool,
    /// `lazyfree-lazy-server-del`: overwritten values are freed off the engine thread.
    pub lazyfree_server_del: bool,
    /// `lazyfree-lazy-user-flush`: FLUSHDB and FLUSHALL without an option mean ASYNC.
    pub lazyfree_user_flush: bool,
    /// The limits up to which collections keep their small forms.
    pub limits: Limits,
    /// The client may be made to wait: not inside a transaction, and not the master's stream.
    pub may_block: bool,
    /// Uses leave access words alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// The client may read any key, those that its command's arguments do not name included (SORT … BY and GET).
    pub reads_all_keys: bool,
    /// RESTORE checks its payload's checksum.
    pub verify_dump: bool,
    /// A script calls: what has no order of its own comes in one that does not depend on chance.
    pub in_script: bool,
    /// RESTORE takes payloads of versions beyond those known (`rdb-version-check relaxed`).
    pub newer_dumps: bool,
}

impl Default for Env {
    fn default() -> Self {
        Env {
            now_ms: 0,
            now_us: 0,
            clock: 0,
            expiry: ExpiryMode::Delete,
            databases: 16,
            proto_max_bulk_len: 512 << 20,
            reply_limit: 0,
            lfu: false,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            lazyfree_user_del: false,
            lazyfree_expire: false,
            lazyfree_server_del: false,
            lazyfree_user_flush: false,
            limits: Limits::default(),
            may_block: true,
            no_touch: false,
            reads_all_keys: true,
            verify_dump: true,
            in_script: false,
            newer_dumps: false,
        }
    }
}

impl Env {
    /// Sets the time from unix microseconds.
    pub fn set_now_us(&mut self, now_us: u64) {
        self.now_us = now_us;
        self.now_ms = now_us / 1000;
        self.clock = access::clock(self.now_ms, self.lfu);
    }

    /// Sets the time from unix milliseconds.
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.set_now_us(now_ms * 1000);
    }

    /// Whether a key that expires at `expiry` is gone for this command.
    #[inline]
    pub fn is_expired(&self, expiry: Option<u64>) -> bool {
        match expiry {
            Some(at) => at < self.now_ms && self.expiry != ExpiryMode::Ignore,
            None => false,
        }
    }

    /// Whether setting this expiry would amount to deleting the key: only an instance that expires keys
    /// itself may say so.
    pub fn is_past(&self, expiry: i64) -> bool {
        self.expiry == ExpiryMode::Delete && expiry <= self.now_ms as i64
    }
}
