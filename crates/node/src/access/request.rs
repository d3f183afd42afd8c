//! What a request does, as far as users can be forbidden to do it.

use acl::{Databases, Key, Needs, Request};
use commands::number::parse_i64;
use commands::{AclCategories, CommandSpec, Flags, KeyFlags};
use resp::Args;
use smallvec::SmallVec;

/// The keys, channels and databases of a request.
pub(super) struct Parts<'a> {
    keys: SmallVec<[Key<'a>; 4]>,
    channels: SmallVec<[(usize, &'a [u8]); 2]>,
    channels_are_patterns: bool,
    databases: SmallVec<[(Option<usize>, u32); 2]>,
    /// How many there are, if the request works on all of them.
    all_databases: Option<u32>,
}

impl<'a> Parts<'a> {
    /// Of a request that comes while a database is selected, where there are so many of them.
    pub fn of(spec: &'static CommandSpec, args: Args<'a>, db: usize, databases: usize) -> Parts<'a> {
        let mut parts = Parts {
            keys: SmallVec::new(),
            channels: SmallVec::new(),
            channels_are_patterns: spec.full_name == "psubscribe",
            databases: SmallVec::new(),
            all_databases: None,
        };
        parts.find_keys(spec, args);
        if spec.flags.contains(Flags::PUBSUB) {
            parts.find_channels(spec, args);
        }
        parts.find_databases(spec, args, db, databases);
        parts
    }

    pub fn request(&self, command: usize, args: Args<'a>) -> Request<'_> {
        Request {
            command,
            first_arg: args.get(1),
            keys: &self.keys,
            channels: &self.channels,
            channels_are_patterns: self.channels_are_patterns,
            databases: match self.all_databases {
                Some(count) => Databases::All(count),
                None => Databases::These(&self.databases),
            },
        }
    }

    fn find_keys(&mut self, spec: &'static CommandSpec, args: Args<'a>) {
        for group in spec.keys.iter().filter(|group| !group.flags.contains(KeyFlags::NOT_KEY)) {
            let needs = needs(group.flags_in(spec, args));
            self.keys.extend(group.positions(args).map(|at| Key { at, name: args.at(at), needs }));
        }
    }

    /// The channels that are published or subscribed to. Anybody may unsubscribe.
    fn find_channels(&mut self, spec: &'static CommandSpec, args: Args<'a>) {
        let range = match spec.full_name {
            "publish" | "spublish" => 1..args.len().min(2),
            "subscribe" | "psubscribe" | "ssubscribe" => 1..args.len(),
            _ => return,
        };
        self.channels.extend(range.map(|at| (at, args.at(at))));
    }

    /// The databases. Arguments that name none are left for the command itself to refuse.
    fn find_databases(&mut self, spec: &'static CommandSpec, args: Args<'a>, db: usize, count: usize) {
        let named = |at: usize| Some((Some(at), database(args.get(at)?, count)?));
        let selected = (None, db as u32);
        match spec.full_name {
            "select" => self.databases.extend(named(1)),
            "swapdb" => {
                if let (Some(first), Some(second)) = (named(1), named(2)) {
                    self.databases.extend([first, second]);
                }
            }
            "move" => self.databases.extend(named(2).into_iter().chain([selected])),
            "copy" => {
                let mut at = 3;
                while at < args.len() {
                    if args.at(at).eq_ignore_ascii_case(b"DB") {
                        at += 1;
                        self.databases.extend(named(at));
                    }
                    at += 1;
                }
                self.databases.push(selected);
            }
            "flushall" => self.all_databases = Some(count as u32),
            _ if works_on_keys(spec) => self.databases.push(selected),
            _ => {}
        }
    }
}

/// Whether a command looks into the selected database.
fn works_on_keys(spec: &CommandSpec) -> bool {
    let categories = AclCategories::KEYSPACE | AclCategories::READ | AclCategories::WRITE;
    spec.categories.intersects(categories)
        || spec.keys.iter().any(|group| !group.flags.contains(KeyFlags::NOT_KEY))
}

fn needs(flags: KeyFlags) -> Needs {
    let read = if flags.contains(KeyFlags::ACCESS) { Needs::READ } else { Needs::NOTHING };
    let writes = KeyFlags::INSERT | KeyFlags::UPDATE | KeyFlags::DELETE;
    if flags.intersects(writes) { read.with(Needs::WRITE) } else { read }
}

fn database(text: &[u8], count: usize) -> Option<u32> {
    let id = usize::try_from(parse_i64(text)?).ok()?;
    (id < count).then_some(id as u32)
}

/// The database that a queued command will have selected, if it is a SELECT.
pub(crate) fn selected_by(spec: &CommandSpec, args: Args<'_>) -> Option<usize> {
    if spec.full_name != "select" {
        return None;
    }
    usize::try_from(parse_i64(args.get(1)?)?).ok()
}
