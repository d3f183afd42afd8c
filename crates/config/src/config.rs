//! All values together: CONFIG GET and CONFIG SET.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::directive::Kind;
use crate::directives::{directives, find};
use crate::error::{RewriteError, SetError};
use crate::keywords::Permission;
use crate::rewrite::Extent;
use crate::settings::Settings;
use crate::value::Value;
use crate::{glob, grammar, rewrite, toml_file};

/// Which grammar a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Conf,
    Toml,
}

/// Every directive with its value.
///
/// Cheap to clone next to what a change costs: a server that has to undo a CONFIG SET whose effect failed (a
/// port that is taken) keeps a clone from before.
#[derive(Debug, Clone)]
pub struct Config {
    /// In the order of the registry.
    pub(crate) values: Vec<Value>,
    /// Invariant: what [`Settings::from_values`] makes of `values`.
    settings: Settings,
    pub(crate) format: Format,
    /// For a directive that an included file sets, its value at the end of loading: as long as it has that
    /// value, the main file need not say anything.
    pub(crate) included: Vec<Option<Value>>,
}

impl Default for Config {
    fn default() -> Self {
        static DEFAULT: OnceLock<Config> = OnceLock::new();
        DEFAULT
            .get_or_init(|| {
                let values: Vec<_> = directives().iter().map(Value::default_of).collect();
                let included = vec![None; values.len()];
                Self::new(values, included, Format::Conf)
            })
            .clone()
    }
}

impl Config {
    pub(crate) fn new(values: Vec<Value>, included: Vec<Option<Value>>, format: Format) -> Self {
        Self { settings: Settings::from_values(&values), values, format, included }
    }

