//! Files in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Loaded};

/// Texts by name.
#[derive(Default)]
pub struct Memory {
    /// The files.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The standard input.
    pub stdin: Vec<u8>,
}

impl Memory {
    /// Files from names and texts.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let files =
            files.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect();
        Self { files, stdin: Vec::new() }
    }
}

impl config::Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    // Only `prefix*` is needed here.
    fn glob(&self, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let prefix = pattern.split('*').next().unwrap_or_default();
        Ok(self.files.keys().filter(|path| path.to_string_lossy().starts_with(prefix)).cloned().collect())
    }

    fn stdin(&self) -> io::Result<Vec<u8>> {
        Ok(self.stdin.clone())
    }
}

/// Loads with these arguments, separated by spaces.
#[allow(dead_code)]
pub fn load(files: &[(&str, &str)], args: &str) -> Result<Loaded, ConfigError> {
    let args: Vec<_> = args.split_whitespace().map(str::to_string).collect();
    config::load(&args, &Memory::new(files))
}

/// Loads one redis.conf that must be right.
#[allow(dead_code)]
#[track_caller]
pub fn conf(text: &str) -> Config {
    load(&[("redis.conf", text)], "redis.conf")
        .map_err(|e| panic!("{e}"))
        .map(|loaded| loaded.config)
        .unwrap()
}

/// CONFIG GET of one exact name.
#[allow(dead_code)]
#[track_caller]
pub fn get(config: &Config, name: &str) -> String {
    match &config.get(&[name.as_bytes()])[..] {
        [(_, value)] => value.clone(),
        other => panic!("{name}: {other:?}"),
    }
}
