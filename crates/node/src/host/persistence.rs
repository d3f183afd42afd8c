//! SAVE, BGSAVE, LASTSAVE, SHUTDOWN.

use resp::Args;

use crate::node::Node;
use crate::persistence::SaveKind;
use crate::session::{Blocked, Session};

/// SAVE: answered when the snapshot is on the disk. Other clients are served meanwhile.
pub(crate) fn save(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if node.persistence.current.is_some() {
        return session.reply.error("ERR Background save already in progress");
    }
    let job = node.start_save(SaveKind::Client(session.conn));
    session.blocked = Some(Blocked::Job(job));
}

/// BGSAVE [SCHEDULE]
pub(crate) fn bgsave(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let schedule = match args.get(1) {
        None => false,
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return session.reply.error(commands::errors::SYNTAX),
    };
    if node.persistence.current.is_some() {
        if schedule {
            node.persistence.scheduled = true;
            return session.reply.simple("Background saving scheduled");
        }
        return session.reply.error("ERR Background save already in progress");
    }
    node.start_save(SaveKind::Background);
    session.reply.simple("Background saving started");
}

/// LASTSAVE
pub(crate) fn lastsave(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(node.persistence.last_save_unix_s as i64);
}

/// SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]
pub(crate) fn shutdown(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for word in args.from(1).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"save" => save = true,
            b"nosave" => nosave = true,
            b"now" => now = true,
            b"force" => force = true,
            b"abort" => abort = true,
            _ => return session.reply.error(commands::errors::SYNTAX),
        }
    }
    if (abort && args.len() > 2) || (save && nosave) {
        return session.reply.error(commands::errors::SYNTAX);
    }
    if abort {
        if node.persistence.shutdown.is_none() {
            return session.reply.error("ERR No shutdown in progress.");
        }
        tracing::warn!("Shutdown manually aborted.");
        node.abort_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
        return session.reply.ok();
    }
    if session.transaction.is_some() {
        return session.reply.error("ERR SHUTDOWN is not allowed in transactions");
    }
    session.blocked = Some(Blocked::Shutdown);
    if let Some(shutdown) = &mut node.persistence.shutdown {
        shutdown.clients.push(session.conn);
        return;
    }
    let save = save || (!nosave && !node.config.settings().save.is_empty());
    node.begin_shutdown(save, now, force, Some(session.conn));
}