    /// The typed settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// CONFIG GET: the parameters that any of the patterns match, by name, each once.
    ///
    /// Old names answer beside the new ones. A hidden parameter answers only to its exact name. A parameter
    /// asked for by its exact name keeps the spelling of the request.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        // Lower case is the key, so that `port` and `PORT` are one answer.
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for pattern in patterns {
            let wild = glob::is_pattern(pattern);
            let rows = directives()
                .iter()
                .zip(&self.values)
                .filter(|(d, _)| d.is_parameter() && !(wild && d.hidden));
            for (directive, value) in rows {
                for name in directive.names() {
                    let asked = || String::from_utf8_lossy(pattern).into_owned();
                    if wild && glob::matches(pattern, name.as_bytes()) {
                        found.entry(name.to_string()).or_insert_with(|| (name.to_string(), value.print()));
                    } else if !wild && pattern.eq_ignore_ascii_case(name.as_bytes()) {
                        found.insert(name.to_string(), (asked(), value.print()));
                    }
                }
            }
        }
        found.into_values().collect()
    }

    /// CONFIG SET from a client on another machine: all pairs or none.
    ///
    /// Returns the current names of the parameters whose value changed, for the server to act on.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<Vec<&'static str>, SetError> {
        self.set_all(pairs, self.settings.enable_protected_configs == Permission::Yes)
    }

    /// CONFIG SET from a client on the same machine, which `enable-protected-configs local` allows more.
    pub fn set_local(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<Vec<&'static str>, SetError> {
        self.set_all(pairs, self.settings.enable_protected_configs != Permission::No)
    }

    fn set_all(&mut self, pairs: &[(&[u8], &[u8])], protected: bool) -> Result<Vec<&'static str>, SetError> {
        let mut chosen = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let name = String::from_utf8_lossy(name).into_owned();
            let at = find(&name).filter(|at| directives()[*at].is_parameter());
            let Some(at) = at else { return Err(SetError::Unknown { name }) };
            let directive = &directives()[at];
            let reason = if directive.immutable {
                "can't set immutable config"
            } else if directive.protected && !protected {
                "can't set protected config"
            } else if chosen.iter().any(|(other, _)| *other == at) {
                "duplicate parameter"
            } else {
                chosen.push((at, name));
                continue;
            };
            return Err(SetError::refused(&name, reason));
        }
        let mut changes = Vec::with_capacity(chosen.len());
        for ((at, name), (_, text)) in chosen.into_iter().zip(pairs) {
            let value = self.read(at, text).map_err(|reason| SetError::refused(&name, reason))?;
            changes.push((at, value));
        }
        Ok(self.put(changes))
    }

    /// Gives a parameter the value that something else than CONFIG SET gave it, even one CONFIG SET may not
    /// change: REPLICAOF sets `replicaof`, a start sets `dir` to where it really is. Returns whether it
    /// changed.
    pub fn force(&mut self, name: &str, text: &str) -> Result<bool, SetError> {
        let at = find(name).filter(|at| directives()[*at].is_parameter());
        let at = at.ok_or_else(|| SetError::Unknown { name: name.to_string() })?;
        let value = self.read(at, text.as_bytes()).map_err(|reason| SetError::refused(name, reason))?;
        Ok(!self.put(vec![(at, value)]).is_empty())
    }

    /// Reads a new value for one parameter.
    fn read(&self, at: usize, text: &[u8]) -> Result<Value, String> {
        let directive = &directives()[at];
        let text = std::str::from_utf8(text).map_err(|_| "argument must be valid UTF-8")?;
        // Save points are replaced, while a class of client leaves the others as they are.
        let before = match directive.kind {
            Kind::Save => Value::Save(Vec::new()),
            _ => self.values[at].clone(),
        };
        Value::parse(directive, &[text.to_string()], before)
    }

    fn put(&mut self, changes: Vec<(usize, Value)>) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (at, value) in changes {
            if self.values[at] != value {
                self.values[at] = value;
                names.push(directives()[at].name);
            }
        }
        if !names.is_empty() {
            self.settings = Settings::from_values(&self.values);
        }
        names
    }

    /// The users that the configuration defines, each in words: its name and its rules.
    pub fn users(&self) -> Vec<Vec<String>> {
        let words = |line: &String| {
            let words = grammar::words(line.as_bytes()).unwrap_or_default();
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        };
        self.settings.user.iter().map(words).collect()
    }

    /// Puts other users in the place of these, for a rewrite.
    pub fn set_users(&mut self, users: &[Vec<String>]) {
        let line =
            |words: &Vec<String>| words.iter().map(|word| grammar::quote(word)).collect::<Vec<_>>().join(" ");
        let at = find("user").expect("because a test finds every directive");
        self.put(vec![(at, Value::Lines(users.iter().map(line).collect()))]);
    }

    /// CONFIG REWRITE: the text of the main file with the values of now.
    ///
    /// Comments, order, includes and lines that already say the right thing stay as they are. A line that no
    /// longer does is replaced where it stands, repeated ones that count for nothing go, and what no line
    /// says yet follows at the end. The server then puts the result in place of the file, atomically.
    pub fn rewrite(&self, original: &[u8]) -> Result<Vec<u8>, RewriteError> {
        self.rewrite_to(original, Extent::Needed)
    }

    /// The same, but that every directive gets a line: what has its default value, too.
    pub fn rewrite_all(&self, original: &[u8]) -> Result<Vec<u8>, RewriteError> {
        self.rewrite_to(original, Extent::All)
    }

    fn rewrite_to(&self, original: &[u8], extent: Extent) -> Result<Vec<u8>, RewriteError> {
        match self.format {
            Format::Conf => Ok(rewrite::conf(self, original, extent)),
            Format::Toml => {
                let text = std::str::from_utf8(original)
                    .map_err(|e| RewriteError::Toml { reason: e.to_string() })?;
                toml_file::rewrite(self, text, extent).map(String::into_bytes)
            }
        }
    }

    /// Whether a parameter has its default value; a name that is unknown has none.
    pub fn is_default(&self, name: &str) -> bool {
        find(name).is_some_and(|at| self.values[at] == Value::default_of(&directives()[at]))
    }

    /// Whether CONFIG SET needs `enable-protected-configs` for this parameter.
    pub fn is_protected(name: &str) -> bool {
        find(name).is_some_and(|at| directives()[at].protected)
    }
}
