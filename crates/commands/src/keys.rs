//! Where a command's keys stand among its arguments.

use bitflags::bitflags;
use resp::Args;

use crate::CommandSpec;

bitflags! {
    /// What a command does to the keys of one [`KeySpec`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct KeyFlags: u32 {
        /// Reads the value only.
        const RO = 1 << 0;
        /// Reads and changes it.
        const RW = 1 << 1;
        /// Overwrites it without reading.
        const OW = 1 << 2;
        /// Removes it.
        const RM = 1 << 3;
        /// Returns or copies user data.
        const ACCESS = 1 << 4;
        /// Changes user data.
        const UPDATE = 1 << 5;
        /// Adds user data.
        const INSERT = 1 << 6;
        /// Deletes user data.
        const DELETE = 1 << 7;
        /// Looks like a key and is none.
        const NOT_KEY = 1 << 8;
        /// The specification may miss keys.
        const INCOMPLETE = 1 << 9;
        /// What really happens depends on the other arguments.
        const VARIABLE_FLAGS = 1 << 10;
    }
}

/// How the first of the keys is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At this position.
    Index(u16),
    /// After this word, looked for from a position on (negative: backwards from that far before the end).
    Keyword(&'static str, i32),
    /// At this position, unless that is empty (MIGRATE, whose keys may come behind KEYS instead).
    IndexUnlessEmpty(u16),
    /// Behind the KEYS of MIGRATE, before which the words of AUTH may say the same. Those who ask are told of a keyword.
    MigrateKeys,
    /// Nobody can say.
    Unknown,
    /// Behind the last STORE of SORT, which only SORT itself can tell from what other options take.
    SortStore,
    /// Behind the last STORE or STOREDIST from a position on, which is the one that counts, if it is this word. Those who ask are
    /// told of a keyword.
    LastStore(&'static str, u16),
}

/// How the rest of them is found from the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// Every `step`th argument up to `last`, which is relative to the first key, or to the end of the request
    /// if negative. A `limit` of n > 1 stops at the n-th part of the remaining arguments.
    Range {
        /// The last key.
        last: i32,
        /// Distance between keys.
        step: u16,
        /// Divisor of what remains, or 0.
        limit: u16,
    },
    /// An argument tells how many keys there are; positions are relative to the beginning.
    KeyNum {
        /// Where the number stands.
        count: u16,
        /// Where the first key stands.
        first: u16,
        /// Distance between keys.
        step: u16,
    },
    /// Not by any rule that could be told; there is one at most.
    Unknown,
}

/// One group of keys of a command and what happens to them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// The first key.
    pub begin: Begin,
    /// The others.
    pub find: Find,
    /// What happens to them.
    pub flags: KeyFlags,
    /// Why the flags are as they are, where that needs words.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at `index`.
    pub(crate) const fn one(index: u16, flags: u32) -> Self {
        Self::range(index, 0, 1, flags)
    }

    /// Keys from `index` to `last`, every `step`th.
    pub(crate) const fn range(index: u16, last: i32, step: u16, flags: u32) -> Self {
        let find = Find::Range { last, step, limit: 0 };
        KeySpec { begin: Begin::Index(index), find, flags: KeyFlags::from_bits_retain(flags), notes: "" }
    }

    /// As many keys as an argument says; `count` and `first` are relative to `index`.
    pub(crate) const fn counted(index: u16, count: u16, first: u16, step: u16, flags: u32) -> Self {
        let find = Find::KeyNum { count, first, step };
        KeySpec { begin: Begin::Index(index), find, flags: KeyFlags::from_bits_retain(flags), notes: "" }
    }

    /// The first half of what comes after `word`, which is looked for from position `from` on.
    pub(crate) const fn half_after(word: &'static str, from: i32, flags: u32) -> Self {
        let find = Find::Range { last: -1, step: 1, limit: 2 };
        let begin = Begin::Keyword(word, from);
        KeySpec { begin, find, flags: KeyFlags::from_bits_retain(flags), notes: "" }
    }

    /// A key that COMMAND can't explain where it is.
    pub(crate) const fn hidden(begin: Begin, flags: u32) -> Self {
        KeySpec { begin, find: Find::Unknown, flags: KeyFlags::from_bits_retain(flags), notes: "" }
    }

    /// Adds an explanation.
    pub(crate) const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

