//! The libraries that scripts find besides Lua's own.

pub(crate) mod bit;
pub(crate) mod cjson;
pub(crate) mod cmsgpack;
pub(crate) mod load;
pub(crate) mod math;
mod number;
pub(crate) mod patterns;
pub(crate) mod structs;

use crate::lua::{Kind, Raise, Stack, bad_argument};

/// A number that a function needs.
fn number_argument(stack: &Stack<'_>, index: i32, function: &str) -> Result<f64, Raise> {
    stack.number(index).ok_or_else(|| {
        bad_argument(index as usize, function, &format!("number expected, got {}", stack.kind(index).name()))
    })
}

/// A string that a function needs; numbers will do.
fn string_argument<'a>(stack: &'a Stack<'_>, index: i32, function: &str) -> Result<&'a [u8], Raise> {
    match stack.kind(index) {
        Kind::String | Kind::Number => Ok(stack.bytes(index).unwrap_or_default()),
        kind => Err(bad_argument(index as usize, function, &format!("string expected, got {}", kind.name()))),
    }
}

/// A whole number that a function may be given.
fn optional_integer(stack: &Stack<'_>, index: i32, function: &str, default: i64) -> Result<i64, Raise> {
    match stack.kind(index) {
        Kind::None | Kind::Nil => Ok(default),
        _ => Ok(number_argument(stack, index, function)? as i64),
    }
}
