//! Where users come from, and what their changes mean for clients.

use std::sync::Arc;

use acl::{User, Users};
use commands::Registry;
use config::{AclPubsubDefault, Config, Settings};

use super::catalog;
use crate::action::{Action, ConnId, JobId};
use crate::connections::Slot;
use crate::node::Node;
use crate::pubsub::Scope;
use crate::session::{Blocked, Session};

/// Whether the users of a configuration, and those of its ACL file, can be taken: `acl_file` is what stands in that.
///
/// # Errors
///
/// What is wrong with them. An instance is not to be started then.
pub fn check_users(config: &Config, acl_file: Option<&[u8]>) -> Result<(), String> {
    defined(&Registry::new(), config.settings(), config, acl_file).map(|_| ())
}

/// The users that a configuration and an ACL file define.
pub(super) fn defined(
    registry: &Registry,
    settings: &Settings,
    config: &Config,
    acl_file: Option<&[u8]>,
) -> Result<Users, String> {
    let mut users = Users::new(catalog(registry));
    users.set_all_channels_by_default(settings.acl_pubsub_default == AclPubsubDefault::Allchannels);
    if let Some(password) = &settings.requirepass {
        users.set_default_password(Some(password.as_bytes()));
    }
    let definitions = config.users();
    if settings.aclfile.is_some() && !definitions.is_empty() {
        return Err("Users are defined in the configuration file and in an ACL file, of which only one would count: define \
                    all of them in one of the two."
            .to_owned());
    }
    for words in &definitions {
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let Some((name, rules)) = words.split_first() else { continue };
        let user = users.define(name, rules)?;
        if !user.is_enabled() {
            tracing::info!(
                "The user '{}' is disabled: there is no 'on' in its definition.",
                String::from_utf8_lossy(name)
            );
        }
    }
    if let (Some(name), Some(text)) = (&settings.aclfile, acl_file) {
        users.load(text, name)?;
    }
    Ok(users)
}

impl Node {
    /// Lets a client be a user if the password is right. `command` is what it gave it with.
    pub(crate) fn authenticate(
        &mut self,
        session: &mut Session,
        name: &[u8],
        password: &[u8],
        command: &[u8],
    ) -> bool {
        match self.access.users.authenticate(name, password) {
            Some(user) => {
                session.set_user(user, true);
                true
            }
            None => {
                self.note_failed_login(session, name, command);
                false
            }
        }
    }

    /// `requirepass` has changed.
    pub(crate) fn change_default_password(&mut self, current: Option<&mut Session>) {
        let password = self.config.settings().requirepass.clone();
        self.access.users.set_default_password(password.as_deref().map(str::as_bytes));
        self.renew_users(current);
    }

    /// Users have changed: every session gets its user as it is now. Clients whose user is gone are disconnected, and those who
    /// subscribe to what they may no longer hear. The session that runs the command is out of its slot.
    pub(crate) fn renew_users(&mut self, current: Option<&mut Session>) {
        let open = self.access.lets_anyone_in();
        let mut doomed: Vec<ConnId> = Vec::new();
        for entry in &mut self.slots {
            if let Slot::Client(session) = &mut entry.slot
                && !renew(session, &self.access.users, open)
            {
                doomed.push(session.conn);
            }
        }
        for conn in doomed {
            self.close_client(conn);
        }
        if let Some(current) = current {
            // It gets its answer first.
            current.close_after_reply |= !renew(current, &self.access.users, open);
        }
    }

    /// What ACL LOAD and ACL SAVE answer without a file.
    pub(crate) const NO_ACL_FILE: &str = "ERR This instance is not configured to use an ACL file. You may want to specify \
        users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in \
        order to store users in the configuration.";

    /// The path of the ACL file.
    pub(crate) fn acl_path(&self) -> Option<std::path::PathBuf> {
        let settings = self.config.settings();
        settings.aclfile.as_ref().map(|name| std::path::Path::new(&settings.dir).join(name))
    }

