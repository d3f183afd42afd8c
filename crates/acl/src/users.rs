//! All users by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::check::{Denial, Request};
use crate::error::SetUserError;
use crate::password::PasswordHash;
use crate::user::User;
use crate::words::has_spaces;

/// The name of the user that every connection begins with.
pub(crate) const DEFAULT: &[u8] = b"default";

/// All users. There is always one called `default`.
#[derive(Clone, Debug)]
pub struct Users {
    pub(crate) catalog: Catalog,
    pub(crate) by_name: BTreeMap<Box<[u8]>, Arc<User>>,
    /// New users may use all channels.
    pub(crate) all_channels: bool,
}

impl Users {
    /// The default user alone, who may do everything without a password.
    pub fn new(catalog: Catalog) -> Users {
        let mut users = Users { catalog, by_name: BTreeMap::new(), all_channels: false };
        users.by_name.insert(DEFAULT.into(), Arc::new(users.fresh_default()));
        users
    }

    /// The default user as it is before anything is said about it.
    pub(crate) fn fresh_default(&self) -> User {
        let mut user = User::new(DEFAULT, &self.catalog, false);
        for rule in [&b"+@all"[..], b"~*", b"&*", b"on", b"nopass"] {
            user.apply(rule, &self.catalog, false).expect("because each of these is a rule");
        }
        user
    }

    /// Whether new users may use all channels (`acl-pubsub-default`); those that exist stay as they are.
    pub fn set_all_channels_by_default(&mut self, all: bool) {
        self.all_channels = all;
    }

    /// The commands that rules can name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The user of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user that every connection begins with.
    pub fn default_user(&self) -> &Arc<User> {
        self.by_name.get(DEFAULT).expect("because it is there from the beginning and never removed")
    }

    /// All users, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// Creates a user or changes one: all rules or none.
    ///
    /// # Errors
    ///
    /// What is wrong with the name or with a rule.
    pub fn set(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<Arc<User>, SetUserError> {
        if has_spaces(name) {
            return Err(SetUserError::Name);
        }
        let mut user = match self.by_name.get(name) {
            Some(user) => User::clone(user),
            None => User::new(name, &self.catalog, self.all_channels),
        };
        user.apply_all(rules, &self.catalog, self.all_channels)?;
        let user = Arc::new(user);
        self.by_name.insert(name.into(), user.clone());
        Ok(user)
    }

    /// Gives the default user one password, or none (`requirepass`).
    pub fn set_default_password(&mut self, password: Option<&[u8]>) {
        let add = password.map(|password| [b">", password].concat());
        let mut user = User::clone(self.default_user());
        for rule in [&b"resetpass"[..], add.as_deref().unwrap_or(b"nopass")] {
            user.apply(rule, &self.catalog, false).expect("because each of these is a rule");
        }
        self.by_name.insert(DEFAULT.into(), Arc::new(user));
    }

    /// Removes a user; the default one stays.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<User>> {
        if name == DEFAULT { None } else { self.by_name.remove(name) }
    }

    /// The user of this name, if it may come in with this password.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        // The password is hashed for unknown names as well: they are not to be told by the time.
        let hash = PasswordHash::of(password);
        self.by_name.get(name).filter(|user| user.accepts(&hash)).cloned()
    }

    /// Whether a user may do what is asked.
    ///
    /// # Errors
    ///
    /// What it has no right to.
    pub fn check(&self, user: &User, request: &Request<'_>) -> Result<(), Denial> {
        user.check(&self.catalog, request)
    }

    /// Whether a user may use a channel, or a pattern of channels.
    pub fn allows_channel(&self, user: &User, channel: &[u8], is_pattern: bool) -> bool {
        user.allows_channel(&self.catalog, channel, is_pattern)
    }

    /// Whether a user may let a command read any key whatsoever, because its arguments do not tell which (SORT … BY).
    pub fn reads_all_keys(&self, user: &User, command: usize) -> bool {
        user.reads_all_keys(&self.catalog, command)
    }

    /// Whether `after` may use every channel that `before` could: no subscription needs to be looked at then.
    pub fn keeps_channels(before: &User, after: &User) -> bool {
        after.keeps_channels_of(before)
    }
}
