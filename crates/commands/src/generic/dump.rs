//! DUMP and RESTORE: one value in the format of a dump file.

use resp::Args;

use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;
use crate::transfer::{self, RestoreError};
use crate::{Ctx, access};

/// DUMP key
pub(crate) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.read(args.at(1), |entry, out| match entry {
        Some(entry) => out.bulk(&transfer::dump(&entry)),
        None => out.null(),
    });
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle: Option<u64>,
    freq: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, &'static str> {
        let mut options = Options::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("REPLACE") {
                options.replace = true;
            } else if is("ABSTTL") {
                options.absolute = true;
            } else if is("IDLETIME") && words.len() > 0 && options.freq.is_none() {
                let value = words.next().and_then(parse_i64).ok_or(NOT_INTEGER)?;
                options.idle =
                    Some(value.try_into().map_err(|_| "ERR Invalid IDLETIME value, must be >= 0")?);
            } else if is("FREQ") && words.len() > 0 && options.idle.is_none() {
                let value = words.next().and_then(parse_i64).ok_or(NOT_INTEGER)?;
                options.freq =
                    Some(value.try_into().map_err(|_| "ERR Invalid FREQ value, must be >= 0 and <= 255")?);
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(options)
    }
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub(crate) fn restore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, payload) = (args.at(1), args.at(3));
    let options = match Options::parse(args.from(4)) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(error),
    };
    if !options.replace && ctx.lookup_write(key).is_some() {
        return ctx.out.error("BUSYKEY Target key name already exists.");
    }
    let Some(ttl) = parse_i64(args.at(2)) else { return ctx.out.error(NOT_INTEGER) };
    if ttl < 0 {
        return ctx.out.error("ERR Invalid TTL value, must be >= 0");
    }
    let limits = ctx.env.limits.clone();
    let read = transfer::read_options(ctx.env);
    let value = match transfer::restore(payload, read, limits, ctx.db().value_hasher()) {
        Ok(value) => value,
        Err(RestoreError::Frame) => {
            return ctx.out.error("ERR DUMP payload version or checksum are wrong");
        }
        Err(RestoreError::Content(reason)) => {
            // The key stays out of it: logs are read by more people than data.
            tracing::warn!("RESTORE of a damaged payload of {} bytes refused: {reason}", payload.len());
            return ctx.out.error("ERR Bad data format");
        }
    };
    let expiry = match (ttl, options.absolute) {
        (0, _) => None,
        (at, true) => Some(at),
        (ttl, false) => Some(ttl.saturating_add(ctx.env.now_ms as i64)),
    };
    if let Some(at) = expiry
        && ctx.env.is_past(at)
    {
        // It would be gone at once; only what it replaces has to go.
        if let Some(removed) = ctx.take(key) {
            ctx.discard(removed, ctx.env.lazyfree_server_del);
            ctx.modified(EventClass::GENERIC, "del", key);
            ctx.fx.rewrite(&[crate::deletion(ctx.env.lazyfree_server_del), key]);
        }
        return ctx.out.ok();
    }
    ctx.put(key, value);
    if let Some(at) = expiry {
        ctx.db_mut().set_expiry(key, Some(at as u64));
    }
    if let Some(entry) = ctx.db().get(key) {
        match (options.idle, options.freq) {
            (Some(seconds), _) if !ctx.env.lfu => entry.set_access(access::idle_word(seconds, ctx.env)),
            (_, Some(counter)) if ctx.env.lfu => entry.set_access(access::freq_word(counter, ctx.env)),
            _ => {}
        }
    }
    ctx.signal_ready(key);
    ctx.modified(EventClass::GENERIC, "restore", key);
    ctx.out.ok();
    if let Some(at) = expiry
        && !options.absolute
    {
        let mut digits = itoa::Buffer::new();
        let mut command: Vec<&[u8]> = vec![b"RESTORE", key, digits.format(at).as_bytes(), payload];
        command.extend(args.from(4));
        command.push(b"ABSTTL");
        ctx.fx.rewrite(&command);
    }
}
