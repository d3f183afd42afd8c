//! Commands in a file that are more than data. We write none of them but SELECT and FUNCTION; servers before Redis 5 logged scripts as
//! they were called, and their files are read, too.

use commands::CommandSpec;
use resp::Args;

use crate::action::ConnId;
use crate::node::Node;
use crate::session::{Peer, Session};

/// Errors that say that a script has not been run at all: what it did when it was logged is missing.
const NOT_RUN: [&str; 3] = ["NOSCRIPT ", "ERR Function not found", "ERR Error compiling script"];

impl Node {
    /// Carries such a command out.
    ///
    /// # Errors
    ///
    /// Why the dataset would not be what it was.
    pub(crate) fn load_host_command(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
    ) -> Result<(), String> {
        match spec.full_name {
            "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro" | "script|load"
            | "script|flush" => return self.replay_script(spec, args),
            "select" => {
                let index = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse::<usize>().ok());
                let databases = self.keyspace.databases();
                if index.is_none_or(|index| index >= databases) {
                    let index = String::from_utf8_lossy(args.at(1));
                    return Err(format!("database {index} is selected, and there are {databases}"));
                }
            }
            "publish" | "spublish" | "ping" | "replconf" => {}
            name if name.starts_with("function|") => {}
            name if spec.is_write() => return Err(format!("'{name}' cannot be carried out")),
            name => tracing::warn!("The append only file holds '{name}', which has no effect"),
        }
        self.apply_host_command(spec, args);
        Ok(())
    }

    /// Runs a script as it was run. Its effects are not logged: the call stands in the file, and in the log, if its offset is known.
    fn replay_script(&mut self, spec: &'static CommandSpec, args: Args<'_>) -> Result<(), String> {
        let user = self.access.users.default_user().clone();
        // Nobody has this number: it is not to be found among the clients.
        let mut session = Session::new(ConnId(u64::MAX), 0, Peer::default(), user, self.now.mono_us);
        (session.authenticated, session.unrestricted, session.in_exec) = (true, true, true);
        session.db = self.replication.stream_db();
        self.replication.begin_transaction();
        self.scripting.replays = true;
        self.call(&mut session, spec, args, None);
        self.scripting.replays = false;
        self.replication.forget_transaction();
        if session.reply.buf.first() == Some(&b'-') {
            let error = String::from_utf8_lossy(&session.reply.buf[1..]).trim_end().to_owned();
            if NOT_RUN.iter().any(|front| error.starts_with(front)) {
                return Err(format!("a script cannot be carried out ({error})"));
            }
            // It may have failed when it was logged, after its first write.
            tracing::warn!("A script of the append only file ends with an error: {error}");
        }
        Ok(())
    }
}