    /// The ACL file has been read, or could not be.
    pub(crate) fn acl_read(&mut self, job: JobId, result: Result<Vec<u8>, String>) {
        let name = self.config.settings().aclfile.clone().unwrap_or_default();
        let result = result
            .map_err(|error| format!("Error loading ACLs, opening file '{name}': {error}"))
            .and_then(|text| self.access.users.load(&text, &name));
        match &result {
            Ok(()) => tracing::info!("The users were taken from {name} again."),
            Err(error) => tracing::warn!("ACL LOAD failed: {error}"),
        }
        let waiting = self.waiting_for(job).and_then(|conn| self.take_session(conn));
        match waiting {
            None => self.renew_users(None),
            Some(mut session) => {
                let conn = session.conn;
                self.renew_users(Some(&mut session));
                if session.close_after_reply {
                    session.pending.clear();
                }
                self.put_waiting_back(session);
                self.answer(conn, result);
            }
        }
    }

    /// The ACL file is written, or could not be.
    pub(crate) fn acl_saved(&mut self, job: JobId, result: Result<(), String>) {
        if let Err(error) = &result {
            tracing::warn!("ACL SAVE failed: {error}");
        }
        if let Some(conn) = self.waiting_for(job) {
            let result = result.map_err(|_| {
                "There was an error trying to save the ACLs. Please check the server logs for more information".to_owned()
            });
            self.answer(conn, result);
        }
    }

    fn waiting_for(&self, job: JobId) -> Option<ConnId> {
        let waiting = self.sessions().find(|session| session.blocked == Some(Blocked::Job(job)));
        waiting.map(|session| session.conn)
    }

    fn put_waiting_back(&mut self, session: Box<Session>) {
        if let Some(slot) = self.slot_mut(session.conn) {
            *slot = Slot::Client(session);
        }
    }

    fn answer(&mut self, conn: ConnId, result: Result<(), String>) {
        self.unblock(conn, |session| match result {
            Ok(()) => session.reply.ok(),
            Err(error) => session.reply.error(&format!("ERR {error}")),
        });
    }

    /// Asks for a job on the ACL file; the client waits for it. Inside a transaction there is no waiting: the answer is given at
    /// once, and a failure is found in the log.
    pub(crate) fn start_acl_job(&mut self, session: &mut Session, action: impl FnOnce(JobId) -> Action) {
        let job = self.new_job();
        self.actions.push(action(job));
        if session.in_exec {
            session.reply.ok();
        } else {
            session.blocked = Some(Blocked::Job(job));
        }
    }

    /// Puts the users of now into a configuration that is to be written, unless an ACL file holds them.
    pub(crate) fn put_users_into(&self, config: &mut Config) -> Result<(), String> {
        let settings = self.config.settings();
        if settings.aclfile.is_some() {
            return Ok(());
        }
        // What the next start makes of the rest of the file needs not be written.
        let mut implied = Users::new(self.access.users.catalog().clone());
        implied.set_default_password(settings.requirepass.as_deref().map(str::as_bytes));
        let mut definitions = Vec::new();
        for user in self.access.users.iter().filter(|user| *user != implied.default_user()) {
            let name = || String::from_utf8_lossy(user.name()).into_owned();
            let text = [user.name(), b" ", &user.description()].concat();
            let text = String::from_utf8(text)
                .map_err(|_| format!("the user '{}' is no UTF-8: use an ACL file", name()))?;
            definitions.push(text.split(' ').map(str::to_owned).collect());
        }
        config.set_users(&definitions);
        Ok(())
    }
}

/// Gives a session its user as it is now. `false` if there is none any more, or the client hears what it must not.
fn renew(session: &mut Session, users: &Users, open: bool) -> bool {
    let Some(user) = users.get(session.user.name()) else {
        session.set_user(users.default_user().clone(), false);
        return false;
    };
    if Arc::ptr_eq(user, &session.user) && (session.authenticated || !open) {
        return true;
    }
    let keeps = keeps_subscriptions(session, users, user);
    // Where nobody has to authenticate, those who have not yet need no longer.
    session.set_user(user.clone(), session.authenticated || open);
    keeps
}

/// Whether a client whose user has become another may go on hearing all that it has subscribed to.
fn keeps_subscriptions(session: &Session, users: &Users, after: &User) -> bool {
    let Some(own) = session.subscriptions.as_deref() else { return true };
    let allowed = |scope| {
        let is_pattern = scope == Scope::Pattern;
        own.of(scope).keys().all(|name| users.allows_channel(after, name, is_pattern))
    };
    Users::keeps_channels(&session.user, after)
        || [Scope::Channel, Scope::Pattern, Scope::Shard].into_iter().all(allowed)
}
