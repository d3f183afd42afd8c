//! Who may do what: users, the check before a command, and what is said when it fails.
//!
//! Whoever may do everything is known by one flag of its session, which is all that a command costs then. For others a request is
//! looked at closely: its command, keys, channels and databases ([`request`]). Users never change; a changed one takes the place of
//! the old one in every session ([`users`]).

mod request;
#[cfg(test)]
mod tests;
mod users;

use acl::{Catalog, Context, Denial, Event, Log, Reason, SecretSource, User, Users};
use commands::{AclCategories, CommandSpec, Flags, Registry};
use config::Settings;
use resp::Args;

use crate::host::client::line::Facts;
use crate::node::{Boot, Node};
use crate::session::Session;

pub(crate) use request::selected_by;
pub use users::check_users;

/// More of what was refused is not remembered: a key can be as long as a request.
const MAX_LOGGED_BYTES: usize = 4096;

/// Everything about users.
pub(crate) struct Access {
    pub users: Users,
    pub log: Log,
    pub secrets: SecretSource,
}

impl Access {
    /// The users that the configuration and the ACL file define.
    pub fn new(registry: &Registry, settings: &Settings, boot: &Boot, config: &config::Config) -> Access {
        let users = users::defined(registry, settings, config, boot.acl_file.as_deref());
        let users = users.unwrap_or_else(|error| {
            // Drivers check this before they start. One that does not must not serve everybody.
            tracing::error!("{error}");
            let mut users = Users::new(catalog(registry));
            let off = users.set(b"default", &[b"reset"]);
            debug_assert!(off.is_ok());
            users
        });
        Access { users, log: Log::default(), secrets: SecretSource::new(boot.secret) }
    }

    /// Whether clients need not authenticate.
    pub fn lets_anyone_in(&self) -> bool {
        let default = self.users.default_user();
        default.is_enabled() && default.needs_no_password()
    }
}

/// The commands as rules name them: under their own names, also those that are renamed or switched off.
fn catalog(registry: &Registry) -> Catalog {
    let categories: Vec<String> =
        AclCategories::all().iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
    let mut catalog = Catalog::new(&categories, commands::glob::matches);
    for container in registry.all() {
        for spec in std::iter::once(container).chain(container.subcommands) {
            let open = spec.flags.contains(Flags::NO_AUTH);
            catalog.add(registry.index(spec), spec.full_name, spec.categories.bits(), open);
        }
    }
    catalog
}

/// Commands that read keys which stand not in their arguments, if they are told to.
fn reads_hidden_keys(spec: &CommandSpec) -> bool {
    matches!(spec.full_name, "sort" | "sort_ro")
}

impl Node {
    /// Whether a user may run a command while a database is selected. Scripts ask the same for each of their calls.
    pub(crate) fn verdict(
        &self,
        user: &User,
        spec: &'static CommandSpec,
        args: Args<'_>,
        db: usize,
    ) -> Result<(), Denial> {
        let command = self.registry.index(spec);
        if user.allows_all_of(command) {
            return Ok(());
        }
        let parts = request::Parts::of(spec, args, db, self.keyspace.databases());
        self.access.users.check(user, &parts.request(command, args))
    }

    /// Whether a restricted or unknown client may run a command, or queue it; it is told if not.
    #[cold]
    pub(crate) fn admit(
        &mut self,
        session: &mut Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
    ) -> bool {
        if !session.authenticated {
            if !spec.flags.contains(Flags::NO_AUTH) {
                self.refuse(session, Some(spec), |out| out.error("NOAUTH Authentication required."));
            }
            return spec.flags.contains(Flags::NO_AUTH);
        }
        let queued = session.transaction.as_ref().map(|transaction| transaction.db);
        let Err(denial) = self.verdict(&session.user, spec, args, queued.unwrap_or(session.db)) else {
            return true;
        };
        session.last_command = Some(spec);
        let context = if queued.is_some() { Context::Multi } else { Context::TopLevel };
        self.note_denied(session, spec, args, denial, context);
        let text = format!("NOPERM {}", refusal_text(&session.user, spec, denial));
        self.refuse(session, Some(spec), |out| out.error(&text));
        false
    }

