//! Values of keys: whole ones, and those whose elements follow one by one.
//!
//! Layouts are read from a [`Cursor`], an element at a time and without recursion. What is not there yet stops the cursor, and
//! the reader tries that element again once it has as much as the cursor asked for.

use crate::array::ArrayRest;
use crate::compact::{Compact, Encoding};
use crate::cursor::{Cursor, Stop};
use crate::form::{FieldExpiry, Form, Nodes, Scores};
use crate::module::{ModuleId, ModuleRest};
use crate::stream::StreamRest;
use crate::{Error, Event, Kind, Shape, length, score, string};

/// The value of a key, if it stands in the stream as one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A string.
    String(&'a [u8]),
    /// A collection.
    Compact(Compact<'a>),
}

impl Value<'_> {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
            Value::Compact(compact) => compact.kind(),
        }
    }
}

/// Memory for the strings of an event that do not stand in the input as they are.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) first: Vec<u8>,
    pub(crate) second: Vec<u8>,
}

/// What comes first of a value.
pub(crate) enum Start<'a> {
    /// All of it.
    Whole(Value<'a>),
    /// A count; what it counts follows.
    Parts { kind: Kind, shape: Shape, len: u64, rest: Rest },
}

/// Reads a value up to its first element; `scratch` takes a string that does not stand in the input as it is.
#[inline]
pub(crate) fn start<'a>(
    form: Form,
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Start<'a>, Stop> {
    match form {
        Form::String => Ok(Start::Whole(Value::String(string::read(cursor, limit, scratch)?))),
        Form::Compact(kind, encoding) => {
            Ok(Start::Whole(Value::Compact(compact(kind, encoding, cursor, limit, scratch)?)))
        }
        _ => start_other(form, cursor, limit, scratch),
    }
}

#[inline(never)]
fn start_other<'a>(
    form: Form,
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Start<'a>, Stop> {
    let (kind, shape, rest) = match form {
        Form::String | Form::Compact(..) => return start(form, cursor, limit, scratch),
        Form::CompactAfterExpiry(kind, encoding) => {
            base(cursor)?;
            return Ok(Start::Whole(Value::Compact(compact(kind, encoding, cursor, limit, scratch)?)));
        }
        Form::Strings(kind) => (kind, Shape::Elements, Rest::Strings { left: length::read_plain(cursor)? }),
        Form::Members(scores) => {
            (Kind::ZSet, Shape::Elements, Rest::Members { left: length::read_plain(cursor)?, scores })
        }
        Form::Fields(expiry) => {
            let base = if expiry == FieldExpiry::BeforeRelative { base(cursor)? } else { 0 };
            let shape = if expiry == FieldExpiry::Absent { Shape::Elements } else { Shape::ExpiringFields };
            (Kind::Hash, shape, Rest::Fields { left: length::read_plain(cursor)?, expiry, base })
        }
        Form::Nodes(nodes) => {
            (Kind::List, Shape::Nodes, Rest::Nodes { left: length::read_plain(cursor)?, nodes })
        }
        Form::Stream(form) => {
            let rest = StreamRest::new(form, length::read_plain(cursor)?);
            (Kind::Stream, Shape::Nodes, Rest::Stream(rest))
        }
        Form::Array => (Kind::Array, Shape::Elements, Rest::Array(ArrayRest::read(cursor)?)),
        Form::Module => {
            let rest = ModuleRest::new(ModuleId(length::read_plain(cursor)?));
            (Kind::Module, Shape::Open, Rest::Module(rest))
        }
        // In a file these never come here: see the module `template`.
        Form::Templated(templated) => {
            let (type_byte, name) = (templated.type_byte(), "hash with a template that stands in a file");
            return Err(Error::UnsupportedType { type_byte, name, at: cursor.at() - 1 }.into());
        }
    };
    Ok(Start::Parts { kind, shape, len: rest.left(), rest })
}

/// The earliest expiry of a hash's fields.
fn base(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    let at = cursor.at();
    let base = i64::from_le_bytes(cursor.array()?);
    u64::try_from(base).map_err(|_| Error::BadFieldExpiry { at }.into())
}

#[inline(never)]
fn compact<'a>(
    kind: Kind,
    encoding: Encoding,
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Compact<'a>, Stop> {
    let string = cursor.at();
    let bytes = string::read_located(cursor, limit, scratch)?;
    Compact::check(bytes.bytes, encoding, kind).map_err(|reason| {
        let at = bytes.offset_of(string, reason.offset());
        Error::BadCompact { kind, reason, string, at }.into()
    })
}

/// What is left of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rest {
    Strings {
        left: u64,
    },
    Members {
        left: u64,
        scores: Scores,
    },
    Fields {
        left: u64,
        expiry: FieldExpiry,
        base: u64,
    },
    Nodes {
        left: u64,
        nodes: Nodes,
    },
    Stream(StreamRest),
    Array(ArrayRest),
    /// Its end is marked: the event before the mark does not know that it is the last.
    Module(ModuleRest),
}

impl Rest {
    fn left(&self) -> u64 {
        match self {
            Rest::Strings { left }
            | Rest::Members { left, .. }
            | Rest::Fields { left, .. }
            | Rest::Nodes { left, .. } => *left,
            Rest::Stream(stream) => stream.nodes(),
            Rest::Array(array) => array.left(),
            Rest::Module(_) => 0,
        }
    }

