//! One row of the command table.

use bitflags::bitflags;
use resp::Args;

use crate::Ctx;
use crate::keys::{KeyIter, KeyRange, KeySpec, legacy_range};
use crate::pubsub::Channels;

bitflags! {
    /// What a command does and where it may run; the names are those that COMMAND INFO prints.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Flags: u64 {
        /// May change the dataset.
        const WRITE = 1 << 0;
        /// Reads keys and changes nothing.
        const READONLY = 1 << 1;
        /// Refused when memory is short, because it may need more of it.
        const DENYOOM = 1 << 2;
        /// For operators.
        const ADMIN = 1 << 3;
        /// Publish/subscribe.
        const PUBSUB = 1 << 4;
        /// Not from scripts.
        const NOSCRIPT = 1 << 5;
        /// May suspend its client.
        const BLOCKING = 1 << 6;
        /// Allowed while the dataset is being loaded.
        const LOADING = 1 << 7;
        /// Allowed on a replica whose data is stale.
        const STALE = 1 << 8;
        /// Not shown to MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Never entered in the slow log.
        const SKIP_SLOWLOG = 1 << 10;
        /// Implies ASKING in a cluster.
        const ASKING = 1 << 11;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 12;
        /// Allowed before authentication.
        const NO_AUTH = 1 << 13;
        /// May put something into the log although it is no write.
        const MAY_REPLICATE = 1 << 14;
        /// Known to Sentinel too.
        const SENTINEL = 1 << 15;
        /// Known to Sentinel only.
        const ONLY_SENTINEL = 1 << 16;
        /// Its key arguments are optional.
        const NO_MANDATORY_KEYS = 1 << 17;
        /// Not while a dataset is loaded beside the one being served.
        const NO_ASYNC_LOADING = 1 << 18;
        /// Not inside MULTI.
        const NO_MULTI = 1 << 19;
        /// Allowed while a script has run for too long.
        const ALLOW_BUSY = 1 << 20;
        /// Its keys can't be given as first, last and step.
        const MOVABLEKEYS = 1 << 21;
        /// Refused unless the configuration permits it (DEBUG, MODULE).
        const PROTECTED = 1 << 22;
        /// Reads keys that its arguments don't name, so that prefetching or slot checks can't know them.
        const TOUCHES_ARBITRARY_KEYS = 1 << 23;
    }
}

bitflags! {
    /// The ACL categories of a command.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct AclCategories: u64 {
        /// Works on keys of every type.
        const KEYSPACE = 1 << 0;
        /// Reads keys.
        const READ = 1 << 1;
        /// Changes keys.
        const WRITE = 1 << 2;
        /// Sets.
        const SET = 1 << 3;
        /// Sorted sets.
        const SORTEDSET = 1 << 4;
        /// Lists.
        const LIST = 1 << 5;
        /// Hashes.
        const HASH = 1 << 6;
        /// Strings.
        const STRING = 1 << 7;
        /// Bitmaps.
        const BITMAP = 1 << 8;
        /// HyperLogLogs.
        const HYPERLOGLOG = 1 << 9;
        /// Places.
        const GEO = 1 << 10;
        /// Streams.
        const STREAM = 1 << 11;
        /// Publish/subscribe.
        const PUBSUB = 1 << 12;
        /// For operators.
        const ADMIN = 1 << 13;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 14;
        /// Everything that is not fast.
        const SLOW = 1 << 15;
        /// May suspend its client.
        const BLOCKING = 1 << 16;
        /// Not for everybody, for one reason or another.
        const DANGEROUS = 1 << 17;
        /// Concerns the connection.
        const CONNECTION = 1 << 18;
        /// MULTI and what belongs to it.
        const TRANSACTION = 1 << 19;
        /// Scripts and functions.
        const SCRIPTING = 1 << 20;
    }
}

/// Which arguments of a command name members or fields of the collection at its first key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ElementRange {
    /// Position of the first; 0 when there is none.
    pub first: u8,
    /// From one to the next; 0 when there is just one.
    pub step: u8,
}

impl ElementRange {
    /// It looks nothing up.
    pub const NONE: ElementRange = ElementRange { first: 0, step: 0 };

    /// Whether there is none.
    #[inline]
    pub const fn is_none(self) -> bool {
        self.first == 0
    }

    /// Their positions in a request of `argc` arguments.
    #[inline]
    pub fn positions(self, argc: usize) -> impl Iterator<Item = usize> {
        let first = usize::from(self.first);
        let end = match (self.first, self.step) {
            (0, _) => 0,
            (_, 0) => argc.min(first + 1),
            _ => argc,
        };
        (first..end).step_by(usize::from(self.step).max(1))
    }
}

/// Who carries a command out.
#[derive(Clone, Copy)]
pub enum Handler {
    /// A function of this crate, which needs nothing but a [`Ctx`].
    Data(fn(&mut Ctx<'_>, Args<'_>)),
    /// The instance around the keyspace: sessions, replication, persistence, configuration.
    Host,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Handler::Data(_) => "Data",
            Handler::Host => "Host",
        })
    }
}

