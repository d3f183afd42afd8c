//! Values to JSON.

use crate::lua::{Kind, Raise, Stack};

use super::super::number::general;
use super::{Invalid, Settings};

/// cjson.encode(value)
pub(super) fn encode(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 {
        return Err(crate::lua::bad_argument(1, "encode", "expected 1 argument"));
    }
    let settings = stack.exchange().cjson;
    let mut out = Vec::new();
    value(stack, &settings, &mut out, 0)?;
    stack.push_bytes(&out);
    Ok(1)
}

fn cannot(stack: &Stack<'_>, index: i32, why: &str) -> Raise {
    Raise::At(format!("Cannot serialise {}: {why}", stack.kind(index).name()))
}

/// Writes the value on top.
fn value(stack: &mut Stack<'_>, settings: &Settings, out: &mut Vec<u8>, depth: usize) -> Result<(), Raise> {
    // A table that holds another one twice, and so on, or an array of gaps, is far longer as text.
    stack.check_room(out.len())?;
    match stack.kind(-1) {
        Kind::String => string(stack.bytes(-1).unwrap_or_default(), out),
        Kind::Number => number(stack, settings, out)?,
        Kind::Boolean => out.extend_from_slice(if stack.boolean(-1) { b"true" } else { b"false" }),
        Kind::Nil => out.extend_from_slice(b"null"),
        Kind::Light if stack.is_null(-1) => out.extend_from_slice(b"null"),
        Kind::Table => {
            let depth = depth + 1;
            if depth > settings.encode_max_depth || stack.reserve(4).is_err() {
                return Err(Raise::At(format!("Cannot serialise, excessive depth ({depth})")));
            }
            match array_len(stack, settings)? {
                Some(len) if len > 0 => {
                    out.push(b'[');
                    for index in 1..=len {
                        if index > 1 {
                            out.push(b',');
                        }
                        stack.get_index(-1, index);
                        value(stack, settings, out, depth)?;
                        stack.pop(1);
                    }
                    out.push(b']');
                }
                _ => object(stack, settings, out, depth)?,
            }
        }
        _ => return Err(cannot(stack, -1, "type not supported")),
    }
    Ok(())
}

/// The highest index of the table on top, if all its keys are indices.
fn array_len(stack: &mut Stack<'_>, settings: &Settings) -> Result<Option<usize>, Raise> {
    let (mut items, mut highest) = (0i64, 0i64);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        let key = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { None };
        match key {
            Some(key) if key >= 1.0 && key.fract() == 0.0 && key < 2_147_483_648.0 => {
                items += 1;
                highest = highest.max(key as i64);
            }
            _ => {
                stack.pop(1);
                return Ok(None);
            }
        }
    }
    let sparse = settings.sparse_ratio > 0
        && highest > items.saturating_mul(settings.sparse_ratio)
        && highest > settings.sparse_safe;
    if sparse {
        if !settings.sparse_convert {
            return Err(cannot(stack, -1, "excessively sparse array"));
        }
        return Ok(None);
    }
    Ok(Some(highest as usize))
}

fn object(stack: &mut Stack<'_>, settings: &Settings, out: &mut Vec<u8>, depth: usize) -> Result<(), Raise> {
    out.push(b'{');
    let mut first = true;
    stack.push_nil();
    while stack.next(-2) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match stack.kind(-2) {
            Kind::Number => {
                out.push(b'"');
                stack.push_value(-2);
                number(stack, settings, out)?;
                stack.pop(1);
                out.push(b'"');
            }
            Kind::String => string(stack.bytes(-2).unwrap_or_default(), out),
            _ => {
                return Err(Raise::At(
                    "Cannot serialise table: table key must be a number or string".to_owned(),
                ));
            }
        }
        out.push(b':');
        value(stack, settings, out, depth)?;
        stack.pop(1);
    }
    out.push(b'}');
    Ok(())
}

fn number(stack: &Stack<'_>, settings: &Settings, out: &mut Vec<u8>) -> Result<(), Raise> {
    let number = stack.number(-1).unwrap_or(0.0);
    if !number.is_finite() {
        match settings.encode_invalid {
            Invalid::Refuse => return Err(cannot(stack, -1, "must not be NaN or Inf")),
            Invalid::Null => out.extend_from_slice(b"null"),
            Invalid::Write => out.extend_from_slice(general(number, 1).as_bytes()),
        }
        return Ok(());
    }
    if number.fract() == 0.0 && number.abs() < 1e14 && settings.precision >= 14 {
        out.extend_from_slice((number as i64).to_string().as_bytes());
    } else {
        out.extend_from_slice(general(number, settings.precision).as_bytes());
    }
    Ok(())
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
