//! `struct`: values as bytes and back, by a format.
//!
//! `>` and `<` set the order of bytes, `!n` the alignment; `b` `h` `l` `i n` are signed integers, in upper case unsigned, `T` a size;
//! `f` and `d` floating-point numbers, `s` a string with a zero at its end, `c n` one of n bytes (`c0`: as long as it is, or as the
//! number before it says), `x` a byte of padding.

use crate::lua::{Native, Raise, Stack, bad_argument};

use super::{number_argument, optional_integer, string_argument};

pub(crate) const FUNCTIONS: &[(&str, Native)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// Integers are at most this long.
const MAX_INTEGER: usize = 32;
/// What `!` alone means.
const MAX_ALIGN: usize = 8;

/// Where a format stands, and what it has set.
struct Format<'a> {
    rest: &'a [u8],
    big: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        Format { rest: text, big: cfg!(target_endian = "big"), align: 1 }
    }

    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return Ok(default);
        }
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i32>().ok());
        number.map(|number| number as usize).ok_or_else(|| Raise::At("integral size overflow".to_owned()))
    }

    /// The next item: its letter, and how many bytes it takes at least.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Raise> {
        while let Some((&letter, rest)) = self.rest.split_first() {
            self.rest = rest;
            let size = match letter {
                b' ' => continue,
                b'>' => {
                    self.big = true;
                    continue;
                }
                b'<' => {
                    self.big = false;
                    continue;
                }
                b'!' => {
                    let align = self.number(MAX_ALIGN)?;
                    if !align.is_power_of_two() {
                        return Err(Raise::At(format!("alignment {align} is not a power of 2")));
                    }
                    self.align = align;
                    continue;
                }
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'f' => 4,
                b's' => 0,
                b'c' => self.number(1)?,
                b'i' | b'I' => {
                    let size = self.number(4)?;
                    if size > MAX_INTEGER {
                        return Err(Raise::At(format!(
                            "integral size {size} is larger than limit of {MAX_INTEGER}"
                        )));
                    }
                    size
                }
                _ => return Err(Raise::At(format!("invalid format option '{}'", char::from(letter)))),
            };
            return Ok(Some((letter, size)));
        }
        Ok(None)
    }

    /// Bytes of padding before an item at `position`.
    fn padding(&self, letter: u8, size: usize, position: usize) -> usize {
        if size == 0 || letter == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        // Odd integer sizes align as the masks of powers of two would have it.
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }
}

fn pack(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let mut format = Format::new(string_argument(stack, 1, "pack")?);
    let mut out = Vec::new();
    let mut argument = 1;
    while let Some((letter, size)) = format.next()? {
        stack.check_room(out.len())?;
        out.resize(out.len() + format.padding(letter, size, out.len()), 0);
        if letter != b'x' {
            argument += 1;
        }
        match letter {
            b'x' => out.push(0),
            b'f' => {
                let value = number_argument(stack, argument, "pack")? as f32;
                out.extend(if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
            }
            b'd' => {
                let value = number_argument(stack, argument, "pack")?;
                out.extend(if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
            }
            b's' | b'c' => {
                let text = string_argument(stack, argument, "pack")?;
                let size = if size == 0 { text.len() } else { size };
                if text.len() < size {
                    return Err(bad_argument(argument as usize, "pack", "string too short"));
                }
                out.extend_from_slice(&text[..size]);
                if letter == b's' {
                    out.push(0);
                }
            }
            _ => {
                let value = number_argument(stack, argument, "pack")?;
                let bits = if value < 0.0 { value as i64 as u64 } else { value as u64 };
                let byte = |at: usize| if at < 8 { (bits >> (8 * at)) as u8 } else { 0 };
                let from = out.len();
                out.extend((0..size).map(byte));
                if format.big {
                    out[from..].reverse();
                }
            }
        }
    }
    stack.push_bytes(&out);
    Ok(1)
}

fn unpack(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let text = string_argument(stack, 1, "unpack")?.to_vec();
    let mut format = Format::new(&text);
    string_argument(stack, 2, "unpack")?;
    let from = optional_integer(stack, 3, "unpack", 1)?;
    if from < 1 {
        return Err(bad_argument(3, "unpack", "offset must be 1 or greater"));
    }
    let short = || bad_argument(2, "unpack", "data string too short");
    let mut at = from as usize - 1;
    let mut results = 0;
    while let Some((letter, mut size)) = format.next()? {
        stack.reserve(4)?;
        at = at.checked_add(format.padding(letter, size, at)).ok_or_else(short)?;
        if letter == b'c' && size == 0 {
            if results == 0 || stack.kind(-1) != crate::lua::Kind::Number {
                return Err(Raise::At("format 'c0' needs a previous size".to_owned()));
            }
            size = stack.number(-1).unwrap_or(0.0).max(0.0) as usize;
            stack.pop(1);
            results -= 1;
        }
        let data = stack.bytes(2).unwrap_or_default();
        let item = at.checked_add(size).and_then(|end| data.get(at..end)).ok_or_else(short)?;
        match letter {
            b'x' => {}
            b'f' => {
                let bytes = item.try_into().unwrap_or_default();
                let value = if format.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) };
                stack.push_number(f64::from(value));
            }
            b'd' => {
                let bytes = item.try_into().unwrap_or_default();
                stack.push_number(if format.big {
                    f64::from_be_bytes(bytes)
                } else {
                    f64::from_le_bytes(bytes)
                });
            }
            b'c' => stack.push_bytes(item),
            b's' => {
                let rest = &data[at..];
                let Some(len) = rest.iter().position(|&byte| byte == 0) else {
                    return Err(Raise::At("unfinished string in data".to_owned()));
                };
                stack.push_bytes(&rest[..len]);
                size = len + 1;
            }
            _ => stack.push_number(integer(item, format.big, letter.is_ascii_lowercase())),
        }
        results += usize::from(letter != b'x');
        at += size;
    }
    stack.push_number((at + 1) as f64);
    Ok(results + 1)
}

/// An integer of any number of bytes; of more than eight the lowest count.
fn integer(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let byte = |at: usize| if big { bytes[bytes.len() - 1 - at] } else { bytes[at] };
    let len = bytes.len().min(8);
    let value = (0..len).fold(0u64, |value, at| value | u64::from(byte(at)) << (8 * at));
    if !signed || len == 0 {
        return value as f64;
    }
    let unused = 64 - 8 * len as u32;
    ((value << unused) as i64 >> unused) as f64
}

fn size(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let mut format = Format::new(string_argument(stack, 1, "size")?);
    let mut total = 0usize;
    while let Some((letter, size)) = format.next()? {
        total += format.padding(letter, size, total);
        if letter == b's' {
            return Err(bad_argument(1, "size", "variable-size format in method `size'"));
        }
        if letter == b'c' && size == 0 {
            return Err(bad_argument(1, "size", "variable-length format in method `size'"));
        }
        total = total.saturating_add(size);
    }
    stack.push_number(total as f64);
    Ok(1)
}
