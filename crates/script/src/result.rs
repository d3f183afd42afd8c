//! What a script returned, as a reply.

use resp::ReplyBuf;

use crate::error::ScriptError;
use crate::lua::{Kind, Stack};

/// Tables nested deeper than this are cut short with an error. It is also what keeps the recursion within the script's stack.
const MAX_DEPTH: usize = 2000;

/// Makes the reply of the value on top. An error that is the whole of the result is given apart: it is to be counted.
pub(crate) fn to_reply(stack: &mut Stack<'_>, out: &mut ReplyBuf, resp3: bool) -> Option<ScriptError> {
    if stack.kind(-1) == Kind::Table {
        stack.field(-1, "err");
        if stack.kind(-1) == Kind::String {
            let text = stack.bytes(-1).unwrap_or_default().to_vec();
            stack.pop(1);
            stack.field(-1, "ignore_error_stats_update");
            let counted = stack.boolean(-1);
            stack.pop(1);
            return Some(ScriptError { text, place: None, counted });
        }
        stack.pop(1);
    }
    value(stack, out, resp3, 0);
    // A table that holds another one twice, and so on, has no end as a reply.
    if is_too_long(stack, out) {
        out.buf = Vec::new();
        let text = b"ERR the result of the script is too long".to_vec();
        return Some(ScriptError { text, place: None, counted: false });
    }
    None
}

/// Whether a reply is longer than the interpreter has memory for. Nothing more is added to it then.
fn is_too_long(stack: &Stack<'_>, out: &ReplyBuf) -> bool {
    stack.check_room(out.buf.len()).is_err()
}

fn value(stack: &mut Stack<'_>, out: &mut ReplyBuf, resp3: bool, depth: usize) {
    match stack.kind(-1) {
        Kind::String => out.bulk(stack.bytes(-1).unwrap_or_default()),
        Kind::Number => out.int(integer(stack.number(-1).unwrap_or(0.0))),
        Kind::Boolean => match (stack.boolean(-1), resp3) {
            (value, true) => out.boolean(value),
            (true, false) => out.int(1),
            (false, false) => out.null(),
        },
        Kind::Table => table(stack, out, resp3, depth),
        _ => out.null(),
    }
}

/// The integer part; what does not fit becomes the smallest integer, as the processor makes it.
fn integer(number: f64) -> i64 {
    if number > -9.3e18 && number < 9_223_372_036_854_775_807.0 { number as i64 } else { i64::MIN }
}

fn table(stack: &mut Stack<'_>, out: &mut ReplyBuf, resp3: bool, depth: usize) {
    if depth >= MAX_DEPTH || stack.reserve(4).is_err() {
        return out.error("ERR reached lua stack limit");
    }
    // One of these fields makes the table something other than an array.
    if with_field(stack, "err", Kind::String, |stack| out.error(&text(stack)))
        || with_field(stack, "ok", Kind::String, |stack| out.simple(&text(stack)))
        || with_field(stack, "double", Kind::Number, |stack| out.double(stack.number(-1).unwrap_or(f64::NAN)))
        || with_field(stack, "map", Kind::Table, |stack| map(stack, out, resp3, depth))
        || with_field(stack, "set", Kind::Table, |stack| set(stack, out, resp3, depth))
        || with_field(stack, "big_number", Kind::String, |stack| {
            out.big_number(&text(stack).replace(['\r', '\n'], " "));
        })
        || with_field(stack, "verbatim_string", Kind::Table, |stack| verbatim(stack, out))
    {
        return;
    }
    let mark = out.deferred_len();
    let mut len = 0;
    loop {
        stack.get_index(-1, len + 1);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            break;
        }
        value(stack, out, resp3, depth + 1);
        stack.pop(1);
        len += 1;
        if is_too_long(stack, out) {
            break;
        }
    }
    out.set_array_len(mark, len);
}

fn with_field(stack: &mut Stack<'_>, name: &str, kind: Kind, f: impl FnOnce(&mut Stack<'_>)) -> bool {
    stack.field(-1, name);
    let there = stack.kind(-1) == kind;
    if there {
        f(stack);
    }
    stack.pop(1);
    there
}

fn text(stack: &Stack<'_>) -> String {
    String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into_owned()
}

fn map(stack: &mut Stack<'_>, out: &mut ReplyBuf, resp3: bool, depth: usize) {
    let mark = out.deferred_len();
    let mut len = 0;
    stack.push_nil();
    while stack.next(-2) {
        // The key is converted as a copy: `next` needs it as it is.
        stack.push_value(-2);
        value(stack, out, resp3, depth + 1);
        stack.pop(1);
        value(stack, out, resp3, depth + 1);
        stack.pop(1);
        len += 1;
        if is_too_long(stack, out) {
            stack.pop(1);
            break;
        }
    }
    out.set_map_len(mark, len);
}

fn set(stack: &mut Stack<'_>, out: &mut ReplyBuf, resp3: bool, depth: usize) {
    let mark = out.deferred_len();
    let mut len = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        stack.push_value(-1);
        value(stack, out, resp3, depth + 1);
        stack.pop(1);
        len += 1;
        if is_too_long(stack, out) {
            stack.pop(1);
            break;
        }
    }
    out.set_set_len(mark, len);
}

fn verbatim(stack: &mut Stack<'_>, out: &mut ReplyBuf) {
    stack.field(-1, "format");
    stack.field(-2, "string");
    let format = stack.string(-2).unwrap_or(b"txt");
    // Three bytes, whatever the script gives.
    let format: String = format
        .iter()
        .chain(b"   ")
        .take(3)
        .map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' })
        .collect();
    out.verbatim(&format, stack.string(-1).unwrap_or_default());
    stack.pop(2);
}
