//! The manifest: which files make up the log, and in which order.
//!
//! A line a file, words in pairs, in any order: `file <name> seq <number> type <b|h|i>`. A line that begins with `#` is a comment,
//! and pairs that are not known are skipped. One comment is known: `#TANDEM recovered [time <ms>] [offset <n>]`. There is one base at most (`b`), increments in the order of their numbers (`i`), and what
//! was replaced and is to be deleted (`h`).

use std::fmt;

use nom::IResult;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{escaped, is_not, tag, take_while1};
use nom::character::complete::{anychar, char, space0, space1};
use nom::combinator::{all_consuming, opt, recognize};
use nom::multi::many0;
use nom::sequence::{delimited, pair, preceded, separated_pair, terminated};

use crate::annotation::MAX_LINE;
use crate::point::Point;

/// A comment to others: the point to which the dataset was taken back.
const RECOVERED: &str = "#TANDEM recovered ";

/// What a file of the log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// The dataset as it was once: a snapshot, or commands.
    Base,
    /// Commands since.
    Increment,
    /// Neither any more: to be deleted.
    History,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// Its name in the folder of the log.
    pub name: String,
    /// Its number among those of its kind.
    pub seq: u64,
    /// What it is for.
    pub kind: FileKind,
}

/// The files of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The dataset that the increments begin with; nothing but an empty one where there is none.
    pub base: Option<PartFile>,
    /// In the order in which they are read.
    pub increments: Vec<PartFile>,
    /// To be deleted.
    pub history: Vec<PartFile>,
    /// The dataset has been taken back to this point, or had nothing beyond it: not to be done again at each start.
    pub recovered: Option<Point>,
}

/// Why a text is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is nothing in it.
    #[error("Found an empty AOF manifest")]
    Empty,
    /// A line is longer than others read.
    #[error("The AOF manifest file contains too long line (line {line})")]
    TooLong {
        /// From 1.
        line: usize,
    },
    /// A line is not made of pairs, or lacks one.
    #[error("Invalid AOF manifest file format (line {line})")]
    Malformed {
        /// From 1.
        line: usize,
    },
    /// A name leads out of the folder.
    #[error("File can't be a path, just a filename: {name:?} (line {line})")]
    Path {
        /// The name.
        name: String,
        /// From 1.
        line: usize,
    },
    /// Neither base, increment nor history.
    #[error("Unknown AOF file type {letter:?} (line {line})")]
    UnknownKind {
        /// What stands there.
        letter: String,
        /// From 1.
        line: usize,
    },
    /// There are two bases.
    #[error("Found duplicate base file information (line {line})")]
    TwoBases {
        /// From 1.
        line: usize,
    },
    /// An increment does not follow the one before.
    #[error("Found a non-monotonic sequence number (line {line})")]
    Order {
        /// From 1.
        line: usize,
    },
}

/// How files are called: `appendfilename`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamePattern<'a>(pub &'a str);

/// A new file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A base that is a snapshot.
    SnapshotBase(u64),
    /// A base of commands.
    CommandBase(u64),
    /// An increment.
    Increment(u64),
}

