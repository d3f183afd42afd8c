//! From the command line and the files it names to a [`Config`].

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Config, Format};
use crate::directive::{Effect, Kind};
use crate::directives::{directives, find, find_folded};
use crate::error::{ConfigError, Place};
use crate::grammar::{is_blank_or_comment, quote_always, words};
use crate::nearest::nearest;
use crate::value::Value;
use crate::{glob, toml_file};

/// Includes inside includes go no deeper than this: a file that includes itself ends here.
const MAX_DEPTH: usize = 16;
/// Files read altogether: wide includes inside wide includes end here.
const MAX_FILES: usize = 1000;

/// Where configuration files come from.
///
/// The one thing this crate needs of an operating system, so that a test or a simulation can stand in for it.
pub trait Files {
    /// The contents of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files a shell pattern matches, sorted; none is no error.
    fn glob(&self, pattern: &str) -> io::Result<Vec<PathBuf>>;
    /// Everything on the standard input.
    fn stdin(&self) -> io::Result<Vec<u8>>;
}

/// No files at all: a configuration that comes from the command line alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn glob(&self, _: &str) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn stdin(&self) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// What the command line asks for instead of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// `--help` or `-h`.
    Help,
    /// `--version` or `-v`.
    Version,
}

/// What [`load`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One line each, to be logged: what was accepted and has no effect.
    pub warnings: Vec<String>,
    /// The file named on the command line, as it was named; CONFIG REWRITE writes it.
    pub config_file: Option<PathBuf>,
    /// What to print instead of starting.
    pub print: Option<Print>,
}

/// Reads the command line, without the program's name, and the files it names.
///
/// The first argument is the configuration file unless it begins with `-`; a name ending in `.toml` is TOML.
/// A lone `-` at either end reads more of a redis.conf from the standard input. What remains are options,
/// `--directive value…`, which are stronger than both:
///
/// - the directive and its value may also be one argument (`"--maxmemory 700mb"`);
/// - an argument right after a directive is its value, even one that begins with `--`; only `--save` may
///   stand alone,
///   and means no save points;
/// - `--save` adds to the save points of the files; an empty one takes away all that come before it.
pub fn load(args: &[String], files: &dyn Files) -> Result<Loaded, ConfigError> {
    let print = match args.first().map(String::as_str) {
        Some("-h" | "--help") => Some(Print::Help),
        Some("-v" | "--version") => Some(Print::Version),
        _ => None,
    };
    let mut loader = Loader::new(files);
    let mut config_file = None;
    let mut format = Format::Conf;
    if print.is_none() {
        let mut rest = args;
        if let Some((first, others)) = args.split_first().filter(|(first, _)| !first.starts_with('-')) {
            let path = PathBuf::from(first);
            format = format_of(&path);
            let whole = Place::File(path.clone(), 0);
            let bytes = files.read(&path).map_err(|e| ConfigError {
                place: whole,
                text: String::new(),
                reason: format!("The configuration file cannot be read: {e}"),
            })?;
            loader.file(&path, &bytes, 0)?;
            config_file = Some(path);
            rest = others;
        }
        let dash = |arg: Option<&String>| arg.is_some_and(|arg| arg == "-");
        let at_front = dash(rest.first());
        if at_front || dash(rest.last()) {
            rest = if at_front { &rest[1..] } else { &rest[..rest.len() - 1] };
            let bytes = files.stdin().map_err(|e| ConfigError {
                place: Place::Stdin(0),
                text: String::new(),
                reason: format!("The standard input cannot be read: {e}"),
            })?;
            loader.conf(&bytes, &Place::Stdin, 0)?;
        }
        loader.options(rest)?;
    }
    let warnings = loader.warnings();
    let included =
        loader.from_include.iter().zip(&loader.values).map(|(from, v)| from.then(|| v.clone())).collect();
    Ok(Loaded { config: Config::new(loader.values, included, format), warnings, config_file, print })
}