impl KeySpec {
    /// What happens to the keys in this very request of `spec`, whose group this is: in some the arguments decide.
    pub fn flags_in(&self, spec: &CommandSpec, args: Args<'_>) -> KeyFlags {
        if !self.flags.contains(KeyFlags::VARIABLE_FLAGS) {
            return self.flags;
        }
        let writes = KeyFlags::UPDATE;
        match spec.full_name {
            // With GET it also reads.
            "set"
                if args.len() <= 3 || !args.from(3).iter().any(|word| word.eq_ignore_ascii_case(b"GET")) =>
            {
                KeyFlags::OW | writes
            }
            "bitfield" if only_gets(args) => KeyFlags::RO | KeyFlags::ACCESS,
            "set" | "bitfield" => KeyFlags::RW | KeyFlags::ACCESS | writes,
            _ => self.flags.difference(KeyFlags::VARIABLE_FLAGS),
        }
    }

    /// Where this group's keys are in a request.
    pub fn positions<'a>(&'static self, args: Args<'a>) -> KeyIter<'a> {
        KeyIter { next: 0, end: 0, step: 1, rest: std::slice::from_ref(self), args }
    }
}

/// Keys as first position, last position (negative: from the end) and step; all 0 without keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// The first key's position.
    pub first: i32,
    /// The last key's position, or from the end if negative (-1: the last argument).
    pub last: i32,
    /// Distance between keys.
    pub step: i32,
}

impl KeyRange {
    /// No keys.
    pub const NONE: KeyRange = KeyRange { first: 0, last: 0, step: 0 };
}

/// The range that says the same as `keys`, and whether some keys are beyond what a range can say.
pub(crate) const fn legacy_range(keys: &[KeySpec]) -> (KeyRange, bool) {
    let mut range = KeyRange::NONE;
    let mut movable = false;
    let mut at = 0;
    while at < keys.len() {
        let key = keys[at];
        match (key.begin, key.find) {
            (Begin::Index(index) | Begin::IndexUnlessEmpty(index), Find::Range { last, step, .. }) => {
                let first = index as i32;
                let last = if last >= 0 { first + last } else { last };
                if range.first == 0 {
                    range = KeyRange { first, last, step: step as i32 };
                } else if range.step == 1 && step == 1 && first == range.last + 1 {
                    range.last = last;
                } else {
                    movable = true;
                }
            }
            _ => movable = true,
        }
        if key.flags.contains(KeyFlags::INCOMPLETE) {
            movable = true;
        }
        at += 1;
    }
    (range, movable)
}

/// The positions of a request's keys; see [`CommandSpec::keys_of`].
#[derive(Clone, Debug)]
pub struct KeyIter<'a> {
    next: usize,
    /// One past the last possible position.
    end: usize,
    step: usize,
    /// Specifications still to be looked at, for commands whose keys are no plain range.
    rest: &'static [KeySpec],
    args: Args<'a>,
}

impl<'a> KeyIter<'a> {
    #[inline]
    pub(crate) fn new(spec: &'static CommandSpec, args: Args<'a>) -> Self {
        let mut keys = KeyIter { next: 0, end: 0, step: 1, rest: &[], args };
        if spec.flags.intersects(crate::Flags::MOVABLEKEYS.union(crate::Flags::PUBSUB)) {
            // What the rows of publish/subscribe describe are channels: clusters treat those of shards like keys.
            if !spec.flags.contains(crate::Flags::PUBSUB) {
                keys.rest = spec.keys;
            }
        } else if spec.range.first > 0 {
            keys.set_range(spec.range.first as usize, spec.range.last, spec.range.step as usize);
        }
        keys
    }

