//! `cjson`: JSON.

mod decode;
mod encode;

use crate::lua::{Kind, Native, Raise, Stack, bad_argument};

/// What scripts can set, for all that come after them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Sparse arrays become objects instead of errors.
    sparse_convert: bool,
    /// An array is sparse if its highest index is so many times the number of its elements; 0: never.
    sparse_ratio: i64,
    /// Up to here it is not.
    sparse_safe: i64,
    encode_max_depth: usize,
    decode_max_depth: usize,
    precision: usize,
    encode_invalid: Invalid,
    decode_invalid: bool,
    keep_buffer: bool,
}

/// What becomes of numbers that JSON has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalid {
    Refuse,
    Write,
    Null,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            encode_invalid: Invalid::Refuse,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

pub(crate) const FUNCTIONS: &[(&str, Native)] = &[
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", encode_max_depth),
    ("decode_max_depth", decode_max_depth),
    ("encode_number_precision", encode_number_precision),
    ("encode_keep_buffer", encode_keep_buffer),
    ("encode_invalid_numbers", encode_invalid_numbers),
    ("decode_invalid_numbers", decode_invalid_numbers),
    ("new", new),
];

pub(crate) fn constants(stack: &mut Stack<'_>) {
    stack.push_null();
    stack.set_field(-2, "null");
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

/// Nesting beyond this would not fit the script's stack.
const DEPTH_LIMIT: i64 = 2500;

/// The integer argument at `index` within a range, or nothing if there is none.
fn integer_option(stack: &Stack<'_>, index: i32, low: i64, high: i64) -> Result<Option<i64>, Raise> {
    if matches!(stack.kind(index), Kind::None | Kind::Nil) {
        return Ok(None);
    }
    let value = stack.number(index).map(|value| value as i64).filter(|value| (low..=high).contains(value));
    let text = format!("expected integer between {low} and {high}");
    value.map(Some).ok_or_else(|| bad_argument(index as usize, "?", &text))
}

fn boolean_option(stack: &Stack<'_>, index: i32) -> Option<bool> {
    match stack.kind(index) {
        Kind::None | Kind::Nil => None,
        Kind::String => Some(stack.bytes(index) == Some(b"on")),
        _ => Some(stack.boolean(index)),
    }
}

fn encode_sparse_array(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let convert = boolean_option(stack, 1);
    let ratio = integer_option(stack, 2, 0, i64::from(i32::MAX))?;
    let safe = integer_option(stack, 3, 0, i64::from(i32::MAX))?;
    let settings = &mut stack.exchange().cjson;
    settings.sparse_convert = convert.unwrap_or(settings.sparse_convert);
    settings.sparse_ratio = ratio.unwrap_or(settings.sparse_ratio);
    settings.sparse_safe = safe.unwrap_or(settings.sparse_safe);
    let settings = *settings;
    stack.push_bool(settings.sparse_convert);
    stack.push_number(settings.sparse_ratio as f64);
    stack.push_number(settings.sparse_safe as f64);
    Ok(3)
}

fn encode_max_depth(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let depth = integer_option(stack, 1, 1, i64::from(i32::MAX))?;
    let settings = &mut stack.exchange().cjson;
    settings.encode_max_depth =
        depth.map_or(settings.encode_max_depth, |depth| depth.min(DEPTH_LIMIT) as usize);
    let depth = settings.encode_max_depth;
    stack.push_number(depth as f64);
    Ok(1)
}

fn decode_max_depth(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let depth = integer_option(stack, 1, 1, i64::from(i32::MAX))?;
    let settings = &mut stack.exchange().cjson;
    settings.decode_max_depth =
        depth.map_or(settings.decode_max_depth, |depth| depth.min(DEPTH_LIMIT) as usize);
    let depth = settings.decode_max_depth;
    stack.push_number(depth as f64);
    Ok(1)
}

fn encode_number_precision(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let precision = integer_option(stack, 1, 1, 16)?;
    let settings = &mut stack.exchange().cjson;
    settings.precision = precision.map_or(settings.precision, |precision| precision as usize);
    let precision = settings.precision;
    stack.push_number(precision as f64);
    Ok(1)
}

fn encode_keep_buffer(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let keep = boolean_option(stack, 1);
    let settings = &mut stack.exchange().cjson;
    settings.keep_buffer = keep.unwrap_or(settings.keep_buffer);
    let keep = settings.keep_buffer;
    stack.push_bool(keep);
    Ok(1)
}

fn encode_invalid_numbers(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let chosen = if stack.string(1) == Some(b"null") {
        Some(Invalid::Null)
    } else {
        boolean_option(stack, 1).map(|write| if write { Invalid::Write } else { Invalid::Refuse })
    };
    let settings = &mut stack.exchange().cjson;
    settings.encode_invalid = chosen.unwrap_or(settings.encode_invalid);
    match settings.encode_invalid {
        Invalid::Refuse => stack.push_bool(false),
        Invalid::Write => stack.push_bool(true),
        Invalid::Null => stack.push_bytes(b"null"),
    }
    Ok(1)
}

fn decode_invalid_numbers(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let allow = boolean_option(stack, 1);
    let settings = &mut stack.exchange().cjson;
    settings.decode_invalid = allow.unwrap_or(settings.decode_invalid);
    let allow = settings.decode_invalid;
    stack.push_bool(allow);
    Ok(1)
}

/// Another table of the same functions; the settings are the interpreter's.
fn new(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    stack.push_table(0, FUNCTIONS.len() + 3);
    for (name, function) in FUNCTIONS {
        stack.push_native(*function);
        stack.set_field(-2, name);
    }
    constants(stack);
    Ok(1)
}
