//! COMMAND: the table as clients see it.

use resp::{Args, ReplyBuf};

use super::docs;
use crate::errors::SYNTAX;
use crate::keys::{Begin, Find, KeyFlags, KeySpec};
use crate::spec::{AclCategories, CommandSpec, Flags};
use crate::{Ctx, Registry, glob};

/// COMMAND
pub(crate) fn command(ctx: &mut Ctx<'_>, _: Args<'_>) {
    let registry = ctx.registry;
    ctx.out.array(registry.iter().count());
    for spec in registry.iter() {
        reply_info(ctx.out, registry, spec);
    }
}

/// COMMAND COUNT
pub(crate) fn count(ctx: &mut Ctx<'_>, _: Args<'_>) {
    ctx.out.int(ctx.registry.iter().count() as i64);
}

/// COMMAND INFO [command-name ...]
pub(crate) fn info(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let names = args.from(2);
    if names.is_empty() {
        return command(ctx, args);
    }
    ctx.out.array(names.len());
    for name in names {
        match ctx.registry.lookup_full(name) {
            Some(spec) => reply_info(ctx.out, ctx.registry, spec),
            None => ctx.out.null(),
        }
    }
}

/// COMMAND DOCS [command-name ...]
pub(crate) fn command_docs(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let registry = ctx.registry;
    let names = args.from(2);
    let specs: Vec<&'static CommandSpec> = if names.is_empty() {
        registry.iter().collect()
    } else {
        names.iter().filter_map(|name| registry.lookup_full(name)).collect()
    };
    ctx.out.map(specs.len());
    for spec in specs {
        ctx.out.bulk(shown_name(registry, spec).as_bytes());
        docs::reply(ctx.out, spec);
    }
}

/// Which commands COMMAND LIST lists.
enum Filter<'a> {
    All,
    Nothing,
    Category(AclCategories),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Option<Self> {
        let (by, value) = match args.len() {
            2 => return Some(Filter::All),
            5 if args.at(2).eq_ignore_ascii_case(b"FILTERBY") => (args.at(3), args.at(4)),
            _ => return None,
        };
        match () {
            // There are no modules, hence no commands of theirs.
            () if by.eq_ignore_ascii_case(b"MODULE") => Some(Filter::Nothing),
            () if by.eq_ignore_ascii_case(b"ACLCAT") => {
                Some(category(value).map_or(Filter::Nothing, Filter::Category))
            }
            () if by.eq_ignore_ascii_case(b"PATTERN") => Some(Filter::Pattern(value)),
            () => None,
        }
    }

    fn keeps(&self, spec: &CommandSpec, name: &str) -> bool {
        match self {
            Filter::All => true,
            Filter::Nothing => false,
            Filter::Category(category) => spec.categories.intersects(*category),
            Filter::Pattern(pattern) => glob::matches_ignore_case(pattern, name.as_bytes()),
        }
    }
}

/// COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]
pub(crate) fn list(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let registry = ctx.registry;
    let Some(filter) = Filter::parse(args) else { return ctx.out.error(SYNTAX) };
    let mark = ctx.out.deferred_len();
    let mut count = 0;
    for spec in registry.iter() {
        for one in std::iter::once(spec).chain(spec.subcommands) {
            let name = shown_name(registry, one);
            if filter.keeps(one, name) {
                ctx.out.bulk(name.as_bytes());
                count += 1;
            }
        }
    }
    ctx.out.set_array_len(mark, count);
}

/// COMMAND GETKEYS command [arg ...]
pub(crate) fn getkeys(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some((request, positions)) = request_keys(ctx, args) else { return };
    ctx.out.array(positions.len());
    for (position, _) in positions {
        ctx.out.bulk(request.at(position));
    }
}

/// COMMAND GETKEYSANDFLAGS command [arg ...]
pub(crate) fn getkeysandflags(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some((request, positions)) = request_keys(ctx, args) else { return };
    ctx.out.array(positions.len());
    for (position, flags) in positions {
        ctx.out.array(2);
        ctx.out.bulk(request.at(position));
        reply_key_flags(ctx.out, flags);
    }
}

/// The request in the arguments of GETKEYS, and where its keys are; replies with the error if there are none.
fn request_keys<'a>(ctx: &mut Ctx<'_>, args: Args<'a>) -> Option<(Args<'a>, Vec<(usize, KeyFlags)>)> {
    let request = args.from(2);
    let name = request.get(0).unwrap_or_default();
    let Some(container) = ctx.registry.lookup(name) else {
        ctx.out.error("ERR Invalid command specified");
        return None;
    };
    let sub = request.get(1).and_then(|word| container.subcommand(word));
    let spec = sub.unwrap_or(container);
    if spec.keys.is_empty() {
        ctx.out.error("ERR The command has no key arguments");
        return None;
    }
    if !spec.accepts(request.len()) {
        ctx.out.error("ERR Invalid number of arguments specified for command");
        return None;
    }
    let mut positions = Vec::new();
    for key in spec.keys {
        let flags = key.flags_in(spec, request);
        positions.extend(key.positions(request).map(|position| (position, flags)));
    }
    if positions.is_empty() && !spec.flags.contains(Flags::NO_MANDATORY_KEYS) {
        ctx.out.error("ERR Invalid arguments specified for command");
        return None;
    }
    Some((request, positions))
}

