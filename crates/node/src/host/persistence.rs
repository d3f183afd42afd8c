//! SAVE, BGSAVE, LASTSAVE, SHUTDOWN.

use resp::Args;

use crate::node::Node;
use crate::persistence::SaveKind;
use crate::session::{Blocked, Session};

/// SAVE: answered when the snapshot is on the disk. Other clients are served meanwhile.
pub(crate) fn save(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if node.aof.rewrite.is_some() {
        // Its turn comes again.
        node.postpone_rewrite();
    }
    if node.persistence.current.is_some() {
        return session.reply.error("ERR Background save already in progress");
    }
    let job = node.start_save(SaveKind::Client(session.conn));
    session.blocked = Some(Blocked::Job(job));
}

/// BGSAVE [SCHEDULE | CANCEL]
pub(crate) fn bgsave(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let schedule = match args.get(1) {
        None => false,
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"cancel") => {
            return match node.cancel_background_save() {
                Some(what) => session.reply.simple(what),
                None => {
                    session.reply.error("ERR Background saving is currently not in progress or scheduled")
                }
            };
        }
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return session.reply.error(commands::errors::SYNTAX),
    };
    if node.persistence.current.is_some() {
        if schedule {
            node.persistence.scheduled = true;
            return session.reply.simple("Background saving scheduled");
        }
        if node.aof.rewrite.is_some() {
            return session.reply.error(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
                 BGSAVE whenever possible.",
            );
        }
        return session.reply.error("ERR Background save already in progress");
    }
    if node.replication.in_transaction() {
        // What has been written in it so far is in no position of the log: the snapshot is of its end.
        node.persistence.scheduled = true;
    } else {
        node.start_save(SaveKind::Background);
    }
    session.reply.simple("Background saving started");
}

