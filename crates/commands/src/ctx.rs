//! What a command works on.

use keyspace::{Db, Entry, EntryMut, Keyspace, Removed, SetExpiry, Value};
use resp::ReplyBuf;

use crate::access;
use crate::effects::{EventClass, KeyEvent};
use crate::env::{Env, ExpiryMode};
use crate::{Effects, Registry};

/// Everything a command may touch. It writes exactly one reply to `out` and tells in `fx` what it did.
pub struct Ctx<'a> {
    /// The dataset.
    pub ks: &'a mut Keyspace,
    /// The selected database.
    pub db: usize,
    /// Where the reply goes.
    pub out: &'a mut ReplyBuf,
    /// Time and settings.
    pub env: &'a Env,
    /// What the command did.
    pub fx: &'a mut Effects,
    /// Randomness.
    pub rng: &'a mut fastrand::Rng,
    /// The command table, for COMMAND.
    pub registry: &'a Registry,
}

impl Ctx<'_> {
    /// The selected database.
    #[inline]
    pub fn db(&self) -> &Db {
        self.ks.db(self.db)
    }

    /// The selected database, to be changed.
    #[inline]
    pub fn db_mut(&mut self) -> &mut Db {
        self.ks.db_mut(self.db)
    }

    /// Looks `key` up for reading, with the expiry and the bookkeeping that belong to a read, and hands the
    /// entry and the reply buffer to `f`. One lookup: what hot commands use.
    #[inline]
    pub fn read<R>(&mut self, key: &[u8], f: impl FnOnce(Option<Entry<'_>>, &mut ReplyBuf) -> R) -> R {
        if let Some(entry) = self.ks.db(self.db).get(key) {
            if !self.env.is_expired(entry.expiry()) {
                self.fx.keyspace_hits += 1;
                access::touch(&entry, self.env, self.rng);
                return f(Some(entry), self.out);
            }
            self.drop_expired(self.db, key);
        }
        self.missed(key);
        f(None, self.out)
    }

    /// [`Ctx::read`] for commands that ask about a key without using its value: the access word stays.
    #[inline]
    pub fn inspect<R>(&mut self, key: &[u8], f: impl FnOnce(Option<Entry<'_>>, &mut ReplyBuf) -> R) -> R {
        if let Some(entry) = self.ks.db(self.db).get(key) {
            if !self.env.is_expired(entry.expiry()) {
                self.fx.keyspace_hits += 1;
                return f(Some(entry), self.out);
            }
            self.drop_expired(self.db, key);
        }
        self.missed(key);
        f(None, self.out)
    }

    /// [`Ctx::inspect`] for commands whose miss is no event: OBJECT and its like.
    pub fn inspect_quietly<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_>>, &mut ReplyBuf) -> R,
    ) -> R {
        let notify = self.fx.notify;
        self.fx.notify.remove(EventClass::KEY_MISS);
        let result = self.inspect(key, f);
        self.fx.notify = notify;
        result
    }

    /// Notifies that a key has come into being, if it was made by other means than [`Ctx::store`] and [`Ctx::put`].
    pub fn created(&mut self, key: &[u8]) {
        self.notify(EventClass::NEW, "new", key);
    }

    /// Accounts for a read of a key that is not there.
    pub fn missed(&mut self, key: &[u8]) {
        self.fx.keyspace_misses += 1;
        self.notify(EventClass::KEY_MISS, "keymiss", key);
    }

    /// Looks `key` up for reading: expiry as [`Env::expiry`] says, hits and misses counted, the access word
    /// renewed.
    pub fn lookup_read(&mut self, key: &[u8]) -> Option<Entry<'_>> {
        self.expire_if_due(self.db, key);
        let there = self.ks.db(self.db).get(key).is_some_and(|entry| !self.env.is_expired(entry.expiry()));
        if !there {
            self.missed(key);
            return None;
        }
        self.fx.keyspace_hits += 1;
        let found = self.ks.db(self.db).get(key);
        if let Some(entry) = &found {
            access::touch(entry, self.env, self.rng);
        }
        found
    }

    /// Looks `key` up in database `db` without leaving a trace: an expired key is absent and stays where it
    /// is.
    pub fn peek(&self, db: usize, key: &[u8]) -> Option<Entry<'_>> {
        self.ks.db(db).get(key).filter(|entry| !self.env.is_expired(entry.expiry()))
    }

    /// Looks `key` up for writing: like a read, but neither hits nor misses are counted, and an expired key
    /// is really gone afterwards, also where reads merely hide it.
    pub fn lookup_write(&mut self, key: &[u8]) -> Option<Entry<'_>> {
        self.lookup_write_in(self.db, key)
    }

    /// [`Ctx::lookup_write`] in another database.
    pub fn lookup_write_in(&mut self, db: usize, key: &[u8]) -> Option<Entry<'_>> {
        self.expire_for_write(db, key);
        let found = self.ks.db(db).get(key);
        if let Some(entry) = &found {
            access::touch(entry, self.env, self.rng);
        }
        found
    }

    /// Changes the value of `key` in place, if it is there and alive: one lookup.
    #[inline]
    pub fn update<R>(&mut self, key: &[u8], f: impl FnOnce(&mut EntryMut<'_>) -> R) -> Option<R> {
        let mut entry = self.ks.db_mut(self.db).get_mut(key)?;
        if !self.env.is_expired(entry.as_entry().expiry()) {
            access::touch(&entry.as_entry(), self.env, self.rng);
            return Some(f(&mut entry));
        }
        self.expire_for_write(self.db, key);
        None
    }

    /// [`Ctx::update`] that hands the reply buffer to `f` as well.
    #[inline]
    pub fn update_replying<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(&mut EntryMut<'_>, &mut ReplyBuf) -> R,
    ) -> Option<R> {
        let mut entry = self.ks.db_mut(self.db).get_mut(key)?;
        if !self.env.is_expired(entry.as_entry().expiry()) {
            access::touch(&entry.as_entry(), self.env, self.rng);
            return Some(f(&mut entry, self.out));
        }
        self.expire_for_write(self.db, key);
        None
    }

    /// Stores a string, whatever was there before; whether the key existed. The caller reports the change.
    #[inline]
    pub fn store(&mut self, key: &[u8], value: &[u8], expiry: SetExpiry) -> bool {
        let (existed, entry, replaced) = self.ks.db_mut(self.db).put_str(key, value, expiry);
        if existed && self.env.lfu {
            access::touch(&entry, self.env, self.rng);
        } else {
            entry.set_access(access::fresh(self.env));
        }
        if let Some(replaced) = replaced {
            self.discard(replaced, self.env.lazyfree_server_del);
        }
        if !existed {
            self.notify(EventClass::NEW, "new", key);
        }
        existed
    }

    /// Sets a key to a value without an expiry, whatever was there before; whether the key existed. The caller reports the change.
    pub fn put(&mut self, key: &[u8], value: Value) -> bool {
        let (replaced, entry) = self.ks.db_mut(self.db).put(key, value, None);
        entry.set_access(access::fresh(self.env));
        match replaced {
            None => {
                self.notify(EventClass::NEW, "new", key);
                false
            }
            Some(garbage) => {
                if self.env.lazyfree_server_del && garbage.is_large() {
                    self.fx.garbage.push(garbage);
                }
                true
            }
        }
    }

    /// Removes a key that is alive. An expired one is gone as well afterwards, but counts as missing.
    pub fn take(&mut self, key: &[u8]) -> Option<Removed> {
        let removed = self.ks.db_mut(self.db).remove(key)?;
        if self.env.is_expired(removed.expiry()) {
            self.expired(removed, self.db, key);
            return None;
        }
        Some(removed)
    }

    /// Deletes `key` and logs that if its time is over and this instance is one that expires; whether its
    /// time is over.
    pub fn expire_if_due(&mut self, db: usize, key: &[u8]) -> bool {
        let due = self.ks.db(db).get(key).is_some_and(|entry| self.env.is_expired(entry.expiry()));
        if due {
            self.drop_expired(db, key);
        }
        due
    }

    /// Sees to it that an expired key is gone before a write.
    pub fn expire_for_write(&mut self, db: usize, key: &[u8]) {
        let due = self.ks.db(db).get(key).is_some_and(|entry| self.env.is_expired(entry.expiry()));
        if due && let Some(removed) = self.ks.db_mut(db).remove(key) {
            self.expired(removed, db, key);
        }
    }

    /// What a lookup does with a key that it found expired.
    #[cold]
    fn drop_expired(&mut self, db: usize, key: &[u8]) {
        if self.env.expiry == ExpiryMode::Delete
            && let Some(removed) = self.ks.db_mut(db).remove(key)
        {
            self.expired(removed, db, key);
        }
    }

    /// Accounts for a key that was removed because its time is over.
    #[cold]
    fn expired(&mut self, removed: Removed, db: usize, key: &[u8]) {
        self.discard(removed, self.env.lazyfree_expire);
        if !matches!(self.env.expiry, ExpiryMode::Delete | ExpiryMode::Spare) {
            // A write on a writable replica: the value that it replaces must not shine through, but whoever
            // follows this replica hears of the expiry from the master.
            return;
        }
        self.fx.expired += 1;
        self.log_deletion(db, key);
        self.touch_key(db, key);
        self.notify_in(EventClass::EXPIRED, "expired", db, key);
    }

    /// Deletes `key`, which is there, because the expiry that a command gives it lies in the past: what
    /// [`Env::is_past`] is asked for.
    pub fn expire_now(&mut self, key: &[u8]) {
        if let Some(removed) = self.take(key) {
            self.discard(removed, self.env.lazyfree_expire);
        }
        self.fx.expired += 1;
        self.modified(EventClass::EXPIRED, "expired", key);
        self.fx.rewrite(&[deletion(self.env.lazyfree_expire), key]);
    }

    /// Logs that an expired key was deleted, between SELECTs if it concerns another database.
    fn log_deletion(&mut self, db: usize, key: &[u8]) {
        let name = deletion(self.env.lazyfree_expire);
        if db == self.db {
            self.fx.push(&[name, key]);
            return;
        }
        let mut digits = itoa::Buffer::new();
        resp::encode_request(&mut self.fx.log, &[b"SELECT", digits.format(db).as_bytes()]);
        self.fx.push(&[name, key]);
        resp::encode_request(&mut self.fx.log, &[b"SELECT", digits.format(self.db).as_bytes()]);
    }

    /// Frees a removed key: here, or off the engine thread if `lazy` and worth it.
    #[inline]
    pub fn discard(&mut self, removed: Removed, lazy: bool) {
        if lazy && removed.is_large() {
            self.fx.garbage.push(removed.into());
        }
    }

    /// Records one change to `key` of the selected database: it counts for the log and for save points,
    /// touches watchers, and is notified.
    #[inline]
    pub fn modified(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        self.modified_in(class, event, self.db, key);
    }

    /// [`Ctx::modified`] in another database.
    #[inline]
    pub fn modified_in(&mut self, class: EventClass, event: &'static str, db: usize, key: &[u8]) {
        self.fx.dirty += 1;
        self.touch_key(db, key);
        self.notify_in(class, event, db, key);
    }

    /// Says that a key of the selected database has something now that a client may be waiting for. To be called by whoever adds to
    /// a list, a sorted set or a stream, and by whoever puts a value in its place (RENAME, RESTORE …).
    #[inline]
    pub fn signal_ready(&mut self, key: &[u8]) {
        self.signal_ready_in(self.db, key);
    }

    /// [`Ctx::signal_ready`] in another database.
    #[inline]
    pub fn signal_ready_in(&mut self, db: usize, key: &[u8]) {
        if self.fx.track_ready {
            self.fx.ready.push((db as u32, key.into()));
        }
    }

    /// Tells watchers that a key changed.
    #[inline]
    pub fn touch_key(&mut self, db: usize, key: &[u8]) {
        if self.fx.track_keys {
            self.fx.touched.push((db as u32, key.into()));
        }
    }

    /// Records a keyspace event of the selected database, if somebody listens to its class.
    #[inline]
    pub fn notify(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        self.notify_in(class, event, self.db, key);
    }

    /// [`Ctx::notify`] in another database.
    #[inline]
    pub fn notify_in(&mut self, class: EventClass, event: &'static str, db: usize, key: &[u8]) {
        if self.fx.notify.intersects(class) {
            self.fx.events.push(KeyEvent { class, name: event, db: db as u32, key: key.into() });
        }
    }
}

/// The command that deletes a key in the log where no client has asked for it: the one that frees as the setting in question says.
pub fn deletion(lazy: bool) -> &'static [u8] {
    if lazy { b"UNLINK" } else { b"DEL" }
}
