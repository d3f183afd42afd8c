//! A user: whether it may come in, and its rights.

use crate::catalog::Catalog;
use crate::check::{Denial, Request};
use crate::error::RuleError;
use crate::password::PasswordHash;
use crate::selector::Selector;
use crate::words::{merge_selectors, words};

/// A user. It never changes: a changed one takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<[u8]>,
    enabled: bool,
    /// Any password is right.
    no_password: bool,
    passwords: Vec<PasswordHash>,
    root: Selector,
    selectors: Vec<Selector>,
    /// Some selector allows everything.
    unrestricted: bool,
}

impl User {
    /// A user that is off and has no rights.
    pub(crate) fn new(name: &[u8], catalog: &Catalog, all_channels: bool) -> User {
        User {
            name: name.into(),
            enabled: false,
            no_password: false,
            passwords: Vec::new(),
            root: Selector::new(catalog, all_channels),
            selectors: Vec::new(),
            unrestricted: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may authenticate.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether any password is right.
    pub fn needs_no_password(&self) -> bool {
        self.no_password
    }

    /// Whether it may do everything, so that nothing needs to be checked.
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// The hashes of its passwords.
    pub fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }

    /// Its own rights.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// Its further sets of rights.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Whether this is a password of its. Takes the same time for any two of the same length.
    pub(crate) fn accepts(&self, password: &PasswordHash) -> bool {
        let found = self.passwords.iter().fold(false, |found, own| found | own.matches(password));
        self.enabled & (self.no_password | found)
    }

    /// Takes one rule. If it is wrong the user may have changed in part: throw it away.
    pub(crate) fn apply(
        &mut self,
        rule: &[u8],
        catalog: &Catalog,
        all_channels: bool,
    ) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            // Every payload is checked: nothing to switch.
            b"sanitize-payload" | b"skip-sanitize-payload" => {}
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = User::new(&self.name, catalog, all_channels),
            [b'>', ..] => self.add_password(PasswordHash::of(&rule[1..])),
            [b'#', ..] => self.add_password(PasswordHash::from_hex(&rule[1..])?),
            [b'<', ..] => self.remove_password(&PasswordHash::of(&rule[1..]))?,
            [b'!', ..] => self.remove_password(&PasswordHash::from_hex(&rule[1..])?)?,
            [b'(', .., b')'] => {
                let mut selector = Selector::new(catalog, all_channels);
                for rule in words(&rule[1..rule.len() - 1]) {
                    // Where such a rule is read again, as from a file, its parenthesis would end the selector.
                    if rule.ends_with(b")") {
                        return Err(RuleError::Syntax);
                    }
                    selector.apply(rule, catalog)?;
                }
                self.selectors.push(selector);
            }
            _ => self.root.apply(rule, catalog)?,
        }
        let unrestricted = self.all_selectors().any(Selector::is_unrestricted);
        self.unrestricted = unrestricted;
        Ok(())
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, hash: &PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|own| own == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Takes all rules of a definition or none.
    pub(crate) fn apply_all(
        &mut self,
        rules: &[&[u8]],
        catalog: &Catalog,
        all_channels: bool,
    ) -> Result<(), crate::SetUserError> {
        let mut changed = self.clone();
        for rule in merge_selectors(rules)? {
            changed.apply(&rule, catalog, all_channels).map_err(|error| crate::SetUserError::Rule {
                rule: String::from_utf8_lossy(&rule).into_owned(),
                error,
            })?;
        }
        *self = changed;
        Ok(())
    }

    /// Whether a request is allowed.
    pub(crate) fn check(&self, catalog: &Catalog, request: &Request<'_>) -> Result<(), Denial> {
        // The refusal that is told is that of the set of rights under which the request got furthest.
        let mut furthest: Option<Denial> = None;
        for selector in self.all_selectors() {
            match selector.check(catalog, request) {
                Ok(()) => return Ok(()),
                Err(denial) => furthest = furthest.max(Some(denial)),
            }
        }
        furthest.map_or(Ok(()), Err)
    }

    /// Whether a command is allowed whatever its keys, channels and databases are: a test of a few bits.
    #[inline]
    pub fn allows_all_of(&self, command: usize) -> bool {
        self.all_selectors().any(|selector| selector.allows_all_of(command))
    }

    pub(crate) fn allows_channel(&self, catalog: &Catalog, channel: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|selector| selector.allows_channel(catalog, channel, is_pattern))
    }

    pub(crate) fn reads_all_keys(&self, catalog: &Catalog, command: usize) -> bool {
        self.all_selectors().any(|selector| selector.reads_all_keys(catalog, command))
    }

    /// Whether this user may use every channel that `before` could, so that no subscription of that needs to be looked at.
    pub(crate) fn keeps_channels_of(&self, before: &User) -> bool {
        let own: Vec<Option<&[Box<[u8]>]>> = self.all_selectors().map(Selector::channel_patterns).collect();
        if own.contains(&None) {
            return true;
        }
        let kept =
            |pattern: &[u8]| own.iter().flatten().any(|own| own.iter().any(|other| **other == *pattern));
        before.all_selectors().all(|selector| match selector.channel_patterns() {
            None => false,
            Some(patterns) => patterns.iter().all(|pattern| kept(pattern)),
        })
    }

    /// The rules that make it, in their canonical form, without its name.
    pub fn description(&self) -> Vec<u8> {
        let mut out = if self.enabled { b"on ".to_vec() } else { b"off ".to_vec() };
        if self.no_password {
            out.extend_from_slice(b"nopass ");
        }
        for hash in &self.passwords {
            out.push(b'#');
            out.extend_from_slice(hash.to_hex().as_bytes());
            out.push(b' ');
        }
        self.root.describe(&mut out);
        for selector in &self.selectors {
            out.extend_from_slice(b" (");
            selector.describe(&mut out);
            out.push(b')');
        }
        out
    }
}