    #[inline]
    fn set_range(&mut self, first: usize, last: i32, step: usize) {
        let argc = self.args.len();
        let end =
            if last >= 0 { last as usize + 1 } else { (argc as i64 + i64::from(last) + 1).max(0) as usize };
        self.next = first;
        self.end = end.min(argc);
        self.step = step.max(1);
    }

    /// Sets the range of one specification.
    #[cold]
    fn enter(&mut self, key: &KeySpec) {
        let Some(begin) = self.begin(key) else { return };
        match key.find {
            Find::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin as i32 + last
                } else if limit > 1 {
                    (begin + self.args.len().saturating_sub(begin) / limit as usize) as i32 + last
                } else {
                    last
                };
                self.set_range(begin, last, step as usize);
            }
            Find::Unknown => self.set_range(begin, begin as i32, 1),
            Find::KeyNum { count, first, step } => {
                let count =
                    self.args.get(begin + count as usize).and_then(crate::number::parse_i64).unwrap_or(0);
                let step = (step as usize).max(1);
                let first = begin + first as usize;
                // The count is the client's word. One that claims more than there is has no keys: no command takes such a request.
                let room = self.args.len().saturating_sub(first).div_ceil(step);
                let count = usize::try_from(count).ok().filter(|count| *count <= room).unwrap_or(0);
                self.next = first;
                self.end = (first + count * step).min(self.args.len());
                self.step = step;
            }
        }
    }

    fn begin(&self, key: &KeySpec) -> Option<usize> {
        match key.begin {
            Begin::Index(index) => Some(index as usize),
            Begin::IndexUnlessEmpty(index) => {
                let there = self.args.get(index as usize).is_some_and(|key| !key.is_empty());
                there.then_some(index as usize)
            }
            Begin::MigrateKeys => migrate_keys(self.args),
            Begin::Unknown => None,
            Begin::SortStore => sort_store(self.args),
            Begin::LastStore(word, from) => last_store(self.args, from.into(), word),
            Begin::Keyword(word, from) => {
                let argc = self.args.len();
                let is_word = |at: &usize| self.args.at(*at).eq_ignore_ascii_case(word.as_bytes());
                let found = if from >= 0 {
                    (from as usize..argc).find(is_word)
                } else {
                    let start = argc.checked_sub(from.unsigned_abs() as usize)?;
                    (1..=start).rev().find(is_word)
                };
                found.map(|at| at + 1)
            }
        }
    }
}

/// Whether every subcommand of a BITFIELD is a whole GET.
fn only_gets(args: Args<'_>) -> bool {
    (2..args.len()).step_by(3).all(|at| args.at(at).eq_ignore_ascii_case(b"GET") && at + 2 < args.len())
}

/// Where the keys of MIGRATE begin that come behind KEYS.
fn migrate_keys(args: Args<'_>) -> Option<usize> {
    let mut at = 6;
    while at < args.len() {
        let is = |name: &str| args.at(at).eq_ignore_ascii_case(name.as_bytes());
        if is("KEYS") {
            return Some(at + 1);
        }
        at += match () {
            () if is("AUTH") => 2,
            () if is("AUTH2") => 3,
            () => 1,
        };
    }
    None
}

/// Where the key of the last STORE or STOREDIST from a position on stands, if it is the wanted one of the two.
fn last_store(args: Args<'_>, from: usize, wanted: &str) -> Option<usize> {
    let (mut at, mut found) = (from, None);
    while at + 1 < args.len() {
        let word = args.at(at);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("STORE") || is("STOREDIST") {
            found = is(wanted).then_some(at + 1);
            at += 1;
        }
        at += 1;
    }
    found
}

/// Where the key of SORT's last STORE stands.
fn sort_store(args: Args<'_>) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while at + 1 < args.len() {
        let word = args.at(at);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("STORE") {
            found = Some(at + 1);
        }
        at += if is("LIMIT") {
            3
        } else if is("GET") || is("BY") {
            2
        } else {
            1
        };
    }
    found
}