    /// Whether nothing is left. A value of a module is never done: its [`next`](Rest::next) gives the [`Event::EndOfKey`].
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Rest::Stream(stream) => stream.is_done(),
            Rest::Array(array) => array.is_done(),
            Rest::Module(_) => false,
            _ => self.left() == 0,
        }
    }

    /// Reads the next element if its strings are short and plain, as nearly all are. Whatever else there may be, errors included, is left
    /// to [`next`](Rest::next).
    #[inline(always)]
    pub(crate) fn next_plain<'a>(&mut self, cursor: &mut Cursor<'a>, limit: u64) -> Option<Event<'a>> {
        match self {
            Rest::Strings { left: left @ 1.. } => {
                let (element, _) = string::short_plain(cursor.rest(), limit)?;
                cursor.skip(1 + element.len());
                *left -= 1;
                Some(Event::Element(element))
            }
            Rest::Fields { left: left @ 1.., expiry: FieldExpiry::Absent, .. } => {
                let (field, rest) = string::short_plain(cursor.rest(), limit)?;
                let (value, _) = string::short_plain(rest, limit)?;
                cursor.skip(2 + field.len() + value.len());
                *left -= 1;
                Some(Event::Field { field, value, expiry_ms: None })
            }
            Rest::Members { left: left @ 1.., scores: Scores::Binary } => {
                let (member, rest) = string::short_plain(cursor.rest(), limit)?;
                let score = f64::from_le_bytes(*rest.first_chunk()?);
                if score.is_nan() {
                    return None;
                }
                cursor.skip(1 + member.len() + size_of::<f64>());
                *left -= 1;
                Some(Event::Member { member, score })
            }
            _ => None,
        }
    }

    /// Reads the next element. An incomplete one leaves no trace. Not to be called when [`is_done`](Rest::is_done).
    #[inline]
    pub(crate) fn next<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        match self {
            Rest::Strings { left } => {
                let element = string::read(cursor, limit, &mut scratch.first)?;
                *left -= 1;
                Ok(Event::Element(element))
            }
            Rest::Fields { left, expiry: FieldExpiry::Absent, .. } => {
                let field = string::read(cursor, limit, &mut scratch.first)?;
                let value = string::read(cursor, limit, &mut scratch.second)?;
                *left -= 1;
                Ok(Event::Field { field, value, expiry_ms: None })
            }
            Rest::Members { left, scores } => {
                let member = string::read(cursor, limit, &mut scratch.first)?;
                let score = read_score(cursor, *scores)?;
                *left -= 1;
                Ok(Event::Member { member, score })
            }
            Rest::Fields { left, expiry, base } => {
                let event = timed_field(cursor, limit, scratch, *expiry, *base)?;
                *left -= 1;
                Ok(event)
            }
            Rest::Nodes { left, nodes } => {
                let event = node(cursor, limit, &mut scratch.first, *nodes)?;
                *left -= 1;
                Ok(event)
            }
            Rest::Stream(stream) => stream.next(cursor, limit, scratch),
            Rest::Array(array) => array.next(cursor, limit, &mut scratch.first),
            Rest::Module(module) => module.next(cursor, limit, &mut scratch.first),
        }
    }
}

fn read_score(cursor: &mut Cursor<'_>, scores: Scores) -> Result<f64, Stop> {
    let at = cursor.at();
    let score = match scores {
        Scores::Binary => Some(f64::from_le_bytes(cursor.array()?)).filter(|score| !score.is_nan()),
        Scores::Text => match score::Text::of(cursor.byte()?) {
            score::Text::Score(score) => Some(score),
            score::Text::Len(len) => score::parse(cursor.bytes(len.into())?),
            score::Text::Nan => None,
        },
    };
    score.ok_or_else(|| Error::BadScore { at }.into())
}

#[inline(never)]
fn timed_field<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Scratch,
    form: FieldExpiry,
    base: u64,
) -> Result<Event<'a>, Stop> {
    let mut at = cursor.at();
    let before = match form {
        FieldExpiry::Before | FieldExpiry::BeforeRelative => length::read_plain(cursor)?,
        FieldExpiry::Absent | FieldExpiry::Behind => 0,
    };
    let field = string::read(cursor, limit, &mut scratch.first)?;
    let value = string::read(cursor, limit, &mut scratch.second)?;
    let bad = |at| Stop::from(Error::BadFieldExpiry { at });
    let expiry_ms = match form {
        FieldExpiry::Absent => None,
        FieldExpiry::Behind => {
            at = cursor.at();
            match i64::from_le_bytes(cursor.array()?) {
                -1 => None,
                ms => Some(u64::try_from(ms).map_err(|_| bad(at))?),
            }
        }
        FieldExpiry::Before | FieldExpiry::BeforeRelative => match before {
            0 => None,
            ms if form == FieldExpiry::Before => Some(ms),
            ms => Some(base.checked_add(ms - 1).ok_or_else(|| bad(at))?),
        },
    };
    if expiry_ms.is_some_and(|ms| i64::try_from(ms).is_err()) {
        return Err(bad(at));
    }
    Ok(Event::Field { field, value, expiry_ms })
}

#[inline(never)]
fn node<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
    nodes: Nodes,
) -> Result<Event<'a>, Stop> {
    /// A node that is one large element.
    const PLAIN: u64 = 1;
    /// A node that is a listpack.
    const PACKED: u64 = 2;
    let encoding = match nodes {
        Nodes::Ziplists => Encoding::Ziplist,
        Nodes::Containers => {
            let at = cursor.at();
            match length::read_plain(cursor)? {
                PLAIN => {
                    let element = string::read(cursor, limit, scratch)?;
                    // Only large elements are nodes by themselves: this is no element, but a node without any.
                    if element.is_empty() {
                        return Err(Error::EmptyListNode { at }.into());
                    }
                    return Ok(Event::Element(element));
                }
                PACKED => Encoding::Listpack,
                container => return Err(Error::BadListNode { container, at }.into()),
            }
        }
    };
    Ok(Event::Elements(compact(Kind::List, encoding, cursor, limit, scratch)?))
}
