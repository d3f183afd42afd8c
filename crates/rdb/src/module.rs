//! What modules keep: values, and data about the stream as a whole. All of it is in a generic form that can be read without
//! knowing the module: a row of parts, each with a code before it, and an end mark.

use std::fmt;

use crate::cursor::{Cursor, Stop};
use crate::string::Header;
use crate::{Error, Event, length, string};

/// The 64-bit id of a module's data type: nine characters of name, then ten bits of version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleId(pub u64);

impl ModuleId {
    /// The characters that a name can have, six bits each.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// The nine characters of the type's name.
    pub fn name(self) -> String {
        (0..9).map(|i| char::from(Self::ALPHABET[(self.0 >> (58 - 6 * i)) as usize & 0x3f])).collect()
    }

    /// The version of the type's encoding.
    pub fn version(self) -> u16 {
        (self.0 & 0x3ff) as u16
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name(), self.version())
    }
}

/// One part of what a module keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ModulePart<'a> {
    /// A signed number.
    Signed(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A number of single precision.
    Float(f32),
    /// A number of double precision.
    Double(f64),
    /// A string of bytes.
    String(&'a [u8]),
}

pub(crate) const END: u64 = 0;
pub(crate) const SIGNED: u64 = 1;
pub(crate) const UNSIGNED: u64 = 2;
pub(crate) const FLOAT: u64 = 3;
pub(crate) const DOUBLE: u64 = 4;
pub(crate) const STRING: u64 = 5;

/// Reads what precedes the parts of data about the stream: the module's id, and when in the load the data is meant to be used.
pub(crate) fn read_aux(cursor: &mut Cursor<'_>) -> Result<(ModuleId, u64), Stop> {
    let id = ModuleId(length::read_plain(cursor)?);
    let at = cursor.at();
    match length::read_plain(cursor)? {
        UNSIGNED => Ok((id, length::read_plain(cursor)?)),
        found => Err(Error::BadModuleData { found, at }.into()),
    }
}

/// Reads one part; `None` is the end mark. `scratch` takes a string that does not stand in the input as it is.
pub(crate) fn read_part<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<ModulePart<'a>>, Stop> {
    let at = cursor.at();
    Ok(Some(match length::read_plain(cursor)? {
        END => return Ok(None),
        // A negative number is written as the unsigned one that has its bits.
        SIGNED => ModulePart::Signed(length::read_plain(cursor)? as i64),
        UNSIGNED => ModulePart::Unsigned(length::read_plain(cursor)?),
        FLOAT => ModulePart::Float(f32::from_le_bytes(cursor.array()?)),
        DOUBLE => ModulePart::Double(f64::from_le_bytes(cursor.array()?)),
        STRING => ModulePart::String(string::read(cursor, limit, scratch)?),
        found => return Err(Error::BadModuleData { found, at }.into()),
    }))
}

/// Passes over one part; false if it was the end mark.
pub(crate) fn skip_part(cursor: &mut Cursor<'_>, limit: u64) -> Result<bool, Stop> {
    let at = cursor.at();
    match length::read_plain(cursor)? {
        END => return Ok(false),
        SIGNED | UNSIGNED => drop(length::read_plain(cursor)?),
        FLOAT => drop(cursor.array::<4>()?),
        DOUBLE => drop(cursor.array::<8>()?),
        STRING => {
            let body = Header::read(cursor, limit)?.body();
            cursor.bytes(body)?;
        }
        found => return Err(Error::BadModuleData { found, at }.into()),
    }
    Ok(true)
}

/// What is left of a value of a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModuleRest {
    /// Not reported yet.
    id: Option<ModuleId>,
}

impl ModuleRest {
    pub(crate) fn new(id: ModuleId) -> ModuleRest {
        ModuleRest { id: Some(id) }
    }

    /// The next event; [`Event::EndOfKey`] is the last.
    pub(crate) fn next<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Event<'a>, Stop> {
        if let Some(id) = self.id.take() {
            return Ok(Event::Module(id));
        }
        Ok(read_part(cursor, limit, scratch)?.map_or(Event::EndOfKey, Event::ModulePart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_from_six_bits_each() {
        // "AAAAAAAAB" version 5, and the alphabet's last character first.
        assert_eq!(ModuleId(1 << 10 | 5).to_string(), "AAAAAAAAB version 5");
        assert_eq!(ModuleId(u64::MAX).to_string(), "_________ version 1023");
        assert_eq!(ModuleId(26 << 58).name(), "aAAAAAAAA");
    }
}
