//! `cmsgpack`: MessagePack.

use crate::lua::{Kind, Native, Raise, Stack, bad_argument};

use super::{optional_integer, string_argument};

pub(crate) const FUNCTIONS: &[(&str, Native)] =
    &[("pack", pack), ("unpack", unpack), ("unpack_one", unpack_one), ("unpack_limit", unpack_limit)];

/// Tables nested deeper than this are packed as nil.
const MAX_PACK_DEPTH: usize = 16;
/// What is nested deeper than this is not unpacked.
const MAX_UNPACK_DEPTH: usize = 1000;

pub(crate) fn constants(stack: &mut Stack<'_>) {
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Redis Ltd."),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

fn pack(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let count = stack.top();
    if count == 0 {
        return Err(bad_argument(0, "pack", "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for index in 1..=count {
        stack.reserve(4)?;
        stack.push_value(index);
        pack_top(stack, &mut out, 0)?;
        stack.pop(1);
    }
    stack.push_bytes(&out);
    Ok(1)
}

/// A header whose length takes one of several forms: a small one within the byte, then 8, 16 and 32 bits.
fn header(out: &mut Vec<u8>, len: usize, small: (u8, usize), byte: Option<u8>, word: u8, long: u8) {
    if len < small.1 {
        out.push(small.0 | len as u8);
    } else if let (Some(byte), Ok(len)) = (byte, u8::try_from(len)) {
        out.extend([byte, len]);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(word);
        out.extend(len.to_be_bytes());
    } else {
        out.push(long);
        out.extend((len as u32).to_be_bytes());
    }
}

fn pack_integer(out: &mut Vec<u8>, value: i64) {
    match value {
        0..=127 => out.push(value as u8),
        128..=0xff => out.extend([0xcc, value as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((value as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(value.to_be_bytes());
        }
        -32..=-1 => out.push(value as u8),
        -128..=-33 => out.extend([0xd0, value as u8]),
        -0x8000..=-129 => {
            out.push(0xd1);
            out.extend((value as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend((value as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(value.to_be_bytes());
        }
    }
}

/// Packs the value on top.
fn pack_top(stack: &mut Stack<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Raise> {
    // A table that holds another one twice, and so on, is far longer when it is packed.
    stack.check_room(out.len())?;
    match stack.kind(-1) {
        Kind::String => {
            let text = stack.bytes(-1).unwrap_or_default();
            header(out, text.len(), (0xa0, 32), Some(0xd9), 0xda, 0xdb);
            out.extend_from_slice(text);
        }
        Kind::Boolean => out.push(if stack.boolean(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => {
            let number = stack.number(-1).unwrap_or(0.0);
            if number.fract() == 0.0 && number.abs() < 9.2e18 {
                pack_integer(out, number as i64);
            } else if f64::from(number as f32) == number {
                out.push(0xca);
                out.extend((number as f32).to_be_bytes());
            } else {
                out.push(0xcb);
                out.extend(number.to_be_bytes());
            }
        }
        Kind::Table if depth < MAX_PACK_DEPTH => {
            stack.reserve(4)?;
            match array_len(stack) {
                Some(len) => {
                    header(out, len, (0x90, 16), None, 0xdc, 0xdd);
                    for index in 1..=len {
                        stack.get_index(-1, index);
                        pack_top(stack, out, depth + 1)?;
                        stack.pop(1);
                    }
                }
                None => pack_map(stack, out, depth)?,
            }
        }
        _ => out.push(0xc0),
    }
    Ok(())
}

fn pack_map(stack: &mut Stack<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Raise> {
    let mut len = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        len += 1;
    }
    header(out, len, (0x80, 16), None, 0xde, 0xdf);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_value(-2);
        pack_top(stack, out, depth + 1)?;
        stack.pop(1);
        pack_top(stack, out, depth + 1)?;
        stack.pop(1);
    }
    Ok(())
}

/// The length of the table on top, if its keys are 1, 2, 3 and so on.
fn array_len(stack: &mut Stack<'_>) -> Option<usize> {
    let (mut count, mut highest) = (0usize, 0.0f64);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        let key = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { None };
        match key {
            Some(key) if key > 0.0 && key.fract() == 0.0 => {
                count += 1;
                highest = highest.max(key);
            }
            _ => {
                stack.pop(1);
                return None;
            }
        }
    }
    (highest == count as f64).then_some(count)
}

/// What is left to unpack.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Raise> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(Raise::At("Missing bytes in input.".to_owned()));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// An unsigned integer of so many bytes.
    fn unsigned(&mut self, len: usize) -> Result<u64, Raise> {
        Ok(self.take(len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, len: usize) -> Result<i64, Raise> {
        let unused = 64 - 8 * len as u32;
        Ok((self.unsigned(len)? << unused) as i64 >> unused)
    }

    /// Pushes the next value.
    fn value(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Raise> {
        if depth > MAX_UNPACK_DEPTH {
            return Err(Raise::At("Bad data format in input.".to_owned()));
        }
        stack.reserve(4)?;
        stack.check_room(0)?;
        let kind = self.take(1)?[0];
        match kind {
            0x00..=0x7f => stack.push_number(f64::from(kind)),
            0xe0..=0xff => stack.push_number(f64::from(kind as i8)),
            0x80..=0x8f => self.map(stack, usize::from(kind & 15), depth)?,
            0x90..=0x9f => self.array(stack, usize::from(kind & 15), depth)?,
            0xa0..=0xbf => stack.push_bytes(self.take(usize::from(kind & 31))?),
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_bool(false),
            0xc3 => stack.push_bool(true),
            0xca => stack.push_number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => stack.push_number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => stack.push_number(self.unsigned(1 << (kind - 0xcc))? as f64),
            0xd0..=0xd3 => stack.push_number(self.signed(1 << (kind - 0xd0))? as f64),
            0xc4..=0xc6 | 0xd9..=0xdb => {
                let base = if kind >= 0xd9 { 0xd9 } else { 0xc4 };
                let len = self.unsigned(1 << (kind - base))? as usize;
                stack.push_bytes(self.take(len)?);
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (kind - 0xdc))? as usize;
                self.array(stack, len, depth)?;
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (kind - 0xde))? as usize;
                self.map(stack, len, depth)?;
            }
            _ => return Err(Raise::At("Bad data format in input.".to_owned())),
        }
        Ok(())
    }

    fn array(&mut self, stack: &mut Stack<'_>, len: usize, depth: usize) -> Result<(), Raise> {
        // A claim of length is believed as far as there are bytes for it.
        stack.push_table(len.min(self.rest.len()), 0);
        for index in 1..=len {
            self.value(stack, depth + 1)?;
            stack.set_index(-2, index);
        }
        Ok(())
    }

    fn map(&mut self, stack: &mut Stack<'_>, len: usize, depth: usize) -> Result<(), Raise> {
        stack.push_table(0, len.min(self.rest.len()));
        for _ in 0..len {
            self.value(stack, depth + 1)?;
            self.value(stack, depth + 1)?;
            stack.set(-3);
        }
        Ok(())
    }
}

fn unpack_some(
    stack: &mut Stack<'_>,
    limit: i64,
    offset: i64,
    all: bool,
    function: &str,
) -> Result<usize, Raise> {
    let data = string_argument(stack, 1, function)?.to_vec();
    if offset < 0 || limit < 0 {
        return Err(Raise::At(format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            data.len()
        )));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)) else {
        return Err(Raise::At(format!("Start offset {offset} greater than input length {}.", data.len())));
    };
    let mut reader = Reader { rest };
    let mut count = 0;
    let first = stack.top() + 1;
    while !reader.rest.is_empty() && (all || count < limit) {
        if stack.reserve(4).is_err() {
            return Err(Raise::At(
                "too many return values at once; use unpack_one or unpack_limit instead.".to_owned(),
            ));
        }
        reader.value(stack, 0)?;
        count += 1;
    }
    if !all {
        let next = if reader.rest.is_empty() { -1.0 } else { (data.len() - reader.rest.len()) as f64 };
        stack.push_number(next);
        if count > 0 {
            stack.insert(first);
        }
        count += 1;
    }
    Ok(count as usize)
}

fn unpack(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    unpack_some(stack, 0, 0, true, "unpack")
}

fn unpack_one(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let offset = optional_integer(stack, 2, "unpack_one", 0)?;
    unpack_some(stack, 1, offset, false, "unpack_one")
}

fn unpack_limit(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let limit = optional_integer(stack, 2, "unpack_limit", 0)?;
    let offset = optional_integer(stack, 3, "unpack_limit", 0)?;
    unpack_some(stack, limit, offset, false, "unpack_limit")
}