/// BGREWRITEAOF
pub(crate) fn bgrewriteaof(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if node.aof.rewrite.is_some() {
        return session.reply.error("ERR Background append only file rewriting already in progress");
    }
    // One that was asked for by hand does not wait until others have failed often enough.
    node.aof.allow_rewrite();
    session.reply.simple(match node.start_or_schedule_rewrite() {
        true => "Background append only file rewriting started",
        false => "Background append only file rewriting scheduled",
    });
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

#[cfg(test)]
mod tests {
    use crate::action::{Action, Completion, SaveReport};
    use crate::snapshot::{SnapshotLoader, SnapshotWriter};
    use crate::testing::Fixture;

    fn changes(node: &mut Fixture) -> String {
        let other = node.client();
        let info = node.run_on(other, &["INFO", "persistence"]);
        node.eof(other);
        let line = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
        line.expect("the line is there").to_owned()
    }

    #[test]
    fn flushall_empties_the_dump_file() {
        let mut node = Fixture::with(&["--save", "900 100"]);
        node.run(&["SET", "a", "1"]);
        node.run(&["BGSAVE"]);
        let [Action::Save(old)] = &node.actions()[..] else { panic!("a save") };
        let old = old.id;
        assert_eq!(node.run(&["FLUSHALL"]), "+OK\r\n");
        assert_eq!(node.run(&["SAVE"]), "", "what comes next waits for the file");
        let mut actions = node.actions();
        actions.retain(|action| !matches!(action, Action::Free(_)));
        assert!(matches!(&actions[..], [Action::Cancel(job), Action::Save(_)] if *job == old), "{actions:?}");
        let Action::Save(save) = &actions[1] else { unreachable!("as just seen") };
        assert_eq!(save.view.total_keys(), 0);
        let report = SaveReport { bytes: 1, keys: 0 };
        node.complete(save.id, Completion::Saved(Ok(report)));
        assert_eq!(changes(&mut node), "0");
        assert_eq!(node.finish_saves(), 1, "SAVE itself");
        assert_eq!(node.read(), "+OK\r\n");
    }

    #[test]
    fn one_that_fails_leaves_the_changes_counted() {
        let mut node = Fixture::with(&["--save", "900 100"]);
        node.run(&["SET", "a", "1"]);
        node.run(&["FLUSHALL"]);
        let [save] = &node.saves()[..] else { panic!("a save") };
        node.complete(save.id, Completion::Saved(Err("no space".to_owned())));
        assert_eq!(changes(&mut node), "2");
        assert_eq!(node.run(&["PING"]), "+PONG\r\n", "the client does not wait for ever");
    }

    #[test]
    fn without_save_points_there_is_no_file_to_empty() {
        let mut node = Fixture::new();
        node.actions();
        node.run(&["FLUSHALL"]);
        assert!(node.saves().is_empty());
    }

    #[test]
    fn where_there_is_no_dump_nobody_is_told_to_wait() {
        for has_no_dump in [false, true] {
            let boot = crate::Boot { has_no_dump, ..crate::Boot::default() };
            let mut node = Fixture::boot(&[], boot);
            node.node.start(node.now);
            let loads = node.actions().iter().any(|action| matches!(action, Action::Load(_)));
            assert_eq!((node.node.is_ready(), loads), (has_no_dump, !has_no_dump));
        }
    }

    #[test]
    fn what_expired_while_the_instance_was_away_is_logged_before_anything_for_those_who_follow() {
        let mut before = Fixture::new();
        before.begin_logging();
        before.run(&["HSETEX", "h", "PX", "50", "FIELDS", "1", "over", "1"]);
        before.run(&["HSET", "h", "stays", "1"]);
        before.run(&["SET", "k", "1", "PX", "50"]);
        before.actions();
        before.run(&["BGSAVE"]);
        let save = before.saves().pop().expect("a save");
        let mut after = Fixture::new();
        after.advance_ms(1000);
        after.actions();
        after.node.start(after.now);
        let Some(Action::Load(load)) = after.actions().pop() else { panic!("the file is to be loaded") };
        let mut loader = SnapshotLoader::new(load.options);
        SnapshotWriter::new(save.view, save.header, save.options, save.progress)
            .run(&mut |chunk, _| loader.feed(&chunk).is_ok());
        after.complete(load.id, Completion::Loaded(loader.finish()));
        assert_eq!(
            after.log_from(before.log_end()),
            "",
            "as long as this may become a replica of the same history"
        );
        let replica = after.client();
        after.run_on(replica, &["PSYNC", "?", "-1"]);
        after.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        assert_eq!(after.run(&["HLEN", "h"]), ":1\r\n");
        let log = after.log_from(before.log_end());
        assert!(log.contains("HDEL $1 h $4 over") && log.contains(" $1 k "), "{log}");
    }

    #[test]
    fn a_transaction_does_not_wait_for_the_file() {
        let mut node = Fixture::with(&["--save", "900 100"]);
        node.run(&["MULTI"]);
        node.run(&["FLUSHALL"]);
        node.run(&["SET", "a", "1"]);
        assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n+OK\r\n");
        assert!(node.saves().is_empty(), "its log does not end in the middle");
        node.advance_ms(100);
        let [save] = &node.saves()[..] else { panic!("a save") };
        assert_eq!(save.view.total_keys(), 1);
    }

    #[test]
    fn a_snapshot_asked_for_in_a_transaction_is_of_its_end() {
        let mut node = Fixture::with(&["--save", ""]);
        for command in [&["MULTI"][..], &["SET", "a", "1"], &["BGSAVE"], &["SET", "b", "1"]] {
            node.run(command);
        }
        assert_eq!(node.run(&["EXEC"]), "*3\r\n+OK\r\n+Background saving started\r\n+OK\r\n");
        assert!(node.saves().is_empty());
        node.advance_ms(100);
        let [save] = &node.saves()[..] else { panic!("a save") };
        assert_eq!(save.view.total_keys(), 2);
    }

    const NOTHING: &str = "-ERR Background saving is currently not in progress or scheduled\r\n";

    fn saving(node: &mut Fixture) -> bool {
        node.run(&["INFO", "persistence"]).contains("\r\nrdb_bgsave_in_progress:1\r\n")
    }

    #[test]
    fn a_background_save_can_be_given_up() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["BGSAVE", "CANCEL"]), NOTHING);
        node.run(&["SET", "key", "value"]);
        node.run(&["BGSAVE"]);
        let job = node.saves().pop().expect("a save was asked for").id;
        assert_eq!(node.run(&["BGSAVE", "CANCEL"]), "+Background saving cancelled\r\n");
        assert!(
            node.actions()
                .iter()
                .any(|action| matches!(action, Action::Cancel(given_up) if *given_up == job))
        );
        assert!(!saving(&mut node));
        assert_eq!(node.run(&["BGSAVE", "CANCEL"]), NOTHING);
        assert!(node.run(&["INFO", "persistence"]).contains("rdb_changes_since_last_save:1\r\n"));
    }

    #[test]
    fn a_save_that_waits_can_be_given_up() {
        let mut node = Fixture::new();
        node.input(node.conn, &["SAVE"]);
        let job = node.saves().pop().expect("a save was asked for").id;
        let other = node.client();
        assert_eq!(node.run_on(other, &["BGSAVE", "SCHEDULE"]), "+Background saving scheduled\r\n");
        let reply = node.run_on(other, &["BGSAVE", "CANCEL"]);
        assert_eq!(reply, "+Scheduled background saving cancelled\r\n");
        node.complete(job, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 0 })));
        assert_eq!(node.read(), "+OK\r\n", "what others wait for is not given up");
        assert!(node.saves().is_empty());
    }

    #[test]
    fn what_was_flushed_is_not_saved_any_more() {
        let mut node = Fixture::with(&["--save", ""]);
        node.run(&["SET", "key", "value"]);
        node.run(&["BGSAVE"]);
        node.run(&["FLUSHDB"]);
        assert!(saving(&mut node), "other databases may hold something");
        node.run(&["FLUSHALL"]);
        assert!(!saving(&mut node));
        node.advance_ms(200);
        assert!(!saving(&mut node), "nothing is saved where nobody wants it");
    }
}
