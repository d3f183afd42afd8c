//! What modules attach to a stream, in a generic form that can be skipped without knowing the module.

use std::fmt;

use crate::Error;
use crate::cursor::{Cursor, Stop};
use crate::length;
use crate::string::Header;

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

/// One part of a module's data.
pub(crate) enum Part {
    /// The end of the data.
    End,
    /// A part of which so many bytes are left to skip.
    Skip(u64),
}

const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;

/// Reads what precedes the parts: the module's id, and when in the load the data is meant to be used.
pub(crate) fn read_start(cursor: &mut Cursor<'_>) -> Result<ModuleId, Stop> {
    let id = ModuleId(length::read_plain(cursor)?);
    let at = cursor.at();
    match length::read_plain(cursor)? {
        UNSIGNED => {}
        found => return Err(Error::BadModuleData { found, at }.into()),
    }
    length::read_plain(cursor)?;
    Ok(id)
}

/// Reads the code of one part, and its content where that has no fixed size.
pub(crate) fn read_part(cursor: &mut Cursor<'_>, limit: u64) -> Result<Part, Stop> {
    let at = cursor.at();
    Ok(match length::read_plain(cursor)? {
        END => Part::End,
        SIGNED | UNSIGNED => {
            length::read_plain(cursor)?;
            Part::Skip(0)
        }
        FLOAT => Part::Skip(4),
        DOUBLE => Part::Skip(8),
        STRING => Part::Skip(Header::read(cursor, limit)?.body()),
        found => return Err(Error::BadModuleData { found, at }.into()),
    })
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
