//! ACL files, and the users of a configuration file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::RuleError;
use crate::user::User;
use crate::users::{DEFAULT, Users};
use crate::words::{has_spaces, merge_selectors, words};

/// Ends what is said about a file that was not taken.
const UNCHANGED: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

impl Users {
    /// Takes the users of an ACL file in place of all these: all of them, or none if there is a mistake.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file, with line numbers; `file` is what it is called.
    pub fn load(&mut self, text: &[u8], file: &str) -> Result<(), String> {
        let mut found: BTreeMap<Box<[u8]>, Arc<User>> = BTreeMap::new();
        let mut errors = String::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            match self.line(line, number, file, &found) {
                Ok(user) => {
                    found.insert(user.name().into(), Arc::new(user));
                }
                Err(error) => errors.push_str(&error),
            }
        }
        if !errors.is_empty() {
            return Err(errors + UNCHANGED);
        }
        let default = self.fresh_default();
        found.entry(DEFAULT.into()).or_insert_with(|| Arc::new(default));
        self.by_name = found;
        Ok(())
    }

    fn line(
        &self,
        line: &[u8],
        number: usize,
        file: &str,
        found: &BTreeMap<Box<[u8]>, Arc<User>>,
    ) -> Result<User, String> {
        let mut words = words(line).into_iter();
        let (Some(b"user"), Some(name)) = (words.next(), words.next()) else {
            return Err(format!("{file}:{number} should start with user keyword followed by the username. "));
        };
        if found.contains_key(name) {
            let name = String::from_utf8_lossy(name);
            return Err(format!("WARNING: Duplicate user '{name}' found on line {number}. "));
        }
        let rules: Vec<&[u8]> = words.collect();
        let rules = merge_selectors(&rules)
            .map_err(|_| format!("{file}:{number}: Unmatched parenthesis in selector definition."))?;
        let mut user = User::new(name, &self.catalog, self.all_channels);
        for rule in &rules {
            user.apply(rule, &self.catalog, self.all_channels).map_err(|error| match error {
                RuleError::Syntax => format!("{file}:{number}: {error}. "),
                _ => {
                    let rule = String::from_utf8_lossy(rule);
                    format!("{file}:{number}: Error in applying operation '{rule}': {error}. ")
                }
            })?;
        }
        Ok(user)
    }

    /// Takes one definition of a configuration file, in words: a name and rules. It says all there is to say about that user.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn define(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<Arc<User>, String> {
        let shown = String::from_utf8_lossy(name).into_owned();
        if has_spaces(name) {
            return Err(format!("Spaces not allowed in ACL usernames: '{shown}'"));
        }
        let rules = merge_selectors(rules)
            .map_err(|error| format!("Error in user declaration '{shown}': {error}"))?;
        let mut user = User::new(name, &self.catalog, self.all_channels);
        for rule in &rules {
            user.apply(rule, &self.catalog, self.all_channels).map_err(|error| {
                let rule = String::from_utf8_lossy(rule);
                format!("Error loading ACL rule '{rule}' for the user named '{shown}': {error}")
            })?;
        }
        let user = Arc::new(user);
        self.by_name.insert(name.into(), user.clone());
        Ok(user)
    }

    /// All users as definitions, `name rule …`.
    pub fn definitions(&self) -> impl Iterator<Item = Vec<u8>> {
        self.iter().map(|user| [user.name(), b" ", &user.description()].concat())
    }

    /// The text of an ACL file with all users.
    pub fn save(&self) -> Vec<u8> {
        self.definitions().flat_map(|definition| [b"user ", &definition[..], b"\n"].concat()).collect()
    }
}
