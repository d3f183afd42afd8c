//! Values of replies, as a client sees them.

use bytes::Bytes;

use crate::encode::{header, line};
use crate::{encode_bulk, format_double};

/// One reply, of either protocol version. `B` holds its strings: `&[u8]` in [`Reply`], [`Bytes`] in
/// [`OwnedReply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value<B> {
    /// `+OK`: a short text without line breaks.
    Simple(B),
    /// `-ERR text`: an error with its code, without the dash.
    Error(B),
    /// `:1`
    Int(i64),
    /// `$3 foo`: any bytes.
    Bulk(B),
    /// `$-1` of RESP2 and `_` of RESP3.
    Null,
    /// `*-1` of RESP2.
    NullArray,
    /// `*2 …`
    Array(Vec<Value<B>>),
    /// `%1 …` of RESP3, in the order of the wire; nothing is said about equal keys.
    Map(Vec<(Value<B>, Value<B>)>),
    /// `~2 …` of RESP3, in the order of the wire.
    Set(Vec<Value<B>>),
    /// `>2 …` of RESP3: a message out of band, the answer to nothing.
    Push(Vec<Value<B>>),
    /// `,1.5` of RESP3.
    Double(f64),
    /// `#t` of RESP3.
    Boolean(bool),
    /// `(123…` of RESP3: the digits, perhaps signed.
    BigNumber(B),
    /// `!9 ERR text…` of RESP3.
    BulkError(B),
    /// `=8 txt:text` of RESP3: text for people.
    Verbatim {
        /// What the text is written in: `txt` or `mkd`.
        format: [u8; 3],
        /// The text.
        text: B,
    },
    /// `|1 …` of RESP3: metadata, and the reply that it goes before.
    Attribute(Box<Attributed<B>>),
}

/// A reply with the metadata that came before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributed<B> {
    /// The metadata.
    pub attributes: Vec<(Value<B>, Value<B>)>,
    /// The reply proper.
    pub reply: Value<B>,
}

/// A reply whose strings are slices of the buffer it was parsed from.
pub type Reply<'a> = Value<&'a [u8]>;

/// A reply that stands on its own.
pub type OwnedReply = Value<Bytes>;

impl<B: AsRef<[u8]>> Value<B> {
    /// The bytes of a string of any kind, errors excluded.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) | Value::BigNumber(bytes) => Some(bytes.as_ref()),
            Value::Verbatim { text, .. } => Some(text.as_ref()),
            _ => None,
        }
    }

    /// The text of an error of either kind.
    #[must_use]
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Value::Error(text) | Value::BulkError(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Value<B>]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// Whether this is one of the nulls.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullArray)
    }

    /// The same value with its strings converted.
    pub fn map_strings<C>(self, convert: &mut impl FnMut(B) -> C) -> Value<C> {
        match self {
            Value::Simple(text) => Value::Simple(convert(text)),
            Value::Error(text) => Value::Error(convert(text)),
            Value::Int(n) => Value::Int(n),
            Value::Bulk(bytes) => Value::Bulk(convert(bytes)),
            Value::Null => Value::Null,
            Value::NullArray => Value::NullArray,
            Value::Array(items) => Value::Array(map_items(items, convert)),
            Value::Map(pairs) => Value::Map(map_pairs(pairs, convert)),
            Value::Set(items) => Value::Set(map_items(items, convert)),
            Value::Push(items) => Value::Push(map_items(items, convert)),
            Value::Double(n) => Value::Double(n),
            Value::Boolean(b) => Value::Boolean(b),
            Value::BigNumber(digits) => Value::BigNumber(convert(digits)),
            Value::BulkError(text) => Value::BulkError(convert(text)),
            Value::Verbatim { format, text } => Value::Verbatim { format, text: convert(text) },
            Value::Attribute(attributed) => {
                let Attributed { attributes, reply } = *attributed;
                let attributes = map_pairs(attributes, convert);
                Value::Attribute(Box::new(Attributed { attributes, reply: reply.map_strings(convert) }))
            }
        }
    }

    /// Appends the value as it goes over the wire. [`Null`](Value::Null) is written as RESP3 has it.
    ///
    /// What a line cannot hold, CR and LF in simple strings, errors and big numbers, becomes spaces.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(text) => line(out, b'+', text.as_ref()),
            Value::Error(text) => line(out, b'-', text.as_ref()),
            Value::Int(n) => line(out, b':', itoa::Buffer::new().format(*n).as_bytes()),
            Value::Bulk(bytes) => encode_bulk(out, bytes.as_ref()),
            Value::Null => out.extend_from_slice(b"_\r\n"),
            Value::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Value::Array(items) => encode_items(out, b'*', items),
            Value::Map(pairs) => encode_pairs(out, b'%', pairs),
            Value::Set(items) => encode_items(out, b'~', items),
            Value::Push(items) => encode_items(out, b'>', items),
            Value::Double(n) => line(out, b',', format_double(*n).as_ref().as_bytes()),
            Value::Boolean(true) => out.extend_from_slice(b"#t\r\n"),
            Value::Boolean(false) => out.extend_from_slice(b"#f\r\n"),
            Value::BigNumber(digits) => line(out, b'(', digits.as_ref()),
            Value::BulkError(text) => {
                header(out, b'!', text.as_ref().len());
                out.extend_from_slice(text.as_ref());
                out.extend_from_slice(b"\r\n");
            }
            Value::Verbatim { format, text } => {
                header(out, b'=', text.as_ref().len() + 4);
                out.extend_from_slice(format);
                out.push(b':');
                out.extend_from_slice(text.as_ref());
                out.extend_from_slice(b"\r\n");
            }
            Value::Attribute(attributed) => {
                encode_pairs(out, b'|', &attributed.attributes);
                attributed.reply.encode(out);
            }
        }
    }
}

impl Value<&[u8]> {
    /// A copy that stands on its own.
    #[must_use]
    pub fn into_owned(self) -> OwnedReply {
        self.map_strings(&mut Bytes::copy_from_slice)
    }
}

fn map_items<B: AsRef<[u8]>, C>(items: Vec<Value<B>>, convert: &mut impl FnMut(B) -> C) -> Vec<Value<C>> {
    items.into_iter().map(|item| item.map_strings(convert)).collect()
}

fn map_pairs<B: AsRef<[u8]>, C>(
    pairs: Vec<(Value<B>, Value<B>)>,
    convert: &mut impl FnMut(B) -> C,
) -> Vec<(Value<C>, Value<C>)> {
    pairs.into_iter().map(|(key, value)| (key.map_strings(convert), value.map_strings(convert))).collect()
}

fn encode_items<B: AsRef<[u8]>>(out: &mut Vec<u8>, kind: u8, items: &[Value<B>]) {
    header(out, kind, items.len());
    for item in items {
        item.encode(out);
    }
}

fn encode_pairs<B: AsRef<[u8]>>(out: &mut Vec<u8>, kind: u8, pairs: &[(Value<B>, Value<B>)]) {
    header(out, kind, pairs.len());
    for (key, value) in pairs {
        key.encode(out);
        value.encode(out);
    }
}
