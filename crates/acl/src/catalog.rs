//! Which commands there are.

use std::collections::HashMap;

/// The commands that rules can name: each with a number, its categories and its subcommands.
#[derive(Clone, Debug)]
pub struct Catalog {
    commands: Vec<Command>,
    by_name: HashMap<Box<[u8]>, usize>,
    categories: Box<[Box<str>]>,
    matches: fn(&[u8], &[u8]) -> bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    pub categories: u64,
    /// Allowed to everybody, always: AUTH and the like.
    pub open: bool,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
}

impl Catalog {
    /// No commands yet. `categories` are named in the order of their bits; `matches` tells whether a glob pattern matches a text.
    pub fn new(categories: &[&str], matches: fn(&[u8], &[u8]) -> bool) -> Catalog {
        let categories = categories.iter().map(|name| (*name).into()).collect();
        Catalog { commands: Vec::new(), by_name: HashMap::new(), categories, matches }
    }

    /// Adds a command under a number of the caller's choice, and returns that. The name is lowercase; that of a subcommand is
    /// `container|sub`, and its container was added before. An `open` command is allowed to everybody.
    pub fn add(&mut self, number: usize, name: &str, categories: u64, open: bool) -> usize {
        if self.commands.len() <= number {
            self.commands.resize_with(number + 1, Command::default);
        }
        let parent = name.split_once('|').and_then(|(container, _)| self.find(container.as_bytes()));
        self.commands[number] = Command { categories, open, parent, children: Vec::new() };
        if let Some(parent) = parent {
            self.commands[parent].children.push(number);
        }
        self.by_name.insert(name.as_bytes().into(), number);
        number
    }

    /// The names of the categories, in the order of their bits.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.categories.iter().map(|name| &**name)
    }

    /// The bit of a category; case does not matter.
    pub fn category(&self, name: &[u8]) -> Option<u64> {
        let at = self.categories.iter().position(|own| own.as_bytes().eq_ignore_ascii_case(name))?;
        Some(1 << at)
    }

    /// Numbers are below this.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there are no commands at all.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command of a lowercase name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn command(&self, number: usize) -> &Command {
        &self.commands[number]
    }

    pub(crate) fn commands(&self) -> impl Iterator<Item = (usize, &Command)> {
        self.commands.iter().enumerate()
    }

    pub(crate) fn matches(&self, pattern: &[u8], text: &[u8]) -> bool {
        (self.matches)(pattern, text)
    }
}