impl Iterator for KeyIter<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if self.next < self.end {
                let at = self.next;
                self.next += self.step;
                return Some(at);
            }
            let (key, rest) = self.rest.split_first()?;
            self.rest = rest;
            self.enter(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resp::OwnedArgs;

    use super::*;
    use crate::Registry;

    fn check(key: &'static KeySpec, request: &str, positions: &[usize]) {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let owned = OwnedArgs::from_slices(&words);
        assert_eq!(key.positions(owned.as_args()).collect::<Vec<_>>(), positions, "{request}");
    }

    const fn spec(begin: Begin, find: Find) -> KeySpec {
        KeySpec { begin, find, flags: KeyFlags::RO, notes: "" }
    }

    #[test]
    fn every_way_of_finding_keys() {
        static ONE: KeySpec = spec(Begin::Index(1), Find::Range { last: 0, step: 1, limit: 0 });
        check(&ONE, "c a b", &[1]);
        check(&ONE, "c", &[]);
        static PAIRS: KeySpec = spec(Begin::Index(1), Find::Range { last: -1, step: 2, limit: 0 });
        check(&PAIRS, "c a 1 b 2", &[1, 3]);
        static ALL_BUT_LAST: KeySpec = spec(Begin::Index(1), Find::Range { last: -2, step: 1, limit: 0 });
        check(&ALL_BUT_LAST, "c a b 0", &[1, 2]);
        check(&ALL_BUT_LAST, "c", &[]);
        static COUNTED: KeySpec = spec(Begin::Index(1), Find::KeyNum { count: 0, first: 1, step: 1 });
        check(&COUNTED, "c 2 a b x", &[2, 3]);
        check(&COUNTED, "c 3 a b", &[]);
        check(&COUNTED, "c 9223372036854775807 a b", &[]);
        check(&COUNTED, "c -1 a", &[]);
        check(&COUNTED, "c x a", &[]);
        static HALF: KeySpec =
            spec(Begin::Keyword("STREAMS", 1), Find::Range { last: -1, step: 1, limit: 2 });
        check(&HALF, "c BLOCK 0 streams a b 1 2", &[4, 5]);
        check(&HALF, "c a b", &[]);
        static STORE: KeySpec =
            spec(Begin::LastStore("STORE", 1), Find::Range { last: 0, step: 1, limit: 0 });
        check(&STORE, "c STORE a STORE STOREDIST x", &[4]);
        check(&STORE, "c STORE a storedist b", &[]);
        check(&STORE, "c STORE a STORE", &[2]);
        static MOVED: KeySpec = spec(Begin::MigrateKeys, Find::Range { last: -1, step: 1, limit: 0 });
        check(&MOVED, "c h 1 k 0 5 AUTH keys COPY KEYS a keys b", &[10, 11, 12]);
        check(&MOVED, "c h 1 k 0 5 AUTH2 u keys", &[]);
        static FROM_END: KeySpec =
            spec(Begin::Keyword("KEYS", -2), Find::Range { last: -1, step: 1, limit: 0 });
        check(&FROM_END, "c KEYS x KEYS a b", &[4, 5]);
        check(&FROM_END, "c", &[]);
    }

    proptest! {
        /// Whatever the request, a position is one of its arguments: callers index by it.
        #[test]
        fn positions_are_within_the_request(
            words in proptest::collection::vec("[a-z]{0,3}|[0-9-]{1,20}", 1..8),
        ) {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let owned = OwnedArgs::from_slices(&words);
            for spec in Registry::new().iter() {
                for spec in std::iter::once(spec).chain(spec.subcommands) {
                    let mut last = 0;
                    for position in spec.keys_of(owned.as_args()) {
                        prop_assert!(last < position && position < words.len(), "{}", spec.full_name);
                        last = position;
                    }
                }
            }
        }
    }
}
