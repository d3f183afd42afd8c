//! Finding a command by its name.

use resp::Args;

use crate::CommandSpec;
use crate::errors::Reject;
use crate::table::TABLE;

/// The command table as one instance offers it, renamed commands included.
#[derive(Clone)]
pub struct Registry {
    /// Open addressing, at most a quarter full; the length is a power of two.
    slots: Box<[Slot]>,
    shift: u32,
    /// What every command is called here; `None` if it is switched off. Indexed by `CommandSpec::id`.
    names: Vec<Option<Box<str>>>,
    /// Where the subcommands of the table's containers begin in the numbering of [`Registry::index`].
    sub_base: Vec<usize>,
    count: usize,
}

/// A name of up to 16 bytes is two words, which overlap in names that don't fill them; longer ones are
/// compared.
#[derive(Clone, Copy, Default)]
struct Slot {
    low: u64,
    high: u64,
    len: usize,
    spec: Option<&'static CommandSpec>,
}

/// A rename that can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameError {
    /// The old name is unknown.
    NoSuchCommand,
    /// The new name is taken.
    NameTaken,
}

impl std::fmt::Display for RenameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RenameError::NoSuchCommand => "No such command in rename-command",
            RenameError::NameTaken => "Target command name already exists",
        })
    }
}

impl std::error::Error for RenameError {}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("commands", &self.names.len()).finish_non_exhaustive()
    }
}

impl Registry {
    /// The whole table under its own names.
    pub fn new() -> Self {
        let names = TABLE.iter().map(|spec| Some(spec.name.into())).collect();
        let mut count = TABLE.len();
        let mut sub_base = Vec::with_capacity(TABLE.len());
        for spec in &TABLE {
            sub_base.push(count);
            count += spec.subcommands.len();
        }
        let mut registry = Registry { slots: Box::default(), shift: 0, names, sub_base, count };
        registry.rebuild();
        registry
    }

    /// Gives a command another name; an empty one switches it off (`rename-command`).
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), RenameError> {
        let spec = self.lookup(from).ok_or(RenameError::NoSuchCommand)?;
        if !to.is_empty() && self.lookup(to).is_some() {
            return Err(RenameError::NameTaken);
        }
        let name =
            (!to.is_empty()).then(|| String::from_utf8_lossy(to).to_ascii_lowercase().into_boxed_str());
        self.names[usize::from(spec.id)] = name;
        self.rebuild();
        Ok(())
    }

    fn rebuild(&mut self) {
        let len = (self.names.len() * 4).next_power_of_two();
        self.shift = 64 - len.trailing_zeros();
        let mut slots = vec![Slot::default(); len];
        for spec in &TABLE {
            let Some(name) = &self.names[usize::from(spec.id)] else { continue };
            let (low, high) = words(name.as_bytes());
            let mut at = position(low, high, name.len(), self.shift);
            while slots[at].spec.is_some() {
                at = (at + 1) & (len - 1);
            }
            slots[at] = Slot { low, high, len: name.len(), spec: Some(spec) };
        }
        self.slots = slots.into_boxed_slice();
    }

    /// The command of this name, in any case. Costs a few nanoseconds.
    #[inline]
    pub fn lookup(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        let (low, high) = words(name);
        let mask = self.slots.len() - 1;
        let mut at = position(low, high, name.len(), self.shift);
        loop {
            let slot = self.slots.get(at & mask)?;
            let spec = slot.spec?;
            let same = slot.low == low && slot.high == high && slot.len == name.len();
            if same && (name.len() <= 16 || self.is_called(spec, name)) {
                return Some(spec);
            }
            at += 1;
        }
    }

    /// The command or subcommand of a full name: `get`, `config|get`.
    pub fn lookup_full(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        match name.iter().position(|&byte| byte == b'|') {
            None => self.lookup(name),
            Some(bar) => self.lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
        }
    }

    #[cold]
    fn is_called(&self, spec: &CommandSpec, name: &[u8]) -> bool {
        let own = self.names[usize::from(spec.id)].as_deref().unwrap_or_default();
        own.as_bytes().eq_ignore_ascii_case(name)
    }

    /// The command or subcommand that a request means, if its number of arguments is right.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<&'static CommandSpec, Reject> {
        let name = args.get(0).unwrap_or_default();
        let spec = self.lookup(name).ok_or(Reject::UnknownCommand)?;
        if !spec.is_container() {
            return if spec.accepts(args.len()) { Ok(spec) } else { Err(Reject::Arity(spec)) };
        }
        resolve_sub(spec, args)
    }

    /// A number for every command and subcommand: dense, below [`Registry::len`], the same in every registry.
    /// For statistics.
    #[inline]
    pub fn index(&self, spec: &'static CommandSpec) -> usize {
        if spec.id != u16::MAX { usize::from(spec.id) } else { self.sub_index(spec) }
    }

    fn sub_index(&self, spec: &'static CommandSpec) -> usize {
        for (container, base) in TABLE.iter().zip(&self.sub_base) {
            if let Some(at) = container.subcommands.iter().position(|sub| std::ptr::eq(sub, spec)) {
                return base + at;
            }
        }
        unreachable!("every subcommand stands in the table")
    }

    /// The number of commands and subcommands, switched-off ones included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All commands that are switched on, without their subcommands.
    pub fn iter(&self) -> impl Iterator<Item = &'static CommandSpec> + '_ {
        TABLE.iter().filter(|spec| self.names[usize::from(spec.id)].is_some())
    }

    /// All commands under their own names, those that are switched off included, without their subcommands.
    pub fn all(&self) -> impl Iterator<Item = &'static CommandSpec> + use<> {
        TABLE.iter()
    }

    /// What a command is called here; `None` if it is switched off. A subcommand keeps its full name.
    pub fn name_of(&self, spec: &CommandSpec) -> Option<&str> {
        match self.names.get(usize::from(spec.id)) {
            Some(name) => name.as_deref(),
            None => Some(spec.full_name),
        }
    }
}

