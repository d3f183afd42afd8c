//! What SCAN, HSCAN, SSCAN and ZSCAN have in common: their options and the form of their reply.

use std::borrow::Cow;

use keyspace::Kind;
use resp::{Args, ReplyBuf};

use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::glob;
use crate::number::parse_i64;

/// The reply to a cursor that is no number.
pub(crate) const INVALID_CURSOR: &str = "ERR invalid cursor";

/// How many elements a call visits when the client does not say.
const DEFAULT_COUNT: usize = 10;

/// What is walked through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Keys,
    Set,
    Hash,
    ZSet,
}

/// The options of a call.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    /// How many elements to visit.
    pub count: usize,
    /// The type of key that SCAN is to name.
    pub kind: Option<Kind>,
    /// Fields without their values, members without their scores.
    pub names_only: bool,
    pattern: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads the options, which begin with the first of `args`. The error is the reply.
    pub fn parse(args: Args<'a>, target: Target) -> Result<Self, Cow<'static, str>> {
        let mut options = Options { count: DEFAULT_COUNT, kind: None, names_only: false, pattern: None };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("NOVALUES") {
                if target != Target::Hash {
                    return Err("ERR NOVALUES option can only be used in HSCAN".into());
                }
                options.names_only = true;
                continue;
            }
            if is("NOSCORES") {
                if target != Target::ZSet {
                    return Err("ERR NOSCORES option can only be used in ZSCAN".into());
                }
                options.names_only = true;
                continue;
            }
            let value = words.next().ok_or(SYNTAX)?;
            if is("MATCH") {
                // A lone star is not worth matching.
                options.pattern = (value != b"*").then_some(value);
            } else if is("COUNT") {
                options.count = match parse_i64(value).ok_or(NOT_INTEGER)? {
                    count @ 1.. => usize::try_from(count).unwrap_or(usize::MAX),
                    _ => return Err(SYNTAX.into()),
                };
            } else if is("TYPE") && target == Target::Keys {
                options.kind = Some(Kind::from_name(value).ok_or_else(|| {
                    Cow::from(format!("ERR unknown type name '{}'", String::from_utf8_lossy(value)))
                })?);
            } else {
                return Err(SYNTAX.into());
            }
        }
        Ok(options)
    }

    /// Whether an element of this name is to be given.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// An unsigned number of 64 bits; unlike other numbers it may have zeros in front, which clients that compose
/// cursors rely on.
pub(crate) fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The elements of a call, which stand behind the cursor in the reply but are known before it.
pub(crate) struct Elements {
    encoded: ReplyBuf,
    count: usize,
}

impl Elements {
    /// None yet.
    pub fn new() -> Self {
        Elements { encoded: ReplyBuf::new(), count: 0 }
    }

    /// Adds a name, a value or a score.
    #[inline]
    pub fn push(&mut self, text: &[u8]) {
        self.encoded.bulk(text);
        self.count += 1;
    }

    /// Writes the reply.
    pub fn reply(self, next: u64, out: &mut ReplyBuf) {
        out.array(2);
        out.bulk(itoa::Buffer::new().format(next).as_bytes());
        out.array(self.count);
        out.raw(&self.encoded.buf);
    }
}