/// What a command is called here, `container|sub` for a subcommand.
fn shown_name<'a>(registry: &'a Registry, spec: &'static CommandSpec) -> &'a str {
    registry.name_of(spec).unwrap_or(spec.full_name)
}

/// The ten elements of COMMAND INFO.
fn reply_info(out: &mut ReplyBuf, registry: &Registry, spec: &'static CommandSpec) {
    out.array(10);
    out.bulk(shown_name(registry, spec).as_bytes());
    out.int(i64::from(spec.arity));
    let mut flags = spec.flags;
    if flags.contains(Flags::PUBSUB) {
        // Others do not say so either.
        flags.remove(Flags::MAY_REPLICATE);
    }
    let shown = || flags.iter().filter_map(flag_name);
    out.set(shown().count());
    shown().for_each(|name| out.simple(name));
    out.int(i64::from(spec.range.first));
    out.int(i64::from(spec.range.last));
    out.int(i64::from(spec.range.step));
    out.set(spec.categories.iter().count());
    for (name, _) in spec.categories.iter_names() {
        out.simple(&format!("@{}", name.to_ascii_lowercase()));
    }
    out.set(spec.tips.len());
    for tip in spec.tips {
        out.bulk(tip.as_bytes());
    }
    out.set(spec.keys.len());
    for key in spec.keys {
        reply_key_spec(out, key);
    }
    out.array(spec.subcommands.len());
    for sub in spec.subcommands {
        reply_info(out, registry, sub);
    }
}

fn reply_keyword(out: &mut ReplyBuf, word: &str, from: i32) {
    out.bulk(b"keyword");
    out.bulk(b"spec");
    out.map(2);
    out.bulk(b"keyword");
    out.bulk(word.as_bytes());
    out.bulk(b"startfrom");
    out.int(i64::from(from));
}

fn reply_key_spec(out: &mut ReplyBuf, key: &KeySpec) {
    out.map(if key.notes.is_empty() { 3 } else { 4 });
    if !key.notes.is_empty() {
        out.bulk(b"notes");
        out.bulk(key.notes.as_bytes());
    }
    out.bulk(b"flags");
    reply_key_flags(out, key.flags);
    out.bulk(b"begin_search");
    out.map(2);
    out.bulk(b"type");
    match key.begin {
        Begin::MigrateKeys => reply_keyword(out, "KEYS", -2),
        Begin::Index(index) | Begin::IndexUnlessEmpty(index) => {
            out.bulk(b"index");
            out.bulk(b"spec");
            out.map(1);
            out.bulk(b"index");
            out.int(i64::from(index));
        }
        Begin::Keyword(word, from) => reply_keyword(out, word, from),
        Begin::LastStore(word, from) => reply_keyword(out, word, from.into()),
        Begin::Unknown | Begin::SortStore => {
            out.bulk(b"unknown");
            out.bulk(b"spec");
            out.map(0);
        }
    }
    out.bulk(b"find_keys");
    out.map(2);
    out.bulk(b"type");
    let (kind, numbers) = match key.find {
        Find::Range { last, step, limit } => {
            ("range", [("lastkey", last), ("keystep", i32::from(step)), ("limit", i32::from(limit))])
        }
        Find::KeyNum { count, first, step } => (
            "keynum",
            [("keynumidx", i32::from(count)), ("firstkey", i32::from(first)), ("keystep", i32::from(step))],
        ),
        Find::Unknown => {
            out.bulk(b"unknown");
            out.bulk(b"spec");
            out.map(0);
            return;
        }
    };
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(numbers.len());
    for (name, value) in numbers {
        out.bulk(name.as_bytes());
        out.int(i64::from(value));
    }
}

fn reply_key_flags(out: &mut ReplyBuf, flags: KeyFlags) {
    out.set(flags.iter().count());
    for (name, flag) in flags.iter_names() {
        // The kind of access is written in capitals, the rest is not.
        let kinds = KeyFlags::RO | KeyFlags::RW | KeyFlags::OW | KeyFlags::RM;
        if kinds.contains(flag) { out.simple(name) } else { out.simple(&name.to_ascii_lowercase()) }
    }
}

/// A flag as COMMAND INFO prints it; `None` for those it does not show.
fn flag_name(flag: Flags) -> Option<&'static str> {
    Some(match flag {
        Flags::WRITE => "write",
        Flags::READONLY => "readonly",
        Flags::DENYOOM => "denyoom",
        Flags::ADMIN => "admin",
        Flags::PUBSUB => "pubsub",
        Flags::NOSCRIPT => "noscript",
        Flags::BLOCKING => "blocking",
        Flags::LOADING => "loading",
        Flags::STALE => "stale",
        Flags::SKIP_MONITOR => "skip_monitor",
        Flags::SKIP_SLOWLOG => "skip_slowlog",
        Flags::ASKING => "asking",
        Flags::FAST => "fast",
        Flags::NO_AUTH => "no_auth",
        Flags::MAY_REPLICATE => "may_replicate",
        Flags::NO_MANDATORY_KEYS => "no_mandatory_keys",
        Flags::NO_ASYNC_LOADING => "no_async_loading",
        Flags::NO_MULTI => "no_multi",
        Flags::ALLOW_BUSY => "allow_busy",
        Flags::MOVABLEKEYS => "movablekeys",
        _ => return None,
    })
}

/// The ACL category of this name.
fn category(name: &[u8]) -> Option<AclCategories> {
    AclCategories::all()
        .iter_names()
        .find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name))
        .map(|(_, one)| one)
}
