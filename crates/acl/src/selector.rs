//! One set of rights: commands, keys, channels and databases that belong together.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::check::{Databases, Denial, Key, Needs, Reason, Request};
use crate::error::RuleError;
use crate::pattern::KeyPattern;
use crate::set::CommandSet;
use crate::words::has_spaces;

/// A set of rights. A user has one of its own and any number of further ones; a request is allowed if one of them allows all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    allowed: CommandSet,
    /// Every command, those that do not exist yet included.
    all_commands: bool,
    /// Commands that are allowed with certain first arguments only.
    first_args: BTreeMap<usize, Vec<Box<[u8]>>>,
    /// The rules that made `allowed`, as far as they still matter, lowercase, with their signs, after a `+@all` or `-@all`.
    from_all: bool,
    rules: Vec<Vec<u8>>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
    all_databases: bool,
    databases: BTreeSet<u32>,
}

impl Selector {
    /// No rights but those to all databases, and to all channels if that is the default.
    pub(crate) fn new(catalog: &Catalog, all_channels: bool) -> Selector {
        Selector {
            allowed: CommandSet::new(catalog.len(), false),
            all_commands: false,
            first_args: BTreeMap::new(),
            from_all: false,
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
            all_databases: true,
            databases: BTreeSet::new(),
        }
    }

    /// Takes one rule. If it is wrong nothing has changed.
    pub(crate) fn apply(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        // A description is cut at spaces when it is read again: what has some in it could say anything there.
        if has_spaces(rule) {
            return Err(RuleError::Syntax);
        }
        let word = rule.to_ascii_lowercase();
        match word.as_slice() {
            b"allkeys" | b"~*" => {
                self.all_keys = true;
                self.keys.clear();
            }
            b"resetkeys" => {
                self.all_keys = false;
                self.keys.clear();
            }
            b"allchannels" | b"&*" => {
                self.all_channels = true;
                self.channels.clear();
            }
            b"resetchannels" => {
                self.all_channels = false;
                self.channels.clear();
            }
            b"alldbs" => {
                self.all_databases = true;
                self.databases.clear();
            }
            b"resetdbs" => {
                self.all_databases = false;
                self.databases.clear();
            }
            b"allcommands" | b"+@all" => self.set_all(true),
            b"nocommands" | b"-@all" => self.set_all(false),
            [b'~' | b'%', ..] => return self.add_keys(KeyPattern::parse(rule)?),
            [b'&', ..] => return self.add_channels(&rule[1..]),
            [b'd', b'b', b'=', ids @ ..] => {
                self.databases = parse_databases(ids)?;
                self.all_databases = false;
            }
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                let bit = catalog.category(category).ok_or(RuleError::UnknownCommand)?;
                self.set_category(catalog, bit, *sign == b'+');
                self.record(&word);
            }
            [b'+', name @ ..] => self.allow(catalog, name, &word)?,
            [b'-', name @ ..] => {
                let command = catalog.find(name).ok_or(RuleError::UnknownCommand)?;
                self.set_command(catalog, command, false);
                self.record(&word);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn add_keys(&mut self, new: KeyPattern) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAfterAll);
        }
        match self.keys.iter_mut().find(|known| known.pattern == new.pattern) {
            Some(known) => known.allows = known.allows.with(new.allows),
            None => self.keys.push(new),
        }
        // Written down, that is the rule for all keys; it must mean the same before.
        if self.keys.iter().any(|known| *known.pattern == *b"*" && known.allows == Needs::BOTH) {
            self.all_keys = true;
            self.keys.clear();
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAfterAll);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_all(&mut self, allowed: bool) {
        self.allowed.fill(allowed);
        self.all_commands = allowed;
        self.from_all = allowed;
        self.first_args.clear();
        self.rules.clear();
    }

    /// `+command`, `+container|sub`, `+command|first-arg`; `word` is the whole rule.
    fn allow(&mut self, catalog: &Catalog, name: &[u8], word: &[u8]) -> Result<(), RuleError> {
        if let Some(command) = catalog.find(name) {
            self.set_command(catalog, command, true);
            self.record(word);
            return Ok(());
        }
        let bar = name.iter().rposition(|byte| *byte == b'|').ok_or(RuleError::UnknownCommand)?;
        let (name, first_arg) = (&name[..bar], &name[bar + 1..]);
        let number = catalog.find(name).ok_or(RuleError::UnknownCommand)?;
        let command = catalog.command(number);
        if command.parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first_arg.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !command.children.is_empty() {
            return Err(RuleError::UnknownCommand);
        }
        let first_args = self.first_args.entry(number).or_default();
        if !first_args.iter().any(|known| **known == *first_arg) {
            first_args.push(first_arg.into());
        }
        self.record(word);
        Ok(())
    }

    /// Allows or forbids a command with all its subcommands; what was said of its first arguments is void.
    fn set_command(&mut self, catalog: &Catalog, number: usize, allowed: bool) {
        self.allowed.set(number, allowed);
        self.first_args.remove(&number);
        self.all_commands &= allowed;
        for &child in &catalog.command(number).children {
            self.allowed.set(child, allowed);
        }
    }

    fn set_category(&mut self, catalog: &Catalog, bit: u64, allowed: bool) {
        self.all_commands &= allowed;
        for (number, command) in catalog.commands() {
            if command.categories & bit != 0 {
                self.set_command(catalog, number, allowed);
            }
        }
    }

    /// Notes a rule about commands. It makes an earlier one about the same command or category void, and those about a
    /// command's subcommands and first arguments.
    fn record(&mut self, rule: &[u8]) {
        let name = &rule[1..];
        self.rules.retain(|old| match old[1..].strip_prefix(name) {
            Some(rest) => !(rest.is_empty() || rest[0] == b'|'),
            None => true,
        });
        self.rules.push(rule.to_vec());
    }