fn format_of(path: &Path) -> Format {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("toml") => Format::Toml,
        _ => Format::Conf,
    }
}

struct Loader<'f> {
    files: &'f dyn Files,
    opened: usize,
    values: Vec<Value>,
    /// Whether an included file has a part in the value.
    from_include: Vec<bool>,
    /// Where each directive was last given.
    given: Vec<Option<Place>>,
}

impl<'f> Loader<'f> {
    fn new(files: &'f dyn Files) -> Self {
        let rows = directives();
        Self {
            files,
            opened: 0,
            values: rows.iter().map(Value::default_of).collect(),
            from_include: vec![false; rows.len()],
            given: vec![None; rows.len()],
        }
    }

    fn file(&mut self, path: &Path, bytes: &[u8], depth: usize) -> Result<(), ConfigError> {
        let place = |line| Place::File(path.to_path_buf(), line);
        match format_of(path) {
            Format::Conf => self.conf(bytes, &place, depth),
            Format::Toml => self.toml(bytes, &place, depth),
        }
    }

    fn conf(
        &mut self,
        bytes: &[u8],
        place: &dyn Fn(usize) -> Place,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if is_blank_or_comment(line) {
                continue;
            }
            let error = |reason: String| ConfigError {
                place: place(number + 1),
                text: String::from_utf8_lossy(line).trim().to_string(),
                reason,
            };
            let words = words(line).map_err(|_| error("Unbalanced quotes in configuration line".into()))?;
            let words: Result<Vec<_>, _> = words.into_iter().map(String::from_utf8).collect();
            let words = words.map_err(|_| error("The line is not valid UTF-8".into()))?;
            self.line(&words, place(number + 1), depth).map_err(|failed| failed.or(error))?;
        }
        Ok(())
    }

    fn toml(
        &mut self,
        bytes: &[u8],
        place: &dyn Fn(usize) -> Place,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let whole = |line, reason| ConfigError { place: place(line), text: String::new(), reason };
        let text = std::str::from_utf8(bytes).map_err(|_| whole(0, "The file is not valid UTF-8".into()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for entry in toml_file::entries(text).map_err(|(line, reason)| whole(line, reason))? {
            let error = |reason| ConfigError { place: place(entry.line), text: entry.key.clone(), reason };
            let at = find_folded(&entry.key).ok_or_else(|| error(unknown(&entry.key)))?;
            let kind = directives()[at].kind;
            for words in toml_file::occurrences(kind, &entry.value).map_err(error)? {
                self.assign(at, &words, place(entry.line), depth).map_err(|failed| failed.or(error))?;
            }
        }
        Ok(())
    }

    fn options(&mut self, args: &[String]) -> Result<(), ConfigError> {
        let mut options: Vec<Vec<String>> = Vec::new();
        for arg in args {
            let expects_value =
                options.last().is_some_and(|o| o.len() == 1 && !o[0].eq_ignore_ascii_case("save"));
            let current = options.last_mut().filter(|_| expects_value || !arg.starts_with("--"));
            match current {
                Some(option) => option.push(arg.clone()),
                None => {
                    let error = |reason: &str| ConfigError {
                        place: Place::CommandLine,
                        text: arg.clone(),
                        reason: reason.into(),
                    };
                    let text = arg.strip_prefix("--").unwrap_or(arg);
                    let words = words(text.as_bytes()).map_err(|_| error("Unbalanced quotes"))?;
                    if words.is_empty() {
                        return Err(error("Bad directive or wrong number of arguments"));
                    }
                    let words: Result<_, _> = words.into_iter().map(String::from_utf8).collect();
                    options.push(words.map_err(|_| error("The option is not valid UTF-8"))?);
                }
            }
        }
        for option in options {
            let values: String =
                option[1..].iter().map(|value| format!(" {}", quote_always(value))).collect();
            let text = format!("{}{values}", option[0]);
            let error = |reason| ConfigError { place: Place::CommandLine, text: text.clone(), reason };
            self.line(&option, Place::CommandLine, 0).map_err(|failed| failed.or(error))?;
        }
        Ok(())
    }

    fn line(&mut self, words: &[String], place: Place, depth: usize) -> Result<(), Failed> {
        let Some((name, rest)) = words.split_first() else { return Ok(()) };
        let at = find(name).ok_or_else(|| Failed::Here(unknown(name)))?;
        self.assign(at, rest, place, depth)
    }

    fn assign(&mut self, at: usize, words: &[String], place: Place, depth: usize) -> Result<(), Failed> {
        let directive = &directives()[at];
        match directive.kind {
            Kind::Sentinel => {
                return Err(Failed::Here("sentinel directive while not in sentinel mode".into()));
            }
            Kind::Include => return self.include(words, depth),
            _ => {}
        }
        // The first save point takes the place of the defaults, further ones are added.
        let none = Value::Save(Vec::new());
        let anew = matches!(directive.kind, Kind::Save) && self.given[at].is_none();
        // An error ends the loading, so that nobody misses the value taken here.
        let before = std::mem::replace(&mut self.values[at], none.clone());
        let before = if anew { none } else { before };
        self.values[at] = Value::parse(directive, words, before).map_err(Failed::Here)?;
        // What the last word had, had it; an added line may stand beside one of an included file.
        self.from_include[at] = depth > 0 || (directive.kind.repeats() && self.from_include[at] && !anew);
        self.given[at] = Some(place);
        Ok(())
    }

    fn include(&mut self, words: &[String], depth: usize) -> Result<(), Failed> {
        let [pattern] = words else { return Err(Failed::Here("wrong number of arguments".into())) };
        if depth == MAX_DEPTH {
            return Err(Failed::Here(format!("Files include each other more than {MAX_DEPTH} deep")));
        }
        let unreadable =
            |path: &Path, e: io::Error| Failed::Here(format!("{} cannot be read: {e}", path.display()));
        let paths = if glob::is_pattern(pattern.as_bytes()) {
            self.files.glob(pattern).map_err(|e| unreadable(Path::new(pattern), e))?
        } else {
            vec![PathBuf::from(pattern)]
        };
        for path in paths {
            self.opened += 1;
            if self.opened > MAX_FILES {
                return Err(Failed::Here(format!("More than {MAX_FILES} files are included")));
            }
            let bytes = self.files.read(&path).map_err(|e| unreadable(&path, e))?;
            self.file(&path, &bytes, depth + 1).map_err(Failed::There)?;
        }
        Ok(())
    }

    /// A line for each directive that asks for something which does not happen, and one for all those which
    /// ask for nothing but the default.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut at_default = Vec::new();
        for ((directive, value), place) in directives().iter().zip(&self.values).zip(&self.given) {
            let (Effect::None(why), Some(place)) = (directive.effect, place) else { continue };
            if directive.is_parameter() && *value == Value::default_of(directive) {
                at_default.push(directive.name);
            } else {
                warnings
                    .push(format!("{place}: '{}' is accepted but has no effect here: {why}", directive.name));
            }
        }
        if !at_default.is_empty() {
            let names = at_default.join(", ");
            warnings.push(format!("Accepted with their default values, and without effect here: {names}"));
        }
        warnings
    }
}

/// Why a directive was not taken.
enum Failed {
    /// It is wrong itself.
    Here(String),
    /// A file it includes is.
    There(ConfigError),
}

impl Failed {
    /// The error, built from the reason where the place is still to be told.
    fn or(self, error: impl FnOnce(String) -> ConfigError) -> ConfigError {
        match self {
            Self::Here(reason) => error(reason),
            Self::There(failed) => failed,
        }
    }
}

fn unknown(name: &str) -> String {
    let hint = nearest(name).map(|near| format!("; the nearest name is '{near}'")).unwrap_or_default();
    format!("Bad directive or wrong number of arguments: '{name}' is unknown{hint}")
}
