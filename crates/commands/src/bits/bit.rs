//! Single bits, and where a bit may be.

use keyspace::{EntryMut, Value};
use resp::Args;

use crate::effects::EventClass;
use crate::env::{Env, ExpiryMode};
use crate::errors::WRONG_TYPE;
use crate::number::parse_i64;
use crate::{Ctx, access};

const BAD_OFFSET: &str = "ERR bit offset is not an integer or out of range";
const BAD_BIT: &str = "ERR bit is not an integer or out of range";

/// A place in a string, counted in bits; bit 0 is the highest of the first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BitOffset(pub u64);

impl BitOffset {
    /// Parses an offset; `unit` is what a number behind `#` counts, if that form is allowed.
    pub(super) fn parse(text: &[u8], unit: Option<u8>, env: &Env) -> Result<Self, &'static str> {
        let (text, unit) = match (text.strip_prefix(b"#"), unit) {
            (Some(number), Some(unit)) => (number, i64::from(unit)),
            _ => (text, 1),
        };
        let offset = parse_i64(text).and_then(|offset| offset.checked_mul(unit)).ok_or(BAD_OFFSET)?;
        let offset = u64::try_from(offset).map_err(|_| BAD_OFFSET)?;
        if offset / 8 >= max_bytes(env) { Err(BAD_OFFSET) } else { Ok(BitOffset(offset)) }
    }

    /// The byte that holds the bit.
    #[inline]
    pub(super) fn byte(self) -> usize {
        (self.0 / 8) as usize
    }

    /// The bit alone in its byte.
    #[inline]
    fn mask(self) -> u8 {
        0x80 >> (self.0 % 8)
    }
}

/// How long a string of bits may become. What a master allowed itself its replicas have to follow; four times the usual limit is
/// there for masters that are configured more generously, and keeps a broken stream from asking for all the memory there is.
fn max_bytes(env: &Env) -> u64 {
    let limit = env.proto_max_bulk_len as u64;
    if env.expiry == ExpiryMode::Ignore { limit.max(2 << 30) } else { limit }
}

/// Hands the string at `key` to `edit`, an empty one if there is none.
pub(super) fn edit_string<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    edit: impl Fn(&mut EntryMut<'_>) -> R,
) -> Result<R, &'static str> {
    let edited = ctx.update(key, |entry| entry.as_entry().str().is_some().then(|| edit(entry)));
    match edited {
        Some(Some(result)) => Ok(result),
        Some(None) => Err(WRONG_TYPE),
        None => {
            ctx.db_mut().insert(key, Value::Str(Vec::new()), None);
            ctx.created(key);
            let env = ctx.env;
            let Some(mut entry) = ctx.db_mut().get_mut(key) else {
                unreachable!("the key was inserted just now")
            };
            entry.as_entry().set_access(access::fresh(env));
            Ok(edit(&mut entry))
        }
    }
}

/// SETBIT key offset value
pub(crate) fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let offset = match BitOffset::parse(args.at(2), None, ctx.env) {
        Ok(offset) => offset,
        Err(error) => return ctx.out.error(error),
    };
    let on = match parse_i64(args.at(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return ctx.out.error(BAD_BIT),
    };
    let edited = edit_string(ctx, key, |entry| {
        let old_byte = entry.as_entry().str().and_then(|string| string.get(offset.byte())).copied();
        let (mask, byte) = (offset.mask(), old_byte.unwrap_or(0));
        let was = byte & mask != 0;
        // A string that has to grow changes even if the bit stays what it was.
        let changed = was != on || old_byte.is_none();
        if changed {
            entry.set_range(offset.byte(), &[if on { byte | mask } else { byte & !mask }]);
        }
        (was, changed)
    });
    match edited {
        Ok((was, changed)) => {
            if changed {
                ctx.modified(EventClass::STRING, "setbit", key);
            }
            ctx.out.int(i64::from(was));
        }
        Err(error) => ctx.out.error(error),
    }
}

/// GETBIT key offset
pub(crate) fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let offset = match BitOffset::parse(args.at(2), None, ctx.env) {
        Ok(offset) => offset,
        Err(error) => return ctx.out.error(error),
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| entry.str()) {
        None => out.int(0),
        Some(Some(string)) => {
            let byte = string.get(offset.byte()).copied().unwrap_or(0);
            out.int(i64::from(byte & offset.mask() != 0));
        }
        Some(None) => out.error(WRONG_TYPE),
    });
}