    /// Whether it allows everything.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.all_databases
    }

    /// Whether it allows a command whatever its keys, channels and databases are.
    #[inline]
    pub(crate) fn allows_all_of(&self, command: usize) -> bool {
        self.all_keys && self.all_channels && self.all_databases && self.allowed.contains(command)
    }

    fn allows_command(&self, catalog: &Catalog, number: usize, first_arg: Option<&[u8]>) -> bool {
        if self.all_commands || self.allowed.contains(number) || catalog.command(number).open {
            return true;
        }
        let Some(allowed) = self.first_args.get(&number) else { return false };
        first_arg.is_some_and(|given| allowed.iter().any(|known| known.eq_ignore_ascii_case(given)))
    }

    fn allows_key(&self, catalog: &Catalog, key: &Key<'_>) -> bool {
        self.all_keys
            || self
                .keys
                .iter()
                .any(|keys| keys.allows.contains(key.needs) && catalog.matches(&keys.pattern, key.name))
    }

    /// Whether a channel, or a pattern of channels, may be used. A pattern must be one of the patterns, word for word.
    pub(crate) fn allows_channel(&self, catalog: &Catalog, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self
                .channels
                .iter()
                .any(|known| if is_pattern { **known == *channel } else { catalog.matches(known, channel) })
    }

    fn allows_database(&self, id: u32) -> bool {
        self.all_databases || self.databases.contains(&id)
    }

    /// Whether a command may read any key whatsoever: what it reads stands not in its arguments.
    pub(crate) fn reads_all_keys(&self, catalog: &Catalog, command: usize) -> bool {
        let any = |keys: &KeyPattern| *keys.pattern == *b"*" && keys.allows.contains(Needs::READ);
        self.allows_command(catalog, command, None) && (self.all_keys || self.keys.iter().any(any))
    }

    pub(crate) fn check(&self, catalog: &Catalog, request: &Request<'_>) -> Result<(), Denial> {
        let denied = |reason, at| Err(Denial { reason, at });
        match request.databases {
            Databases::None => {}
            Databases::These(ids) => {
                if let Some((at, _)) = ids.iter().find(|(_, id)| !self.allows_database(*id)) {
                    return denied(Reason::Database, *at);
                }
            }
            Databases::All(count) => {
                if !self.all_databases && (0..count).any(|id| !self.databases.contains(&id)) {
                    return denied(Reason::Database, None);
                }
            }
        }
        if !self.allows_command(catalog, request.command, request.first_arg) {
            return denied(Reason::Command, None);
        }
        if let Some(key) = request.keys.iter().find(|key| !self.allows_key(catalog, key)) {
            return denied(Reason::Key, Some(key.at));
        }
        let is_pattern = request.channels_are_patterns;
        let channel =
            request.channels.iter().find(|(_, name)| !self.allows_channel(catalog, name, is_pattern));
        match channel {
            Some((at, _)) => denied(Reason::Channel, Some(*at)),
            None => Ok(()),
        }
    }

    /// The commands as rules: `-@all +get`.
    pub fn commands(&self) -> Vec<u8> {
        let mut out = if self.from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            out.push(b' ');
            out.extend_from_slice(rule);
        }
        out
    }

    /// The keys as rules: `~*`, `~a %R~b`.
    pub fn keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut out = Vec::new();
        for (number, pattern) in self.keys.iter().enumerate() {
            if number > 0 {
                out.push(b' ');
            }
            pattern.describe(&mut out);
        }
        out
    }

    /// The channels as rules: `&*`, `&a &b`.
    pub fn channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rules: Vec<Vec<u8>> = self.channels.iter().map(|name| [b"&", &**name].concat()).collect();
        rules.join(&b' ')
    }

    /// The databases as a rule: `alldbs`, `db=1,2`, or nothing.
    pub fn databases(&self) -> String {
        if self.all_databases {
            return "alldbs".to_owned();
        }
        let ids: Vec<String> = self.databases.iter().map(u32::to_string).collect();
        if ids.is_empty() { String::new() } else { format!("db={}", ids.join(",")) }
    }

    /// The channels that are allowed; `None`: all.
    pub(crate) fn channel_patterns(&self) -> Option<&[Box<[u8]>]> {
        (!self.all_channels).then_some(&self.channels)
    }

    /// Appends the rules that make it, apart from what a new one has.
    pub(crate) fn describe(&self, out: &mut Vec<u8>) {
        let keys = self.keys();
        if self.all_keys || !self.keys.is_empty() {
            out.extend_from_slice(&keys);
            out.push(b' ');
        }
        if !self.all_channels {
            out.extend_from_slice(b"resetchannels ");
        }
        if self.all_channels || !self.channels.is_empty() {
            out.extend_from_slice(&self.channels());
            out.push(b' ');
        }
        if !self.all_databases {
            let databases = self.databases();
            out.extend_from_slice(if databases.is_empty() { b"resetdbs" } else { databases.as_bytes() });
            out.push(b' ');
        }
        out.extend_from_slice(&self.commands());
    }
}

/// `0,1,2`
fn parse_databases(text: &[u8]) -> Result<BTreeSet<u32>, RuleError> {
    text.split(|byte| *byte == b',').map(parse_database).collect()
}

fn parse_database(text: &[u8]) -> Result<u32, RuleError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RuleError::Syntax);
    }
    let text = std::str::from_utf8(digits).map_err(|_| RuleError::Syntax)?;
    match text.parse::<i32>() {
        Ok(id) if id == 0 || !negative => Ok(id.unsigned_abs()),
        _ => Err(RuleError::BadDatabase),
    }
}
