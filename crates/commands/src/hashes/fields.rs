//! `FIELDS numfields field …`: how the newer commands name fields.

use resp::Args;

use crate::errors::NOT_INTEGER;
use crate::number::parse_i64;

/// The reply when the number of fields is not the number of fields.
pub(super) const BAD_COUNT: &str =
    "ERR numfields should be greater than 0 and match the provided number of fields";

/// Whether this is the word in front of the number.
#[inline]
pub(super) fn is_fields(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"FIELDS")
}

/// The arguments behind a number, which is the first of `args` and says how many times `width` they are. Otherwise the reply: one
/// for a number that is none, and `mismatch`.
pub(super) fn counted<'a>(
    args: Args<'a>,
    width: usize,
    mismatch: &'static str,
) -> Result<Args<'a>, &'static str> {
    let count = parse_i64(args.get(0).ok_or(mismatch)?).ok_or(NOT_INTEGER)?;
    let rest = args.from(1);
    let matches =
        usize::try_from(count).is_ok_and(|count| count > 0 && count.checked_mul(width) == Some(rest.len()));
    if matches { Ok(rest) } else { Err(mismatch) }
}

/// The same where the word in front of it is the first of `args`.
pub(super) fn named<'a>(
    args: Args<'a>,
    no_word: &'static str,
    mismatch: &'static str,
) -> Result<Args<'a>, &'static str> {
    if is_fields(args.at(0)) { counted(args.from(1), 1, mismatch) } else { Err(no_word) }
}

/// Logs a command about some fields of a key: `head … FIELDS n field …`.
pub(super) fn log(ctx: &mut crate::Ctx<'_>, head: &[&[u8]], names: &[&[u8]]) {
    let mut digits = itoa::Buffer::new();
    let mut command = head.to_vec();
    command.extend([b"FIELDS", digits.format(names.len()).as_bytes()]);
    command.extend(names);
    ctx.fx.rewrite(&command);
}

/// Logs that fields are gone.
pub(super) fn log_deletion(ctx: &mut crate::Ctx<'_>, key: &[u8], names: &[&[u8]]) {
    let mut command: Vec<&[u8]> = vec![b"HDEL", key];
    command.extend(names);
    ctx.fx.rewrite(&command);
}

/// Says that a command came upon fields whose time was over, and wrote over them.
pub(super) fn note_expired(ctx: &mut crate::Ctx<'_>, key: &[u8], count: usize) {
    if count > 0 {
        ctx.fx.expired_fields += count as u64;
        ctx.notify(crate::EventClass::HASH, "hexpired", key);
    }
}