impl NamePattern<'_> {
    /// The manifest.
    pub fn manifest(self) -> String {
        format!("{}.manifest", self.0)
    }

    /// The name under which a manifest is written before it takes its place.
    pub fn temporary_manifest(self) -> String {
        format!("temp-{}.manifest", self.0)
    }

    /// A file with this number.
    pub fn file(self, name: Name) -> String {
        match name {
            Name::SnapshotBase(seq) => format!("{}.{seq}.base.rdb", self.0),
            Name::CommandBase(seq) => format!("{}.{seq}.base.aof", self.0),
            Name::Increment(seq) => format!("{}.{seq}.incr.aof", self.0),
        }
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and in which line.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        if text.is_empty() {
            return Err(ManifestError::Empty);
        }
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        for (line, text) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            if text.first() == Some(&b'#') {
                let words = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix(RECOVERED));
                if let Some(point) = words.and_then(|words| Point::parse(words.trim_end())) {
                    manifest.recovered = Some(point);
                }
                continue;
            }
            if text.len() > MAX_LINE {
                return Err(ManifestError::TooLong { line });
            }
            manifest.add(line, text)?;
        }
        Ok(manifest)
    }

    fn add(&mut self, line: usize, text: &[u8]) -> Result<(), ManifestError> {
        let malformed = || ManifestError::Malformed { line };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|_| malformed())?;
        let (_, pairs) = pairs(text).map_err(|_| malformed())?;
        let (mut name, mut seq, mut kind) = (None, None, None);
        for (key, value) in pairs {
            match key.to_ascii_lowercase().as_str() {
                "file" => name = Some(value),
                "seq" => seq = value.parse::<u64>().ok(),
                "type" => kind = Some(value),
                _ => {}
            }
        }
        let (Some(name), Some(seq), Some(letter)) = (name, seq, kind) else { return Err(malformed()) };
        if seq == 0 || name.is_empty() {
            return Err(malformed());
        }
        if name.contains('/') || name == "." || name == ".." {
            return Err(ManifestError::Path { name, line });
        }
        let part = |kind| PartFile { name, seq, kind };
        match letter.as_str() {
            "b" if self.base.is_some() => return Err(ManifestError::TwoBases { line }),
            "b" => self.base = Some(part(FileKind::Base)),
            "h" => self.history.push(part(FileKind::History)),
            "i" if self.increments.last().is_some_and(|last| last.seq >= seq) => {
                return Err(ManifestError::Order { line });
            }
            "i" => self.increments.push(part(FileKind::Increment)),
            _ => return Err(ManifestError::UnknownKind { letter, line }),
        }
        Ok(())
    }

    /// Whether there is a file to be read.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files to be read, in order.
    pub fn parts(&self) -> impl Iterator<Item = &PartFile> {
        self.base.iter().chain(&self.increments)
    }

    /// The number of the next base.
    pub fn next_base(&self) -> u64 {
        let used = self.base.iter().chain(&self.history).map(|part| part.seq).max();
        used.unwrap_or(0) + 1
    }

    /// The number of the next increment.
    pub fn next_increment(&self) -> u64 {
        let used = self.increments.iter().chain(&self.history).map(|part| part.seq).max();
        used.unwrap_or(0) + 1
    }

    /// Adds the next increment, with a number from `least` on, and tells its name.
    pub fn add_increment(&mut self, names: NamePattern<'_>, least: u64) -> String {
        let seq = self.next_increment().max(least);
        let name = names.file(Name::Increment(seq));
        self.increments.push(PartFile { name: name.clone(), seq, kind: FileKind::Increment });
        name
    }

    /// A new base stands: it, and the increments from number `from` on, are all that is to be read. Everything else becomes history.
    pub fn replace_base(&mut self, name: String, seq: u64, from: u64) {
        let old = self.base.replace(PartFile { name, seq, kind: FileKind::Base });
        let kept = self.increments.iter().position(|part| part.seq >= from).unwrap_or(self.increments.len());
        // The latest first.
        for part in old.into_iter().chain(self.increments.drain(..kept)) {
            self.history.insert(0, PartFile { kind: FileKind::History, ..part });
        }
    }
}

impl fmt::Display for Manifest {
    /// The text as it stands in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(point) = &self.recovered {
            writeln!(f, "{RECOVERED}{point}")?;
        }
        for part in self.base.iter().chain(&self.history).chain(&self.increments) {
            let letter = match part.kind {
                FileKind::Base => 'b',
                FileKind::History => 'h',
                FileKind::Increment => 'i',
            };
            let plain = part
                .name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'' && byte != b'\\');
            if plain {
                writeln!(f, "file {} seq {} type {letter}", part.name, part.seq)?;
            } else {
                let escaped: String = part.name.chars().map(escape).collect();
                writeln!(f, "file \"{escaped}\" seq {} type {letter}", part.seq)?;
            }
        }
        Ok(())
    }
}

fn escape(letter: char) -> String {
    match letter {
        '"' | '\\' => format!("\\{letter}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        letter if letter.is_ascii_control() => format!("\\x{:02x}", letter as u32),
        letter => letter.to_string(),
    }
}

/// What stands behind a backslash.
fn unescape(letters: &mut std::str::Chars<'_>) -> Option<char> {
    match letters.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'x' => {
            let digits: String = letters.by_ref().take(2).collect();
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
        }
        letter => Some(letter),
    }
}

type Parse<'a, T> = IResult<&'a str, T>;

fn pairs(line: &str) -> Parse<'_, Vec<(String, String)>> {
    let pair = terminated(separated_pair(value, space1, value), space0);
    all_consuming(preceded(space0, many0(pair))).parse(line)
}

fn value(input: &str) -> Parse<'_, String> {
    let (rest, text) = alt((quoted, plain)).parse(input)?;
    Ok((rest, text))
}

fn plain(input: &str) -> Parse<'_, String> {
    let mut word =
        take_while1(|letter: char| !letter.is_ascii_whitespace() && letter != '"' && letter != '\'');
    let (rest, word): (&str, &str) = word.parse(input)?;
    Ok((rest, word.to_owned()))
}

