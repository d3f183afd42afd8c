//! The options that SET, GETEX and their relatives share.

use resp::{Args, ReplyBuf};

use crate::errors;
use crate::number::parse_i64;

/// Which of the options a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    Set,
    GetEx,
    MSetEx,
}

/// When SET is to store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    None,
    NotExists,
    Exists,
    Equals(&'a [u8]),
}

/// What an expiry's number means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    InSeconds,
    InMillis,
    AtSeconds,
    AtMillis,
}

/// The options of one request.
pub(super) struct Options<'a> {
    pub condition: Condition<'a>,
    pub get: bool,
    pub keep_ttl: bool,
    pub persist: bool,
    expiry: Option<(Unit, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// `None` for words that are unknown or exclude each other.
    pub fn parse(args: Args<'a>, from: usize, allowed: Allowed) -> Option<Self> {
        let mut options =
            Options { condition: Condition::None, get: false, keep_ttl: false, persist: false, expiry: None };
        let sets = allowed != Allowed::GetEx;
        let mut words = args.from(from).iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if sets && is("NX") && matches!(options.condition, Condition::None | Condition::NotExists) {
                options.condition = Condition::NotExists;
            } else if sets && is("XX") && matches!(options.condition, Condition::None | Condition::Exists) {
                options.condition = Condition::Exists;
            } else if allowed == Allowed::Set && is("IFEQ") && options.condition == Condition::None {
                options.condition = Condition::Equals(words.next()?);
            } else if allowed == Allowed::Set && is("GET") {
                options.get = true;
            } else if sets && is("KEEPTTL") && options.expiry.is_none() {
                options.keep_ttl = true;
            } else if allowed == Allowed::GetEx && is("PERSIST") && options.expiry.is_none() {
                options.persist = true;
            } else {
                let unit = match () {
                    () if is("EX") => Unit::InSeconds,
                    () if is("PX") => Unit::InMillis,
                    () if is("EXAT") => Unit::AtSeconds,
                    () if is("PXAT") => Unit::AtMillis,
                    () => return None,
                };
                // The same unit twice is accepted, the last one counts: so it has always been.
                let other = options.expiry.is_some_and(|(before, _)| before != unit);
                if options.keep_ttl || options.persist || other {
                    return None;
                }
                options.expiry = Some((unit, words.next()?));
            }
        }
        Some(options)
    }

    /// The expiry in unix milliseconds, if one was given.
    pub fn expiry(&self, now_ms: u64) -> Option<Result<u64, ExpiryError>> {
        let (unit, text) = self.expiry?;
        let (unit_ms, base) = match unit {
            Unit::InSeconds => (1000, now_ms),
            Unit::InMillis => (1, now_ms),
            Unit::AtSeconds => (1000, 0),
            Unit::AtMillis => (1, 0),
        };
        Some(parse_expiry(text, unit_ms, base))
    }
}

/// Why an expiry is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExpiryError {
    NotInteger,
    Invalid,
}

impl ExpiryError {
    pub fn reply(self, out: &mut ReplyBuf, command: &str) {
        match self {
            ExpiryError::NotInteger => out.error(errors::NOT_INTEGER),
            ExpiryError::Invalid => errors::invalid_expire(out, command),
        }
    }
}

/// A positive time in units of `unit_ms` after `base_ms`, as unix milliseconds.
pub(super) fn parse_expiry(text: &[u8], unit_ms: i64, base_ms: u64) -> Result<u64, ExpiryError> {
    let value = parse_i64(text).ok_or(ExpiryError::NotInteger)?;
    if value <= 0 {
        return Err(ExpiryError::Invalid);
    }
    let at = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms as i64));
    at.map(|at| at as u64).ok_or(ExpiryError::Invalid)
}
