//! Lines that say something about the commands around them.
//!
//! A line that begins with `#` is skipped by Redis and Valkey, up to 1,023 bytes of it. One of theirs is known here, `#TS:`
//! with the time in seconds. Ours begin with `#TANDEM`, words follow with one space between them, and the last word is a
//! checksum in 16 hexadecimal digits:
//!
//! ```text
//! #TANDEM history <replication id> <offset> <database> <time> <crc>
//! #TANDEM ancestor <replication id> <offset> <crc>
//! #TANDEM span <offset> <time> <length> <crc>
//! #TANDEM local <time> <length> <crc>
//! #TANDEM end <offset> <time> <database> <master|replica> <crc>
//! ```
//!
//! Times are in milliseconds since the Unix epoch. The checksum is the CRC-64/XZ of the line up to and without its last word; that of
//! a span, or of a local line, goes on over the commands that it announces.

use backlog::{Offset, PastHistory, ReplicationId};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::u64 as number;
use nom::combinator::{all_consuming, map, map_opt, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use crate::checksum;

/// No line is longer, its end included: others give up on longer ones.
pub const MAX_LINE: usize = 1023;

const PREFIX: &[u8] = b"#TANDEM ";
/// Digits of a checksum.
const CRC_LEN: usize = 16;

/// From here on, the commands belong to this history and follow this offset. Names of it that were known before are forgotten;
/// those that follow as [`Annotation::Ancestor`] are true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Its name.
    pub id: ReplicationId,
    /// Where the file stands in it.
    pub offset: Offset,
    /// The database that is selected in the stream there.
    pub db: u32,
    /// When this was written.
    pub unix_ms: u64,
}

/// So many bytes of commands follow, of the history that was named last, from this offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where they begin. It may lie further on than the end of the span before: what is between them is not in the file.
    pub offset: Offset,
    /// When they were written.
    pub unix_ms: u64,
    /// How many bytes they are. Commands behind those are somebody else's.
    pub len: u64,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotation {
    /// The history that follows.
    History(History),
    /// An earlier name of it, and up to where it is true; newest first.
    Ancestor(PastHistory),
    /// The commands that follow.
    Span(Span),
    /// Commands follow that clients have written to a replica: they are part of the dataset and of no history, and change no offset.
    Local {
        /// When they were written.
        unix_ms: u64,
        /// How many bytes they are.
        len: u64,
    },
    /// Writing ended here in good order: nothing that anybody has been told lies beyond this offset.
    End {
        /// Where the history stands.
        offset: Offset,
        /// When.
        unix_ms: u64,
        /// The database that is selected in the stream.
        db: u32,
        /// The writer was a replica: the history is its master's.
        replica: bool,
    },
    /// What follows was written at this time or later: a line that others know, too.
    Time {
        /// Seconds since the Unix epoch.
        unix_s: u64,
    },
    /// A line that means nothing here.
    Unknown,
}

/// A line of ours that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnnotation {
    /// It cannot be read.
    #[error("an annotation that cannot be read")]
    Malformed,
    /// Its checksum is another.
    #[error("an annotation whose checksum does not fit")]
    Checksum,
}

/// A line that was read, with what its reader has to check later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub annotation: Annotation,
    /// Of a span, or a local line: what its checksum begins with, and what it shall be.
    pub span_crc: Option<(&'a [u8], u64)>,
}

/// Reads a line without its end.
pub(crate) fn parse(line: &[u8]) -> Result<Line<'_>, BadAnnotation> {
    let plain = |annotation| Ok(Line { annotation, span_crc: None });
    if let Some(seconds) = line.strip_prefix(b"#TS:") {
        let unix_s = std::str::from_utf8(seconds).ok().and_then(|text| text.trim().parse().ok());
        return plain(unix_s.map_or(Annotation::Unknown, |unix_s| Annotation::Time { unix_s }));
    }
    let Some(words) = line.strip_prefix(PREFIX) else { return plain(Annotation::Unknown) };
    let is_known = [&b"history "[..], b"ancestor ", b"span ", b"local ", b"end "]
        .iter()
        .any(|word| words.starts_with(word));
    if !is_known {
        return plain(Annotation::Unknown);
    }
    let cut = line.len().checked_sub(CRC_LEN).filter(|cut| *cut > PREFIX.len());
    let (text, crc) = line.split_at(cut.ok_or(BadAnnotation::Malformed)?);
    let (_, crc) = hex(crc).map_err(|_| BadAnnotation::Malformed)?;
    let (_, annotation) = body(&text[PREFIX.len()..]).map_err(|_| BadAnnotation::Malformed)?;
    if let Annotation::Span(_) | Annotation::Local { .. } = annotation {
        return Ok(Line { annotation, span_crc: Some((text, crc)) });
    }
    if checksum::of([text]) != crc {
        return Err(BadAnnotation::Checksum);
    }
    plain(annotation)
}

/// Appends the line with its end; that of a span, or a local one, with the checksum of these commands.
pub(crate) fn encode(out: &mut Vec<u8>, annotation: &Annotation, commands: &[&[u8]]) {
    let text = match annotation {
        Annotation::History(History { id, offset, db, unix_ms }) => {
            format!("#TANDEM history {id} {offset} {db} {unix_ms} ")
        }
        Annotation::Ancestor(PastHistory { id, valid_to }) => format!("#TANDEM ancestor {id} {valid_to} "),
        Annotation::Span(Span { offset, unix_ms, len }) => format!("#TANDEM span {offset} {unix_ms} {len} "),
        Annotation::Local { unix_ms, len } => format!("#TANDEM local {unix_ms} {len} "),
        Annotation::End { offset, unix_ms, db, replica } => {
            let role = if *replica { "replica" } else { "master" };
            format!("#TANDEM end {offset} {unix_ms} {db} {role} ")
        }
        Annotation::Time { unix_s } => {
            return out.extend_from_slice(format!("#TS:{unix_s}\r\n").as_bytes());
        }
        Annotation::Unknown => return,
    };
    let crc = checksum::of(std::iter::once(text.as_bytes()).chain(commands.iter().copied()));
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(format!("{crc:016x}\r\n").as_bytes());
}