fn quoted(input: &str) -> Parse<'_, String> {
    let inside = opt(escaped(is_not("\\\""), '\\', anychar));
    let (rest, text) = delimited(char('"'), recognize(pair(inside, tag(""))), char('"')).parse(input)?;
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { unescape(&mut letters) } else { Some(letter) });
    }
    Ok((rest, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: NamePattern<'_> = NamePattern("appendonly.aof");

    fn parse(text: &str) -> Result<String, ManifestError> {
        Manifest::parse(text.as_bytes()).map(|manifest| manifest.to_string())
    }

    #[test]
    fn a_manifest_goes_both_ways() {
        let text = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.base.rdb seq 1 type h\n\
                    file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
        assert_eq!(parse(text), Ok(text.to_owned()));
        let loose = "# a comment\n type b seq 2 startoffset 12 file appendonly.aof.2.base.rdb\r\n";
        assert_eq!(parse(loose), Ok("file appendonly.aof.2.base.rdb seq 2 type b\n".to_owned()));
        let spaced = "file \"my \\\"own\\\" file\" seq 1 type i\n";
        assert_eq!(parse(spaced), Ok(spaced.to_owned()));
        assert_eq!(
            Manifest::parse(spaced.as_bytes()).map(|m| m.increments[0].name.clone()),
            Ok("my \"own\" file".to_owned())
        );
    }

    #[test]
    fn a_manifest_says_to_where_it_was_taken_back() {
        let text = "#TANDEM recovered time 12 offset 7\nfile a seq 1 type i\n";
        assert_eq!(parse(text), Ok(text.to_owned()));
        let point = Point { unix_ms: Some(12), offset: Some(7) };
        assert_eq!(Manifest::parse(text.as_bytes()).map(|manifest| manifest.recovered), Ok(Some(point)));
        let other = "#TANDEM recovered soon\nfile a seq 1 type i\n";
        assert_eq!(parse(other), Ok("file a seq 1 type i\n".to_owned()));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let line = 1;
        let malformed = || Err(ManifestError::Malformed { line: 1 });
        assert_eq!(parse(""), Err(ManifestError::Empty));
        for text in [
            "\n",
            "file a seq 1",
            "file a seq 1 type",
            "file a seq x type b",
            "file a seq 0 type b",
            "seq 1 type b",
            "file \"a seq 1 type b",
            "file a seq -1 type i",
        ] {
            assert_eq!(parse(text), malformed(), "{text:?}");
        }
        assert_eq!(
            parse(&format!("file {} seq 1 type b", "a".repeat(1100))),
            Err(ManifestError::TooLong { line })
        );
        assert_eq!(
            parse("file ../a seq 1 type b"),
            Err(ManifestError::Path { name: "../a".to_owned(), line })
        );
        assert_eq!(
            parse("file a seq 1 type x"),
            Err(ManifestError::UnknownKind { letter: "x".to_owned(), line })
        );
        assert_eq!(
            parse("file a seq 1 type b\nfile b seq 2 type b"),
            Err(ManifestError::TwoBases { line: 2 })
        );
        assert_eq!(parse("file a seq 2 type i\nfile b seq 1 type i"), Err(ManifestError::Order { line: 2 }));
    }

    #[test]
    fn a_rewrite_makes_history_of_what_was_before() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.add_increment(NAMES, 1), "appendonly.aof.1.incr.aof");
        manifest.replace_base(NAMES.file(Name::SnapshotBase(1)), 1, 1);
        assert_eq!(manifest.add_increment(NAMES, 1), "appendonly.aof.2.incr.aof");
        let seq = manifest.next_base();
        manifest.replace_base(NAMES.file(Name::SnapshotBase(seq)), seq, 2);
        assert_eq!(
            manifest.to_string(),
            "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n\
             file appendonly.aof.1.base.rdb seq 1 type h\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
        );
        manifest.history.clear();
        assert_eq!((manifest.next_base(), manifest.next_increment()), (3, 3));
        assert_eq!(manifest.parts().count(), 2);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&text);
        }

        #[test]
        fn any_name_goes_both_ways(name in "[^/]{1,30}", seq in 1u64..) {
            prop_assume!(name != "." && name != "..");
            let part = PartFile { name, seq, kind: FileKind::Increment };
            let manifest = Manifest { increments: vec![part], ..Manifest::default() };
            prop_assert_eq!(Manifest::parse(manifest.to_string().as_bytes()), Ok(manifest));
        }
    }
}
