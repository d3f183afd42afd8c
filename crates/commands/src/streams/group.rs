//! XGROUP: creating, changing and deleting groups and their consumers.

use keyspace::stream::{Group, Stream, StreamId};
use resp::{Args, ReplyBuf};

use super::parse::{self, Error};
use super::reply::{self, Open};
use crate::Ctx;
use crate::effects::EventClass;

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
                      MKSTREAM option to create an empty stream automatically.";

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    make: bool,
    entries_read: Option<u64>,
}

/// XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]
pub(crate) fn create(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, name) = (args.at(2), args.at(3));
    let options = match Options::parse(args, true) {
        Ok(options) => options,
        Err(Some(error)) => return ctx.out.error(error),
        Err(None) => return syntax_error(ctx.out, args),
    };
    let there = match ctx.lookup_write(key).map(|entry| entry.stream().map(|stream| stream.entries.last_id()))
    {
        Some(None) => return ctx.out.error(crate::errors::WRONG_TYPE),
        Some(Some(last_id)) => Some(last_id),
        None if options.make => None,
        None => return ctx.out.error(NO_KEY),
    };
    if args.len() > 8 {
        return syntax_error(ctx.out, args);
    }
    let id = match args.at(4) {
        b"$" => there.unwrap_or(StreamId::MIN),
        text => match parse::id(text) {
            Ok(id) => id,
            Err(error) => return ctx.out.error(error),
        },
    };
    let created = if there.is_some() {
        let create = |stream: &mut Stream| stream.groups.create(name, id, options.entries_read);
        ctx.update(key, |entry| entry.stream_mut().is_some_and(create)).unwrap_or(false)
    } else {
        let mut stream = Stream::default();
        stream.groups.create(name, id, options.entries_read);
        ctx.db_mut().insert(key, stream.into(), None);
        ctx.created(key);
        ctx.touch_key(ctx.db, key);
        true
    };
    if created {
        ctx.out.ok();
        changed(ctx, "xgroup-create", key);
    } else {
        ctx.out.error("BUSYGROUP Consumer Group name already exists");
    }
}

/// XGROUP SETID key group id | $ [ENTRIESREAD entries-read]
pub(crate) fn set_id(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let options = match Options::parse(args, false) {
        Ok(options) => options,
        Err(Some(error)) => return ctx.out.error(error),
        Err(None) => return syntax_error(ctx.out, args),
    };
    let done = with_group(ctx, args, |open| {
        if args.len() > 7 {
            return Err(None);
        }
        let id = match args.at(4) {
            b"$" => open.stream.entries.last_id(),
            text => parse::id_or_extreme(text, 0).map_err(Some)?,
        };
        open.stream.groups.update(args.at(3), |group| {
            group.last_id = id;
            group.entries_read = options.entries_read;
        });
        Ok(())
    });
    match done {
        None => {}
        Some(Ok(())) => {
            ctx.out.ok();
            changed(ctx, "xgroup-setid", args.at(2));
        }
        Some(Err(Some(error))) => ctx.out.error(error),
        Some(Err(None)) => syntax_error(ctx.out, args),
    }
}

/// XGROUP DESTROY key group
pub(crate) fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(2);
    let open = match reply::open(ctx, key) {
        Ok(Some(open)) => open,
        Ok(None) => return ctx.out.error(NO_KEY),
        Err(error) => return ctx.out.error(error),
    };
    let removed = open.stream.groups.remove(args.at(3));
    ctx.out.int(i64::from(removed));
    if removed {
        changed(ctx, "xgroup-destroy", key);
        // Whoever waits for entries of this group is to be told that it is gone.
        ctx.signal_ready(key);
    }
}

/// XGROUP CREATECONSUMER key group consumer
pub(crate) fn create_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    let created = with_group(ctx, args, |open| {
        let create = |group: &mut Group| group.create_consumer(args.at(4), now_ms);
        open.stream.groups.update(args.at(3), create).unwrap_or(false)
    });
    let Some(created) = created else { return };
    ctx.out.int(i64::from(created));
    if created {
        changed(ctx, "xgroup-createconsumer", args.at(2));
    }
}

/// XGROUP DELCONSUMER key group consumer
pub(crate) fn delete_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let removed = with_group(ctx, args, |open| {
        open.stream.groups.update(args.at(3), |group| group.remove_consumer(args.at(4))).flatten()
    });
    let Some(removed) = removed else { return };
    ctx.out.int(removed.unwrap_or(0) as i64);
    if removed.is_some() {
        changed(ctx, "xgroup-delconsumer", args.at(2));
    }
}

impl Options {
    /// `None` is an error of the syntax.
    fn parse(args: Args<'_>, create: bool) -> Result<Options, Option<Error>> {
        let mut options = Options::default();
        let mut rest = args.from(5);
        while let Some(word) = rest.get(0) {
            if create && parse::is(word, "MKSTREAM") {
                options.make = true;
                rest = rest.from(1);
                continue;
            }
            match rest.get(1) {
                Some(value) if parse::is(word, "ENTRIESREAD") => {
                    options.entries_read = match parse::number(value)? {
                        -1 => None,
                        read => Some(
                            u64::try_from(read)
                                .map_err(|_| "ERR value for ENTRIESREAD must be positive or -1")?,
                        ),
                    };
                    rest = rest.from(2);
                }
                _ => return Err(None),
            }
        }
        Ok(options)
    }
}

/// Carries something out on a stream that has the group that is named; without it, replies with an error.
fn with_group<R>(ctx: &mut Ctx<'_>, args: Args<'_>, f: impl FnOnce(&mut Open<'_>) -> R) -> Option<R> {
    let (key, name) = (args.at(2), args.at(3));
    match reply::open(ctx, key) {
        Ok(Some(mut open)) if open.stream.groups.get(name).is_some() => return Some(f(&mut open)),
        Ok(Some(open)) => no_group(open.out, key, name),
        Ok(None) => ctx.out.error(NO_KEY),
        Err(error) => ctx.out.error(error),
    }
    None
}

/// "NOGROUP …" as XGROUP and XINFO say it.
pub(super) fn no_group(out: &mut ReplyBuf, key: &[u8], group: &[u8]) {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    out.error(&format!("NOGROUP No such consumer group '{group}' for key name '{key}'"));
}

/// Records a change to what groups know, which leaves the entries as they are: watchers are not told.
fn changed(ctx: &mut Ctx<'_>, event: &'static str, key: &[u8]) {
    ctx.fx.dirty += 1;
    ctx.notify(EventClass::STREAM, event, key);
}

/// What a subcommand says to arguments that it does not have.
pub(super) fn syntax_error(out: &mut ReplyBuf, args: Args<'_>) {
    let container = String::from_utf8_lossy(args.at(0)).to_ascii_uppercase();
    let word = args.at(1);
    let word = String::from_utf8_lossy(&word[..word.len().min(128)]);
    out.error(&format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."
    ));
}