/// Finds the subcommand and checks its arity.
fn resolve_sub(spec: &'static CommandSpec, args: Args<'_>) -> Result<&'static CommandSpec, Reject> {
    let Some(word) = args.get(1) else {
        // COMMAND alone is a command; the other containers are not.
        return if spec.accepts(1) { Ok(spec) } else { Err(Reject::Arity(spec)) };
    };
    let sub = spec.subcommand(word).ok_or(Reject::UnknownSubcommand(spec))?;
    if sub.accepts(args.len()) { Ok(sub) } else { Err(Reject::Arity(sub)) }
}

/// The lowercase of a name as two words: its first and its last eight bytes, or fewer.
#[inline]
fn words(name: &[u8]) -> (u64, u64) {
    let len = name.len();
    let (low, high) = if len >= 8 {
        let low = u64::from_le_bytes(name[..8].try_into().expect("eight bytes"));
        let high = u64::from_le_bytes(name[len - 8..].try_into().expect("eight bytes"));
        (low, high)
    } else if len >= 4 {
        let low = u32::from_le_bytes(name[..4].try_into().expect("four bytes"));
        let high = u32::from_le_bytes(name[len - 4..].try_into().expect("four bytes"));
        (u64::from(low), u64::from(high))
    } else {
        match *name {
            [] => (0, 0),
            [a] => (u64::from(a), 0),
            [a, b] => (u64::from(a) | u64::from(b) << 8, 0),
            [a, b, c, ..] => (u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16, 0),
        }
    };
    (lowercase(low), lowercase(high))
}

/// ASCII lowercase of eight bytes at once: sets bit 5 of exactly the bytes from `A` to `Z`.
#[inline]
fn lowercase(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let seven = word & (0x7f * ONES);
    // The top bit of a byte tells here whether its low seven bits are at least `A`, and there whether they
    // are beyond `Z`.
    let from_a = seven + (0x80 - b'A' as u64) * ONES;
    let beyond_z = seven + (0x7f - b'Z' as u64) * ONES;
    let upper = (from_a ^ beyond_z) & !word & (0x80 * ONES);
    word | (upper >> 2)
}

#[inline]
fn position(low: u64, high: u64, len: usize, shift: u32) -> usize {
    // Odd constants without structure; the high bits of the product depend on all bits of the words.
    let mixed = (low ^ high.rotate_left(29) ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> shift) as usize
}
