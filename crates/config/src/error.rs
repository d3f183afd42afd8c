//! What can go wrong.

use std::fmt;
use std::path::PathBuf;

/// Why the server cannot start with this configuration.
///
/// `Display` is what belongs on the standard error: a first line that tools which start servers look for,
/// where it is, the text itself, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// The line or option itself; empty if the whole file is meant.
    pub text: String,
    /// What is wrong.
    pub reason: String,
}

/// Where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, at a line counted from 1, or 0 if the whole file is meant.
    File(PathBuf, usize),
    /// On the standard input.
    Stdin(usize),
    /// Among the options of the command line.
    CommandLine,
}

impl ConfigError {
    /// The file, if it is in one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.place {
            Place::File(path, _) => Some(path),
            _ => None,
        }
    }

    /// The line, from 1, if there is one.
    pub fn line(&self) -> Option<usize> {
        match self.place {
            Place::File(_, line) | Place::Stdin(line) if line > 0 => Some(line),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Stdin(line) => write!(f, "standard input:{line}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*** FATAL CONFIG FILE ERROR ***")?;
        writeln!(f, "At {}", self.place)?;
        if !self.text.is_empty() {
            writeln!(f, ">>> '{}'", self.text)?;
        }
        f.write_str(&self.reason)
    }
}

/// Why CONFIG SET changed nothing. `Display` is the reply after `ERR `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// There is no such parameter.
    #[error("Unknown option or number of arguments for CONFIG SET - '{name}'")]
    Unknown {
        /// The name as it was given.
        name: String,
    },
    /// It cannot have this value, or not now.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Refused {
        /// The name as it was given.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl SetError {
    /// A refusal in the words of CONFIG SET, for what only the server can find out.
    pub fn refused(name: &str, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.to_string(), reason: reason.into() }
    }

    /// The name as it was given.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { name } | Self::Refused { name, .. } => name,
        }
    }
}

/// Why a file cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The TOML file has been changed since the start and cannot be read any more.
    #[error("the file is no longer valid TOML: {reason}")]
    Toml {
        /// What its parser says.
        reason: String,
    },
}
