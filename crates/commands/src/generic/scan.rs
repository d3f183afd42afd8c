//! SCAN.

use resp::{Args, ReplyBuf};

use crate::Ctx;
use crate::env::ExpiryMode;
use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::glob;
use crate::number::parse_i64;

/// How many keys a call visits when the client does not say.
const DEFAULT_COUNT: usize = 10;

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub(crate) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(cursor) = parse_cursor(args.at(1)) else { return ctx.out.error("ERR invalid cursor") };
    let (mut pattern, mut kind, mut count) = (None, None, DEFAULT_COUNT);
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        let Some(value) = words.next() else { return ctx.out.error(SYNTAX) };
        if word.eq_ignore_ascii_case(b"MATCH") {
            // A lone star is not worth matching.
            pattern = (value != b"*").then_some(value);
        } else if word.eq_ignore_ascii_case(b"COUNT") {
            count = match parse_i64(value) {
                None => return ctx.out.error(NOT_INTEGER),
                Some(count) if count < 1 => return ctx.out.error(SYNTAX),
                Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
            };
        } else if word.eq_ignore_ascii_case(b"TYPE") {
            kind = Some(value);
        } else {
            return ctx.out.error(SYNTAX);
        }
    }
    // The cursor stands before the keys in the reply, but is known after them.
    let mut keys = ReplyBuf::new();
    let mut found = 0;
    let mut expired: Vec<Box<[u8]>> = Vec::new();
    let env = ctx.env;
    let next = ctx.ks.db(ctx.db).scan(cursor, count, &mut |entry| {
        let key = entry.key();
        if pattern.is_some_and(|pattern| !glob::matches(pattern, key)) {
            return;
        }
        if env.is_expired(entry.expiry()) {
            if env.expiry == ExpiryMode::Delete {
                expired.push(key.into());
            }
            return;
        }
        if kind.is_none_or(|kind| kind.eq_ignore_ascii_case(entry.kind().name().as_bytes())) {
            keys.bulk(key);
            found += 1;
        }
    });
    for key in expired {
        ctx.expire_if_due(ctx.db, &key);
    }
    ctx.out.array(2);
    ctx.out.bulk(itoa::Buffer::new().format(next).as_bytes());
    ctx.out.array(found);
    ctx.out.raw(&keys.buf);
}

/// An unsigned number of 64 bits; unlike other numbers it may have zeros in front, which clients that compose
/// cursors rely on.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
