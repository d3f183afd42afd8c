//! Replies of commands as values of Lua.
//!
//! | reply | value |
//! |---|---|
//! | integer | number |
//! | bulk string | string |
//! | status, error | table with the field `ok` or `err` |
//! | array | table |
//! | nil of RESP2 | `false` |
//! | null of RESP3 | `nil` |
//! | map, set | table with the field `map` or `set`, which is a table; a set's elements are its keys |
//! | double, big number | table with the field `double` or `big_number` |
//! | verbatim string | table with the field `verbatim_string`, a table with `format` and `string` |
//! | boolean | boolean |

use crate::lua::{Raise, Stack};

/// Replies are nested this deep at most.
const MAX_DEPTH: usize = 64;

/// Pushes a reply, given as it would go to a client; whether it was an error.
pub(crate) fn push_reply(stack: &mut Stack<'_>, reply: &[u8]) -> Result<bool, Raise> {
    let mut reader = Reader { bytes: reply };
    reader.value(stack, 0)?;
    Ok(reply.first() == Some(&b'-'))
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The rest of the line, without its end.
    fn line(&mut self) -> &'a [u8] {
        let end = self.bytes.windows(2).position(|pair| pair == b"\r\n").unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        self.bytes = self.bytes.get(end + 2..).unwrap_or(&[]);
        line
    }

    fn number(&mut self) -> i64 {
        // Lengths and integers are short: no search for the end of the line.
        let mut value: i64 = 0;
        let mut negative = false;
        let mut at = 0;
        for &byte in self.bytes {
            at += 1;
            match byte {
                b'-' => negative = true,
                b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_sub(i64::from(byte - b'0')),
                b'\r' => break,
                _ => {}
            }
        }
        self.bytes = self.bytes.get(at + 1..).unwrap_or(&[]);
        if negative { value } else { value.wrapping_neg() }
    }

    fn bulk(&mut self, len: usize) -> &'a [u8] {
        let text = self.bytes.get(..len).unwrap_or(&[]);
        self.bytes = self.bytes.get(len + 2..).unwrap_or(&[]);
        text
    }

    fn value(&mut self, stack: &mut Stack<'_>, depth: usize) -> Result<(), Raise> {
        let Some((&kind, rest)) = self.bytes.split_first() else {
            stack.push_nil();
            return Ok(());
        };
        self.bytes = rest;
        if depth > 0 {
            stack.reserve(4)?;
            if depth > MAX_DEPTH {
                return Err(Raise::Reply("ERR reply is nested too deeply".to_owned()));
            }
        }
        match kind {
            b'$' => match usize::try_from(self.number()) {
                Ok(len) => stack.push_bytes(self.bulk(len)),
                Err(_) => stack.push_bool(false),
            },
            b':' => stack.push_number(self.number() as f64),
            b'*' | b'>' => match usize::try_from(self.number()) {
                Ok(len) => self.elements(stack, len, depth)?,
                Err(_) => stack.push_bool(false),
            },
            b'+' => {
                stack.push_table(0, 1);
                stack.push_bytes(self.line());
                stack.set_field(-2, "ok");
            }
            b'-' => {
                stack.push_table(0, 3);
                stack.push_bytes(self.line());
                stack.set_field(-2, "err");
                stack.push_bool(true);
                stack.set_field(-2, "ignore_error_stats_update");
            }
            b'_' => {
                self.line();
                stack.push_nil();
            }
            b'#' => stack.push_bool(self.line() == b"t"),
            b',' => {
                let text = self.line();
                let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                stack.push_table(0, 1);
                stack.push_number(value.unwrap_or(f64::NAN));
                stack.set_field(-2, "double");
            }
            b'(' => {
                stack.push_table(0, 1);
                stack.push_bytes(self.line());
                stack.set_field(-2, "big_number");
            }
            b'=' => {
                let len = self.number().max(4) as usize;
                let text = self.bulk(len);
                stack.push_table(0, 1);
                stack.push_table(0, 2);
                stack.push_bytes(text.get(4..).unwrap_or(&[]));
                stack.set_field(-2, "string");
                stack.push_bytes(text.get(..3).unwrap_or(&[]));
                stack.set_field(-2, "format");
                stack.set_field(-2, "verbatim_string");
            }
            b'%' => {
                let len = self.number().max(0) as usize;
                stack.push_table(0, 1);
                stack.push_table(0, len);
                for _ in 0..len {
                    self.value(stack, depth + 1)?;
                    self.value(stack, depth + 1)?;
                    stack.set(-3);
                }
                stack.set_field(-2, "map");
            }
            b'~' => {
                let len = self.number().max(0) as usize;
                stack.push_table(0, 1);
                stack.push_table(0, len);
                for _ in 0..len {
                    self.value(stack, depth + 1)?;
                    stack.push_bool(true);
                    stack.set(-3);
                }
                stack.set_field(-2, "set");
            }
            b'|' => {
                for _ in 0..2 * self.number().max(0) {
                    self.value(stack, depth + 1)?;
                    stack.pop(1);
                }
                self.value(stack, depth + 1)?;
            }
            _ => stack.push_nil(),
        }
        Ok(())
    }

    fn elements(&mut self, stack: &mut Stack<'_>, len: usize, depth: usize) -> Result<(), Raise> {
        stack.push_table(len, 0);
        for index in 1..=len {
            self.value(stack, depth + 1)?;
            stack.set_index(-2, index);
        }
        Ok(())
    }
}