    /// The same for a queued command whose turn it is; `exec` is the command that runs the queue.
    #[cold]
    pub(crate) fn admit_queued(
        &mut self,
        session: &mut Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        exec: Option<&'static CommandSpec>,
    ) -> bool {
        let Err(denial) = self.verdict(&session.user, spec, args, session.db) else { return true };
        session.last_command = exec;
        self.note_denied(session, spec, args, denial, Context::Multi);
        let reason = match denial.reason {
            Reason::Command => "no permission to execute the command or subcommand",
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments",
            Reason::Database => "no permission",
        };
        let from = session.reply.buf.len();
        session.reply.error(&format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
             is no longer allowed for the following reason: {reason}"
        ));
        self.stats.error_reply(&session.reply.buf[from + 1..]);
        false
    }

    /// Counts and remembers that something was refused.
    pub(crate) fn note_denied(
        &mut self,
        session: &Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        denial: Denial,
        context: Context,
    ) {
        let (reason, count) = match denial.reason {
            Reason::Command => ("command", &mut self.stats.denied_commands),
            Reason::Key => ("key", &mut self.stats.denied_keys),
            Reason::Channel => ("channel", &mut self.stats.denied_channels),
            Reason::Database => ("database", &mut self.stats.denied_databases),
        };
        *count += 1;
        let object = object_of(spec, args, denial);
        self.log_denied(session, reason, context, object, session.user.name());
    }

    /// Somebody could not come in.
    fn note_failed_login(&mut self, session: &Session, name: &[u8], command: &[u8]) {
        self.stats.denied_logins += 1;
        let context = if session.in_exec { Context::Multi } else { Context::TopLevel };
        self.log_denied(session, "auth", context, command, name);
    }

    fn log_denied(
        &mut self,
        session: &Session,
        reason: &'static str,
        context: Context,
        object: &[u8],
        username: &[u8],
    ) {
        let mut client_info = Vec::new();
        Facts::of(self, session).write(&mut client_info);
        client_info.pop();
        let cut = |text: &[u8]| text[..text.len().min(MAX_LOGGED_BYTES)].to_vec();
        let event = Event { reason, context, object: cut(object), username: cut(username), client_info };
        let max = self.config.settings().acllog_max_len as usize;
        self.access.log.note(event, self.now.unix_ms(), max);
    }

    /// Whether a command that may read keys which its arguments do not name may do so for this client.
    #[cold]
    pub(crate) fn may_read_all_keys(&self, session: &Session, spec: &'static CommandSpec) -> bool {
        !reads_hidden_keys(spec) || self.access.users.reads_all_keys(&session.user, self.registry.index(spec))
    }
}

/// What a denial is about, as the log names it.
fn object_of<'a>(spec: &'static CommandSpec, args: Args<'a>, denial: Denial) -> &'a [u8] {
    match (denial.reason, denial.at) {
        (_, Some(at)) => args.get(at).unwrap_or_default(),
        (Reason::Database, None) => container_name(spec).as_bytes(),
        (_, None) => spec.full_name.as_bytes(),
    }
}

/// "config" of "config|get".
fn container_name(spec: &CommandSpec) -> &'static str {
    spec.full_name.split('|').next().unwrap_or(spec.full_name)
}

/// What a client is told, without the code: names of keys, channels and databases are not repeated.
pub(crate) fn refusal_text(user: &User, spec: &CommandSpec, denial: Denial) -> String {
    match denial.reason {
        Reason::Command => format!(
            "User {} has no permissions to run the '{}' command",
            String::from_utf8_lossy(user.name()),
            spec.full_name
        ),
        Reason::Key => "No permissions to access a key".to_owned(),
        Reason::Channel => "No permissions to access a channel".to_owned(),
        Reason::Database => "No permissions to access database".to_owned(),
    }
}

/// What an operator is told who asks on behalf of a user (ACL DRYRUN).
pub(crate) fn full_refusal_text(
    user: &User,
    spec: &'static CommandSpec,
    args: Args<'_>,
    denial: Denial,
) -> Vec<u8> {
    let what: (&[u8], &[u8]) = match denial.reason {
        Reason::Command => return refusal_text(user, spec, denial).into_bytes(),
        Reason::Key => (b"the '", b"' key"),
        Reason::Channel => (b"the '", b"' channel"),
        Reason::Database => (b"database ", b""),
    };
    let object = object_of(spec, args, denial);
    [b"User ", user.name(), b" has no permissions to access ", what.0, object, what.1].concat()
}