/// One row of the table: everything that is known about a command or a subcommand.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Lowercase; a subcommand's own name ("get" of CONFIG GET).
    pub name: &'static str,
    /// As statistics, ACLs and error texts name it: "get", "config|get".
    pub full_name: &'static str,
    /// Number of arguments with the name(s); negative: at least so many.
    pub arity: i32,
    /// What it does and where it may run.
    pub flags: Flags,
    /// All its ACL categories, those that follow from the flags included.
    pub categories: AclCategories,
    /// Where its keys stand and what happens to them.
    pub keys: &'static [KeySpec],
    /// The same as first, last and step, where that is possible.
    pub range: KeyRange,
    /// Where its channels stand and what happens to them.
    pub channels: Option<Channels>,
    /// Where the members or fields stand that it looks up in the collection at its first key: what a prefetcher needs.
    pub elements: ElementRange,
    /// As COMMAND DOCS groups it.
    pub group: &'static str,
    /// The Redis version it came with.
    pub since: &'static str,
    /// One line of what it does.
    pub summary: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// Its arguments after the name, in the notation of command references: `key [EX seconds | PX ms]`.
    pub syntax: &'static str,
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// Who carries it out.
    pub handler: Handler,
    /// Its subcommands, if it is a container.
    pub subcommands: &'static [CommandSpec],
    /// Position in the table; `u16::MAX` in a subcommand. Read it through [`crate::Registry::index`].
    pub(crate) id: u16,
}

impl CommandSpec {
    pub(crate) const fn new(
        name: &'static str,
        arity: i32,
        group: &'static str,
        since: &'static str,
        handler: Handler,
    ) -> Self {
        CommandSpec {
            name: own_name(name),
            full_name: name,
            arity,
            flags: Flags::empty(),
            categories: AclCategories::empty(),
            keys: &[],
            range: KeyRange::NONE,
            channels: None,
            elements: ElementRange::NONE,
            group,
            since,
            summary: "",
            complexity: "",
            syntax: "",
            tips: &[],
            handler,
            subcommands: &[],
            id: u16::MAX,
        }
    }

    /// Whether Redis 7.0, the oldest peer that is served, does not know it.
    #[inline]
    pub fn is_newer_than_redis_7_0(&self) -> bool {
        match *self.since.as_bytes() {
            [major, b'.', minor, b'.', ..] => (major, minor) > (b'7', b'0'),
            _ => true,
        }
    }

    /// Sets the flags and the ACL categories that follow from them.
    pub(crate) const fn flags(mut self, bits: u64) -> Self {
        use AclCategories as C;
        let flags = Flags::from_bits_retain(bits);
        let mut implied = self.categories;
        if flags.contains(Flags::WRITE) {
            implied = implied.union(C::WRITE);
        }
        if flags.contains(Flags::READONLY) {
            implied = implied.union(C::READ);
        }
        if flags.contains(Flags::ADMIN) {
            implied = implied.union(C::ADMIN).union(C::DANGEROUS);
        }
        if flags.contains(Flags::PUBSUB) {
            implied = implied.union(C::PUBSUB);
        }
        if flags.contains(Flags::BLOCKING) {
            implied = implied.union(C::BLOCKING);
        }
        implied = implied.union(if flags.contains(Flags::FAST) { C::FAST } else { C::SLOW });
        self.flags = flags;
        self.categories = implied;
        self
    }

    /// Adds ACL categories.
    pub(crate) const fn acl(mut self, categories: AclCategories) -> Self {
        self.categories = self.categories.union(categories);
        self
    }

    /// Puts a category in the place of one that follows from the flags.
    pub(crate) const fn acl_instead(mut self, of: AclCategories, category: AclCategories) -> Self {
        self.categories = self.categories.difference(of).union(category);
        self
    }

    pub(crate) const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        let (range, movable) = legacy_range(keys);
        self.range = range;
        if movable {
            self.flags = self.flags.union(Flags::MOVABLEKEYS);
        }
        self
    }

    pub(crate) const fn channels(mut self, channels: Channels) -> Self {
        self.channels = Some(channels);
        self
    }

    /// The arguments from `first` on, every `step`th, are members or fields.
    pub(crate) const fn elements(mut self, first: u8, step: u8) -> Self {
        self.elements = ElementRange { first, step };
        self
    }

    pub(crate) const fn doc(
        mut self,
        syntax: &'static str,
        summary: &'static str,
        complexity: &'static str,
    ) -> Self {
        self.syntax = syntax;
        self.summary = summary;
        self.complexity = complexity;
        self
    }

    pub(crate) const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    pub(crate) const fn subs(mut self, subcommands: &'static [CommandSpec]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Whether a request of `argc` arguments, the name included, satisfies the arity.
    #[inline]
    pub const fn accepts(&self, argc: usize) -> bool {
        if self.arity >= 0 { argc == self.arity as usize } else { argc >= self.arity.unsigned_abs() as usize }
    }

    /// Whether it may change the dataset.
    #[inline]
    pub const fn is_write(&self) -> bool {
        self.flags.contains(Flags::WRITE)
    }

    /// Whether it has subcommands.
    #[inline]
    pub const fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }

    /// The positions in `args` that hold keys, in order: what a prefetcher, WATCH-like bookkeeping and
    /// COMMAND GETKEYS need. Costs next to nothing for a fixed range; never fails: a malformed request simply
    /// has fewer keys.
    #[inline]
    pub fn keys_of<'a>(&'static self, args: Args<'a>) -> KeyIter<'a> {
        KeyIter::new(self, args)
    }

    /// The subcommand of this name, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        let subcommands = self.subcommands;
        subcommands.iter().find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// "get" of "config|get"; the whole of a name without a bar.
const fn own_name(full: &'static str) -> &'static str {
    let bytes = full.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'|' {
            return full.split_at(at + 1).1;
        }
        at += 1;
    }
    full
}
