//! The items of a stream, one after the other: the state machine of the reader, apart from its buffers.

use crate::checksum::Checksum;
use crate::cursor::{Cursor, Stop};
use crate::form::{self, Form, Templated};
use crate::template::{TemplatedRest, Templates};
use crate::value::{self, Rest, Scratch, Start, Value};
use crate::{Error, Event, Flavor, Kind, Shape, functions, header, length, module, opcode, slots, string};

/// Knows what may come next, and reads it if it is complete.
///
/// ```text
///           header          255           checksum
///   Magic ────────▶ Items ──────▶ Trailer ────────▶ Finished
///              end  ▲   │ 247, 243, or a value in parts
///                   │   ▼
///             ModuleAux, KeyMeta …, Value, Templated
/// ```
///
/// Every state but the last can also lead to `Failed`, which has no way out. State changes only when an item has
/// been read to its end, so an incomplete item leaves no trace.
#[derive(Debug)]
pub(super) struct Parser {
    state: State,
    max_string: u64,
    flavor: Flavor,
    version: u32,
    newer_versions: bool,
    /// What opcodes have said about the key to come.
    info: KeyInfo,
    /// Fields of hashes to come.
    templates: Templates,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Magic,
    Items,
    /// Inside a module's data about the stream.
    ModuleAux,
    /// Between pieces of metadata of a key, of which so many are left.
    KeyMeta {
        left: u64,
    },
    /// Inside a piece of metadata, behind which so many are left.
    KeyMetaParts {
        left: u64,
    },
    /// Inside a value, of which there is more to come.
    Value(Rest),
    /// Inside a hash whose fields stand in a template.
    Templated(TemplatedRest),
    Trailer,
    Finished,
    Failed(Error),
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct KeyInfo {
    expiry_ms: Option<u64>,
    idle: Option<u64>,
    freq: Option<u8>,
}

impl Parser {
    pub(super) fn new(max_string: u64, newer_versions: bool) -> Self {
        Parser {
            state: State::Magic,
            max_string,
            newer_versions,
            flavor: Flavor::Redis,
            version: 0,
            info: KeyInfo::default(),
            templates: Templates::default(),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// Whether the next item is the checksum at the end.
    #[inline]
    pub(super) fn wants_checksum(&self) -> bool {
        matches!(self.state, State::Trailer)
    }

    pub(super) fn error(&self) -> Option<Error> {
        match self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Makes `error` the answer to every further question.
    #[cold]
    pub(super) fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed(error);
        error
    }

    /// Passes over one item that is not reported itself. False if the next item is one to [`report`](Self::report).
    #[inline]
    pub(super) fn pass(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        match self.state {
            State::Items => match cursor.rest() {
                [opcode::EXPIRE_MS | opcode::EXPIRE_S | opcode::IDLE | opcode::FREQ, ..] => {
                    self.about_key(cursor)
                }
                [opcode::END | opcode::KEY_META | opcode::HASH_TEMPLATE, ..] => self.transition(cursor),
                _ => Ok(false),
            },
            State::KeyMeta { left: 0 } => {
                self.state = State::Items;
                Ok(true)
            }
            State::KeyMetaParts { left } => {
                if !module::skip_part(cursor, self.max_string)? {
                    self.state = State::KeyMeta { left };
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Notes what an item says about the key to come.
    fn about_key(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        match cursor.byte()? {
            opcode::EXPIRE_MS => self.info.expiry_ms = Some(instant(i64::from_le_bytes(cursor.array()?))),
            opcode::EXPIRE_S => {
                self.info.expiry_ms = Some(instant(i64::from(i32::from_le_bytes(cursor.array()?)) * 1000));
            }
            opcode::IDLE => self.info.idle = Some(length::read_plain(cursor)?),
            _ => self.info.freq = Some(cursor.byte()?),
        }
        Ok(true)
    }

    /// Takes in what is not reported, and leaves the items for what comes next. False if it is to be reported after all.
    #[cold]
    fn transition(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let at = cursor.at();
        match (cursor.byte()?, self.flavor) {
            (opcode::END, _) => {
                self.check_info(opcode::END, at)?;
                self.state = State::Trailer;
            }
            // It stands between what is said about a key and the key.
            (opcode::KEY_META, Flavor::Redis) => {
                self.state = State::KeyMeta { left: length::read_plain(cursor)? };
            }
            (opcode::HASH_TEMPLATE, Flavor::Redis) => self.templates.read(cursor, self.max_string)?,
            _ => {
                cursor.rewind();
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_info(&self, opcode: u8, at: u64) -> Result<(), Error> {
        if self.info == KeyInfo::default() { Ok(()) } else { Err(Error::DanglingKeyInfo { opcode, at }) }
    }

    /// Reads the next item if it is a key with a string value, both short and plain.
    #[inline(always)]
    pub(super) fn plain_entry<'a>(&self, cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
        match (&self.state, cursor.rest()) {
            (State::Items, [form::STRING, rest @ ..]) => {
                let (key, rest) = string::short_plain(rest, self.max_string)?;
                let (value, _) = string::short_plain(rest, self.max_string)?;
                cursor.skip(3 + key.len() + value.len());
                Some((key, value))
            }
            _ => None,
        }
    }

    /// Reads the next element of a value that comes in parts, if its strings are short and plain.
    #[inline(always)]
    pub(super) fn plain_element<'a>(&mut self, cursor: &mut Cursor<'a>) -> Option<Event<'a>> {
        match &mut self.state {
            State::Value(rest) => rest.next_plain(cursor, self.max_string),
            _ => None,
        }
    }

    /// The event of a key, with all that has been said about it.
    #[inline(always)]
    pub(super) fn entry<'a>(&mut self, key: &'a [u8], value: Value<'a>) -> Event<'a> {
        let KeyInfo { expiry_ms, idle, freq } = std::mem::take(&mut self.info);
        Event::Entry { key, expiry_ms, idle, freq, value }
    }

    /// The beginning of a key whose value comes in parts.
    fn begin<'a>(&mut self, key: &'a [u8], kind: Kind, shape: Shape, len: u64) -> Event<'a> {
        let KeyInfo { expiry_ms, idle, freq } = std::mem::take(&mut self.info);
        Event::Begin { key, expiry_ms, idle, freq, kind, shape, len }
    }

    /// A hash whose fields stand in a template.
    #[cold]
    fn templated<'a>(
        &mut self,
        templated: Templated,
        key: &'a [u8],
        cursor: &mut Cursor<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Event<'a>, Stop> {
        match templated {
            Templated::Listpack => {
                let compact = self.templates.read_packed(cursor, self.max_string, scratch)?;
                Ok(self.entry(key, Value::Compact(compact)))
            }
            Templated::Strings => {
                let (rest, len) = self.templates.begin(cursor)?;
                self.state = State::Templated(rest);
                Ok(self.begin(key, Kind::Hash, Shape::Elements, len))
            }
        }
    }

    /// Reads the next item. If it is the last, it is held against `computed`, the checksum up to here.
    #[inline]
    pub(super) fn report<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        computed: Option<&Checksum>,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        match &mut self.state {
            State::Value(rest) if rest.is_done() => {
                self.state = State::Items;
                Ok(Event::EndOfKey)
            }
            State::Value(rest) => {
                let event = rest.next(cursor, self.max_string, scratch)?;
                // The end of some values is only seen when it is there.
                if let (Rest::Module(_), Event::EndOfKey) = (rest, &event) {
                    self.state = State::Items;
                }
                Ok(event)
            }
            State::Templated(rest) => {
                let event = self.templates.next(rest, cursor, self.max_string, scratch)?;
                if event == Event::EndOfKey {
                    self.state = State::Items;
                }
                Ok(event)
            }
            State::Items => {
                let at = cursor.at();
                let byte = cursor.byte()?;
                if byte >= opcode::FIRST {
                    return self.section(byte, at, cursor, scratch);
                }
                let form = Form::of(byte, self.flavor, at)?;
                let key = string::read(cursor, self.max_string, &mut scratch.first)?;
                if let Form::Templated(templated) = form {
                    return self.templated(templated, key, cursor, &mut scratch.second);
                }
                match value::start(form, cursor, self.max_string, &mut scratch.second)? {
                    Start::Whole(value) => Ok(self.entry(key, value)),
                    Start::Parts { kind, shape, len, rest } => {
                        self.state = State::Value(rest);
                        Ok(self.begin(key, kind, shape, len))
                    }
                }
            }
            State::Magic => {
                let (version, flavor) = header::read(cursor, self.newer_versions)?;
                (self.version, self.flavor, self.state) = (version, flavor, State::Items);
                Ok(Event::Header { version, flavor })
            }
            State::ModuleAux => match module::read_part(cursor, self.max_string, &mut scratch.first)? {
                Some(part) => Ok(Event::ModulePart(part)),
                None => {
                    self.state = State::Items;
                    Ok(Event::EndOfModuleAux)
                }
            },
            State::KeyMeta { left } => {
                let left = left.saturating_sub(1);
                let class = u32::from_le_bytes(cursor.array()?);
                self.state = State::KeyMetaParts { left };
                Ok(Event::KeyMeta { class })
            }
            // Passed over before.
            State::KeyMetaParts { .. } => Err(Stop::More(1)),
            State::Trailer => {
                let checksum =
                    if self.version < header::CHECKSUM_SINCE { None } else { trailer(cursor, computed)? };
                self.state = State::Finished;
                Ok(Event::End { checksum })
            }
            State::Finished => Err(Stop::More(0)),
            State::Failed(error) => Err(Stop::from(*error)),
        }
    }

    /// Items that are not about a key.
    #[cold]
    fn section<'a>(
        &mut self,
        opcode: u8,
        at: u64,
        cursor: &mut Cursor<'a>,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let limit = self.max_string;
        self.check_info(opcode, at)?;
        Ok(match opcode {
            opcode::AUX => {
                let key = string::read(cursor, limit, &mut scratch.first)?;
                let value = string::read(cursor, limit, &mut scratch.second)?;
                slots::from_aux(key, value).unwrap_or(Event::Aux { key, value })
            }
            opcode::FUNCTION => Event::Function(string::read(cursor, limit, &mut scratch.first)?),
            opcode::SELECT_DB => Event::SelectDb(length::read_plain(cursor)?),
            opcode::RESIZE => {
                Event::Resize { keys: length::read_plain(cursor)?, expires: length::read_plain(cursor)? }
            }
            opcode::SLOT_INFO => Event::SlotInfo {
                slot: length::read_plain(cursor)?,
                keys: length::read_plain(cursor)?,
                expires: length::read_plain(cursor)?,
            },
            opcode::FUNCTION_PRERELEASE => {
                Event::Function(functions::read_prerelease(cursor, limit, &mut scratch.first)?)
            }
            opcode::MODULE_AUX => {
                let (module, when) = module::read_aux(cursor)?;
                self.state = State::ModuleAux;
                Event::ModuleAux { module, when }
            }
            opcode::SLOT_IMPORT if self.flavor == Flavor::Valkey => {
                slots::read_import(cursor, limit, &mut scratch.first)?
            }
            byte => return Err(Error::UnknownType { byte, at }.into()),
        })
    }
}

/// Instants before 1970 have passed like all others long ago; zero says the same.
fn instant(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Reads the checksum at the end and holds it against the computed one, if there is one.
fn trailer(cursor: &mut Cursor<'_>, computed: Option<&Checksum>) -> Result<Option<u64>, Stop> {
    let at = cursor.at();
    let stored = u64::from_le_bytes(cursor.array()?);
    match computed {
        // Zero says that the writer computed none.
        _ if stored == 0 => Ok(None),
        Some(computed) if stored != computed.value() => {
            Err(Error::ChecksumMismatch { stored, computed: computed.value(), at }.into())
        }
        _ => Ok(Some(stored)),
    }
}
