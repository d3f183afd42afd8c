//! `string.find`, `match`, `gmatch` and `gsub`: Lua's own cannot be stopped while they backtrack, and may do that for ever.
//!
//! What is quick is done on the strings where they lie. After half a million steps the work begins anew on copies, and the script
//! stops at every so many steps as it does between instructions: others get their turn, and it can be killed.

mod matcher;
#[cfg(test)]
mod tests;

use memchr::memmem;

use crate::lua::{Event, Kind, Native, Raise, Stack, bad_argument};

use super::{optional_integer, string_argument};
use matcher::{Capture, Failure, Matcher};

/// What goes into the table `string`.
pub(crate) const FUNCTIONS: &[(&str, Native)] = &[("find", find), ("match", match_once)];

/// What the functions are made of that call back, in the order that [`PRELUDE`] takes them in.
pub(crate) const PARTS: [Native; 5] = [gmatch_arguments, gsub_arguments, gsub_text, search, bad_replacement];

/// `gmatch` and `gsub`, as far as they call what a script gives them. Gives both.
pub(crate) const PRELUDE: &[u8] = b"
    local gmatch_arguments, gsub_arguments, gsub_text, search, bad_replacement, type, sub, concat = ...
    local function gmatch(...)
        local s, p = gmatch_arguments(...)
        local at = 1
        local function advance(from, to, ...)
            if from then
                at = to > from and to or to + 1
                return ...
            end
            at = nil
        end
        return function()
            if at then return advance(search(s, p, at, false, false)) end
        end
    end
    local function gsub(...)
        local s, p, r, n = ...
        local kind = type(r)
        if kind ~= 'function' and kind ~= 'table' then
            local result, count = gsub_text(...)
            return result, count
        end
        local most, anchored
        s, p, most, anchored = gsub_arguments(s, p, n)
        local out, count, at, last = {}, 0, 1, #s + 1
        local function replace(from, to, first, ...)
            if not from then return false end
            local value
            if kind == 'table' then value = r[first] else value = r(first, ...) end
            if not value then
                value = sub(s, from, to - 1)
            elseif type(value) ~= 'string' and type(value) ~= 'number' then
                bad_replacement(type(value))
            end
            out[#out + 1] = sub(s, at, from - 1)
            out[#out + 1] = value
            count = count + 1
            at = to
            if to == from then
                out[#out + 1] = sub(s, from, from)
                at = to + 1
            end
            return true
        end
        while count < most and at <= last and replace(search(s, p, at, true, kind == 'table')) do
            if anchored then break end
        end
        out[#out + 1] = sub(s, at)
        return concat(out), count
    end
    return gmatch, gsub";

/// Patterns beyond this length would let the matcher recurse further than its stack goes.
const MAX_PATTERN: usize = 16 * 1024;
/// So many values may be pushed for one match.
const RESULTS: i32 = matcher::MAX_CAPTURES as i32 + 8;

/// A match, in positions from 0.
struct Match {
    start: usize,
    end: usize,
    captures: Vec<Capture>,
}

/// Part of a match as it is given to scripts.
enum Value<'a> {
    Text(&'a [u8]),
    Position(usize),
}

impl Match {
    /// A capture; the first one is the whole match where there are none.
    fn capture<'a>(&self, subject: &'a [u8], index: usize) -> Result<Value<'a>, &'static str> {
        match self.captures.get(index) {
            Some(Capture::Text(start, end)) => Ok(Value::Text(&subject[*start..*end])),
            Some(Capture::Position(at)) => Ok(Value::Position(at + 1)),
            Some(Capture::Open(_)) => Err("unfinished capture"),
            None if index == 0 => Ok(Value::Text(&subject[self.start..self.end])),
            None => Err("invalid capture index"),
        }
    }

    /// Pushes the first `count` captures; gives their number. The subject is at 1.
    fn push(&self, stack: &Stack<'_>, count: usize) -> Result<usize, Raise> {
        let subject = stack.bytes(1).unwrap_or_default();
        for index in 0..count {
            match self.capture(subject, index).map_err(malformed)? {
                Value::Text(text) => stack.push_bytes(text),
                Value::Position(at) => stack.push_number(at as f64),
            }
        }
        Ok(count)
    }
}

fn malformed(text: &str) -> Raise {
    Raise::At(text.to_owned())
}

/// Runs `work` on the subject at 1 and the pattern at 2: at once, or if that takes long, with pauses.
fn patiently<T>(
    stack: &mut Stack<'_>,
    work: impl Fn(&[u8], &[u8], &mut dyn FnMut() -> bool) -> Result<T, Failure>,
) -> Result<T, Raise> {
    let (subject, pattern) = (stack.bytes(1).unwrap_or_default(), stack.bytes(2).unwrap_or_default());
    if pattern.len() > MAX_PATTERN {
        return Err(malformed("pattern too complex"));
    }
    match work(subject, pattern, &mut || false) {
        Ok(result) => return Ok(result),
        Err(Failure::Malformed(text)) => return Err(malformed(text)),
        Err(Failure::Stopped) => {}
    }
    let (subject, pattern) = (subject.to_vec(), pattern.to_vec());
    let mut killed = None;
    let result = work(&subject, &pattern, &mut || match stack.suspend(Event::Tick) {
        Ok(()) => true,
        Err(raise) => {
            killed = Some(raise);
            false
        }
    });
    result.map_err(|failure| match failure {
        Failure::Malformed(text) => malformed(text),
        Failure::Stopped => killed.unwrap_or(Raise::Text("pattern too complex".to_owned())),
    })
}

/// The first match from `from` on. With `anchors`, `^` at the beginning of the pattern holds it there.
fn first_match(
    subject: &[u8],
    pattern: &[u8],
    from: usize,
    anchors: bool,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Match>, Failure> {
    let anchored = pattern.strip_prefix(b"^").filter(|_| anchors);
    let mut matcher = Matcher::new(subject, anchored.unwrap_or(pattern), go_on);
    for start in from..=subject.len() {
        if let Some(end) = matcher.match_at(start)? {
            return Ok(Some(Match { start, end, captures: std::mem::take(&mut matcher.captures) }));
        }
        if anchored.is_some() {
            break;
        }
    }
    Ok(None)
}

/// Subject and pattern, and where a search begins.
fn arguments(stack: &Stack<'_>, function: &str) -> Result<usize, Raise> {
    let len = string_argument(stack, 1, function)?.len();
    string_argument(stack, 2, function)?;
    let from = optional_integer(stack, 3, function, 1)?;
    let from = if from < 0 { from + len as i64 + 1 } else { from };
    Ok(usize::try_from(from - 1).unwrap_or(0).min(len))
}

/// string.find(subject, pattern [, from [, plain]])
fn find(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let from = arguments(stack, "find")?;
    let (subject, pattern) = (stack.bytes(1).unwrap_or_default(), stack.bytes(2).unwrap_or_default());
    let plain = stack.kind(4) != Kind::None && stack.boolean(4);
    if plain || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
        let found = memmem::find(&subject[from..], pattern).map(|at| (from + at, from + at + pattern.len()));
        return Ok(match found {
            Some((start, end)) => {
                stack.push_number(start as f64 + 1.0);
                stack.push_number(end as f64);
                2
            }
            None => {
                stack.push_nil();
                1
            }
        });
    }
    let found = patiently(stack, |subject, pattern, go_on| first_match(subject, pattern, from, true, go_on))?;
    stack.reserve(RESULTS)?;
    match found {
        Some(found) => {
            stack.push_number(found.start as f64 + 1.0);
            stack.push_number(found.end as f64);
            Ok(2 + found.push(stack, found.captures.len())?)
        }
        None => {
            stack.push_nil();
            Ok(1)
        }
    }
}

/// string.match(subject, pattern [, from])
fn match_once(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let from = arguments(stack, "match")?;
    let found = patiently(stack, |subject, pattern, go_on| first_match(subject, pattern, from, true, go_on))?;
    stack.reserve(RESULTS)?;
    match found {
        Some(found) => found.push(stack, found.captures.len().max(1)),
        None => {
            stack.push_nil();
            Ok(1)
        }
    }
}

/// search(subject, pattern, from, anchors, one): where the first match begins, where what follows it begins, its captures or all of it;
/// with `one`, only the first of those.
fn search(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let from = (optional_integer(stack, 3, "search", 1)?.max(1) - 1) as usize;
    let (anchors, one) = (stack.boolean(4), stack.boolean(5));
    let found =
        patiently(stack, |subject, pattern, go_on| first_match(subject, pattern, from, anchors, go_on))?;
    stack.reserve(RESULTS)?;
    let Some(found) = found else { return Ok(0) };
    stack.push_number(found.start as f64 + 1.0);
    stack.push_number(found.end as f64 + 1.0);
    let captures = if one { 1 } else { found.captures.len().max(1) };
    Ok(2 + found.push(stack, captures)?)
}

/// The arguments of `gmatch` as strings.
fn gmatch_arguments(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    arguments(stack, "gmatch")?;
    stack.set_top(2);
    Ok(2)
}

/// How many replacements `gsub` makes at most, by the argument at `index`.
fn most(stack: &Stack<'_>, index: i32) -> Result<i64, Raise> {
    let len = string_argument(stack, 1, "gsub")?.len() as i64;
    string_argument(stack, 2, "gsub")?;
    Ok(optional_integer(stack, index, "gsub", len + 1)?.min(len + 1))
}

/// gsub_arguments(subject, pattern, most): strings, a number, and whether the pattern matches at the beginning only.
fn gsub_arguments(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let most = most(stack, 3)?;
    let anchored = stack.bytes(2).is_some_and(|pattern| pattern.starts_with(b"^"));
    stack.set_top(2);
    stack.push_number(most as f64);
    stack.push_bool(anchored);
    Ok(4)
}

fn bad_replacement(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let kind = String::from_utf8_lossy(stack.bytes(1).unwrap_or_default()).into_owned();
    Err(Raise::At(format!("invalid replacement value (a {kind})")))
}

/// `gsub` with a text as its third argument.
fn gsub_text(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    string_argument(stack, 1, "gsub")?;
    string_argument(stack, 2, "gsub")?;
    if !matches!(stack.kind(3), Kind::String | Kind::Number) {
        return Err(bad_argument(3, "gsub", "string/function/table expected"));
    }
    let most = most(stack, 4)?;
    let by = stack.bytes(3).unwrap_or_default().to_vec();
    let (used, limit) = stack.memory();
    let room = limit.saturating_sub(used);
    let (out, count) = patiently(stack, |subject, pattern, go_on| {
        let anchored = pattern.starts_with(b"^");
        let (mut out, mut count, mut at) = (Vec::new(), 0, 0);
        while count < most && at <= subject.len() {
            let Some(found) = first_match(subject, pattern, at, true, go_on)? else { break };
            out.extend_from_slice(&subject[at..found.start]);
            replacement(&mut out, &by, subject, &found).map_err(Failure::Malformed)?;
            if out.len() > room {
                return Err(Failure::Malformed("not enough memory"));
            }
            count += 1;
            at = found.end;
            if found.end == found.start {
                // Nothing was matched, so the next byte stays.
                out.extend(subject.get(at));
                at += 1;
            }
            if anchored {
                break;
            }
        }
        out.extend_from_slice(subject.get(at..).unwrap_or_default());
        Ok((out, count))
    })?;
    stack.push_bytes(&out);
    stack.push_number(count as f64);
    Ok(2)
}

/// Writes a replacement: `%0` is the match, `%1` to `%9` are its captures, `%` before anything else is dropped.
fn replacement(out: &mut Vec<u8>, by: &[u8], subject: &[u8], found: &Match) -> Result<(), &'static str> {
    let mut rest = by.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'%' => match rest.next() {
                Some(b'0') => out.extend_from_slice(&subject[found.start..found.end]),
                Some(digit @ b'1'..=b'9') => match found.capture(subject, usize::from(digit - b'1'))? {
                    Value::Text(text) => out.extend_from_slice(text),
                    Value::Position(at) => out.extend_from_slice(at.to_string().as_bytes()),
                },
                // At the end of the text there is a zero, as in Lua's own.
                other => out.push(other.copied().unwrap_or(0)),
            },
            _ => out.push(byte),
        }
    }
    Ok(())
}
