//! `bit`: operations on numbers as 32 bits.

use crate::lua::{Native, Raise, Stack};

use super::number_argument;

pub(crate) const FUNCTIONS: &[(&str, Native)] = &[
    ("tobit", |stack| unary(stack, "tobit", |x| x)),
    ("bnot", |stack| unary(stack, "bnot", |x| !x)),
    ("bswap", |stack| unary(stack, "bswap", u32::swap_bytes)),
    ("band", |stack| fold(stack, "band", |x, y| x & y)),
    ("bor", |stack| fold(stack, "bor", |x, y| x | y)),
    ("bxor", |stack| fold(stack, "bxor", |x, y| x ^ y)),
    ("lshift", |stack| shift(stack, "lshift", |x, n| x << n)),
    ("rshift", |stack| shift(stack, "rshift", |x, n| x >> n)),
    ("arshift", |stack| shift(stack, "arshift", |x, n| (x as i32 >> n) as u32)),
    ("rol", |stack| shift(stack, "rol", u32::rotate_left)),
    ("ror", |stack| shift(stack, "ror", u32::rotate_right)),
    ("tohex", tohex),
];

/// The lower 32 bits of a number, rounded to the nearest whole one.
fn bits(stack: &Stack<'_>, index: i32, function: &str) -> Result<u32, Raise> {
    let number = number_argument(stack, index, function)?;
    // Adding this leaves the whole part in the lower bits of the sum.
    Ok((number + 6_755_399_441_055_744.0).to_bits() as u32)
}

fn give(stack: &mut Stack<'_>, value: u32) -> Result<usize, Raise> {
    stack.push_number(f64::from(value as i32));
    Ok(1)
}

fn unary(stack: &mut Stack<'_>, name: &str, f: fn(u32) -> u32) -> Result<usize, Raise> {
    let value = bits(stack, 1, name)?;
    give(stack, f(value))
}

fn fold(stack: &mut Stack<'_>, name: &str, f: fn(u32, u32) -> u32) -> Result<usize, Raise> {
    let mut value = bits(stack, 1, name)?;
    for index in 2..=stack.top() {
        value = f(value, bits(stack, index, name)?);
    }
    give(stack, value)
}

fn shift(stack: &mut Stack<'_>, name: &str, f: fn(u32, u32) -> u32) -> Result<usize, Raise> {
    let (value, by) = (bits(stack, 1, name)?, bits(stack, 2, name)? & 31);
    give(stack, f(value, by))
}

fn tohex(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let value = bits(stack, 1, "tohex")?;
    let digits = if stack.top() < 2 { 8 } else { bits(stack, 2, "tohex")? as i32 };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    stack.push_bytes(&text.as_bytes()[8 - count..]);
    Ok(1)
}