type Parse<'a, T> = IResult<&'a [u8], T>;

fn body(words: &[u8]) -> Parse<'_, Annotation> {
    all_consuming(alt((
        preceded(
            tag("history "),
            map((id, offset, db, word), |(id, offset, db, unix_ms)| {
                Annotation::History(History { id, offset, db, unix_ms })
            }),
        ),
        preceded(
            tag("ancestor "),
            map((id, offset), |(id, valid_to)| Annotation::Ancestor(PastHistory { id, valid_to })),
        ),
        preceded(
            tag("span "),
            map((offset, word, word), |(offset, unix_ms, len)| {
                Annotation::Span(Span { offset, unix_ms, len })
            }),
        ),
        preceded(tag("local "), map((word, word), |(unix_ms, len)| Annotation::Local { unix_ms, len })),
        preceded(
            tag("end "),
            map((offset, word, db, role), |(offset, unix_ms, db, replica)| Annotation::End {
                offset,
                unix_ms,
                db,
                replica,
            }),
        ),
    )))
    .parse(words)
}

fn word(input: &[u8]) -> Parse<'_, u64> {
    terminated(number, tag(" ")).parse(input)
}

fn offset(input: &[u8]) -> Parse<'_, Offset> {
    map(word, Offset).parse(input)
}

fn db(input: &[u8]) -> Parse<'_, u32> {
    map_opt(word, |db| u32::try_from(db).ok()).parse(input)
}

fn role(input: &[u8]) -> Parse<'_, bool> {
    alt((value(false, tag("master ")), value(true, tag("replica ")))).parse(input)
}

fn id(input: &[u8]) -> Parse<'_, ReplicationId> {
    let letters =
        take_while_m_n(ReplicationId::LEN, ReplicationId::LEN, |byte: u8| byte.is_ascii_alphanumeric());
    terminated(map_opt(letters, |id| ReplicationId::from_bytes(id).ok()), tag(" ")).parse(input)
}

fn hex(input: &[u8]) -> Parse<'_, u64> {
    let digits =
        take_while_m_n(CRC_LEN, CRC_LEN, |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    map_opt(digits, |digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn id_of(seed: u64) -> ReplicationId {
        ReplicationId::random(&mut fastrand::Rng::with_seed(seed))
    }

    fn any_annotation() -> impl Strategy<Value = Annotation> {
        let history = (any::<(u64, u64, u32, u64)>()).prop_map(|(seed, offset, db, unix_ms)| {
            Annotation::History(History { id: id_of(seed), offset: Offset(offset), db, unix_ms })
        });
        let ancestor = any::<(u64, u64)>().prop_map(|(seed, to)| {
            Annotation::Ancestor(PastHistory { id: id_of(seed), valid_to: Offset(to) })
        });
        let end = any::<(u64, u64, u32, bool)>().prop_map(|(offset, unix_ms, db, replica)| Annotation::End {
            offset: Offset(offset),
            unix_ms,
            db,
            replica,
        });
        let time = any::<u64>().prop_map(|unix_s| Annotation::Time { unix_s });
        prop_oneof![history, ancestor, end, time]
    }

    proptest! {
        #[test]
        fn lines_go_both_ways(annotation in any_annotation()) {
            let mut line = Vec::new();
            encode(&mut line, &annotation, &[]);
            prop_assert!(line.len() <= MAX_LINE && line.ends_with(b"\r\n"));
            let parsed = parse(&line[..line.len() - 2]).map(|line| line.annotation);
            prop_assert_eq!(parsed, Ok(annotation));
        }

        #[test]
        fn one_changed_byte_is_noticed(annotation in any_annotation(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut line = Vec::new();
            encode(&mut line, &annotation, &[]);
            line.truncate(line.len() - 2);
            let at = at.index(line.len());
            prop_assume!(line[at] != to && !matches!(annotation, Annotation::Time { .. }));
            line[at] = to;
            match parse(&line) {
                Err(_) => {}
                // A changed beginning makes it somebody else's line.
                Ok(line) => prop_assert_eq!(line.annotation, Annotation::Unknown),
            }
        }

        #[test]
        fn any_line_can_be_read(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
            let _ = parse(&[PREFIX, &line].concat());
        }
    }

    #[test]
    fn lines_of_others_mean_nothing() {
        for line in ["#", "# a comment", "#TANDEM", "#TANDEM later 1 2", "#TS:", "#TS:x"] {
            assert_eq!(parse(line.as_bytes()).map(|line| line.annotation), Ok(Annotation::Unknown), "{line}");
        }
        let time = parse(b"#TS:1700000000").map(|line| line.annotation);
        assert_eq!(time, Ok(Annotation::Time { unix_s: 1_700_000_000 }));
        assert_eq!(parse(b"#TANDEM end 1 2 3 "), Err(BadAnnotation::Malformed));
        assert_eq!(parse(b"#TANDEM end 1 2 3 0123456789abcdef"), Err(BadAnnotation::Malformed));
        assert_eq!(parse(b"#TANDEM end 1 2 3 master 0123456789abcdef"), Err(BadAnnotation::Checksum));
    }
}
