use super::*;
use crate::action::{Completion, SaveReport};
use crate::testing::Fixture;

/// What the writer has been asked to append since the last look, with the commands as text.
pub(super) fn appended(node: &mut Fixture) -> (String, Option<Offset>, bool) {
    let (mut text, mut upto, mut sync) = (Vec::new(), None, false);
    for action in node.actions() {
        let Action::Aof(AofWork::Append(batch)) = action else { continue };
        for piece in &batch.pieces {
            piece.encode(&mut text);
            text.extend_from_slice(piece.commands());
        }
        upto = Some(batch.upto);
        sync |= batch.sync;
    }
    (String::from_utf8_lossy(&text).replace("\r\n", " "), upto, sync)
}

/// A node whose file is in use.
pub(super) fn kept(options: &[&str]) -> Fixture {
    let mut node = Fixture::with(options);
    node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    let asked = node.actions();
    assert!(asked.iter().any(|action| matches!(action, Action::Aof(AofWork::Survey { .. }))), "{asked:?}");
    event(&mut node, AofEvent::Surveyed(Ok(None)));
    finish_rewrite(&mut node, 0);
    assert!(node.node.aof.phase == Phase::On);
    node
}

pub(super) fn event(node: &mut Fixture, event: AofEvent) {
    let now = node.now;
    node.node.aof_event(now, event);
}

/// Everything that a rewrite asks for happens.
fn finish_rewrite(node: &mut Fixture, written: u64) {
    event(node, AofEvent::Opened(Ok(0)));
    let save = node.saves().pop().expect("a base is written");
    assert!(save.header.aof_base && save.header.identity.is_some());
    node.complete(save.id, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 0 })));
    let asked = node.actions();
    assert!(asked.iter().any(|action| matches!(action, Action::Aof(AofWork::Switch(_)))), "{asked:?}");
    event(node, AofEvent::Switched(Ok(())));
    let epoch = node.node.aof.epoch;
    let batch = node.node.aof.batches;
    event(node, AofEvent::Written { epoch, upto: Offset(written), batch, size: 100 });
}

pub(super) fn written(node: &mut Fixture, upto: Offset) {
    let epoch = node.node.aof.epoch;
    let batch = node.node.aof.batches;
    event(node, AofEvent::Written { epoch, upto, batch, size: 200 });
}

pub(super) fn synced(node: &mut Fixture, upto: Offset) {
    let epoch = node.node.aof.epoch;
    let batch = node.node.aof.batches;
    event(node, AofEvent::Synced { epoch, upto, batch });
}

#[test]
fn a_reply_waits_until_what_was_written_stands_in_the_file() {
    let mut node = kept(&[]);
    let other = node.client();
    assert_eq!(node.run(&["SET", "a", "1"]), "");
    assert_eq!(node.run_on(other, &["GET", "a"]), "$1\r\n1\r\n", "who only reads does not wait");
    let (text, upto, sync) = appended(&mut node);
    assert!(text.contains("#TANDEM span 0 ") && text.ends_with("SET $1 a $1 1 ") && !sync, "{text}");
    written(&mut node, upto.expect("something was appended"));
    assert_eq!(node.read(), "+OK\r\n");
}

#[test]
fn with_always_it_waits_until_that_is_durable() {
    let mut node = kept(&["--appendfsync", "always"]);
    assert_eq!(node.run(&["SET", "a", "1"]), "");
    let (_, upto, sync) = appended(&mut node);
    assert!(sync);
    let upto = upto.expect("something was appended");
    written(&mut node, upto);
    assert_eq!(node.read(), "");
    synced(&mut node, upto);
    assert_eq!(node.read(), "+OK\r\n");
}

#[test]
fn replicas_do_not_get_what_is_not_in_the_file() {
    let mut node = kept(&[]);
    let replica = node.client();
    let id = node.node.replication.history.id().to_string();
    node.input(replica, &["REPLCONF", "capa", "psync2"]);
    node.read_from(replica);
    assert_eq!(node.run_on(replica, &["PSYNC", &id, "1"]), format!("+CONTINUE {id}\r\n"));
    node.actions();
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(replica), "");
    let (_, upto, _) = appended(&mut node);
    written(&mut node, upto.expect("something was appended"));
    assert!(node.read_from(replica).contains("SET"));
}

#[test]
fn what_is_for_replicas_only_is_not_appended() {
    let mut node = kept(&[]);
    node.run(&["SET", "a", "1"]);
    appended(&mut node);
    let before = node.log_end();
    node.run(&["PUBLISH", "channel", "text"]);
    let (text, upto, _) = appended(&mut node);
    assert!(!text.contains("PUBLISH") && text.contains(" 0 "), "{text}");
    assert!(text.starts_with(&format!("#TANDEM span {} ", node.log_end())), "{text}");
    assert!(upto > Some(before), "and the offset is told");
    for words in [&["MULTI"][..], &["PUBLISH", "c", "t"], &["SET", "b", "1"], &["SET", "c", "1"], &["EXEC"]] {
        node.run(words);
    }
    let (text, ..) = appended(&mut node);
    assert!(text.contains("MULTI") && text.ends_with("EXEC "), "a transaction is whole: {text}");
}

#[test]
fn a_full_disk_stops_writes_until_there_is_room() {
    let mut node = kept(&[]);
    assert_eq!(node.run(&["SET", "a", "1"]), "");
    appended(&mut node);
    let error = "No space left on device".to_owned();
    let epoch = node.node.aof.epoch;
    event(&mut node, AofEvent::WriteFailed { epoch, written: Offset(0), error });
    let other = node.client();
    assert!(node.run_on(other, &["SET", "b", "1"]).starts_with("-MISCONF Errors writing to the AOF file"));
    let info = node.run_on(other, &["INFO", "persistence"]);
    assert!(info.contains("aof_last_write_status:err\r\n"), "{info}");
    assert!(info.contains("aof_last_error:No space left on device\r\n"), "{info}");
    assert_eq!(node.read(), "", "what was written is not in the file");
    node.advance_ms(1100);
    let asked = node.actions();
    let again = asked.iter().find_map(|action| match action {
        Action::Aof(AofWork::Append(batch)) => Some(batch),
        _ => None,
    });
    let again = again.expect("it is tried again");
    assert!(again.resume && matches!(again.pieces[1], AofPiece::History(..)), "{again:?}");
    let upto = again.upto;
    written(&mut node, upto);
    assert_eq!(node.read(), "+OK\r\n");
    assert_eq!(node.run_on(other, &["SET", "b", "1"]), "", "it is on its way");
}

/// What waits for room belongs to the file so far. Handed over with a new one that cannot be opened either, it would be lost.
#[test]
fn a_rewrite_waits_until_there_is_room() {
    let mut node = kept(&[]);
    node.run(&["SET", "a", "1"]);
    appended(&mut node);
    let error = "No space left on device".to_owned();
    let epoch = node.node.aof.epoch;
    event(&mut node, AofEvent::WriteFailed { epoch, written: Offset(0), error });
    let other = node.client();
    assert_eq!(node.run_on(other, &["BGREWRITEAOF"]), "+Background append only file rewriting scheduled\r\n");
    let asked = node.actions();
    assert!(!asked.iter().any(|action| matches!(action, Action::Aof(_) | Action::Save(_))), "{asked:?}");
    node.advance_ms(1100);
    let (text, upto, _) = appended(&mut node);
    assert!(text.contains("#TANDEM span 0 ") && text.ends_with("SET $1 a $1 1 "), "{text}");
    written(&mut node, upto.expect("something was appended"));
    assert_eq!(node.read(), "+OK\r\n");
    node.advance_ms(1100);
    let asked = node.actions();
    assert!(asked.iter().any(|action| matches!(action, Action::Aof(AofWork::Open(_)))), "{asked:?}");
}

#[test]
fn after_a_flush_that_failed_only_a_new_base_is_trusted() {
    let mut node = kept(&["--appendfsync", "always"]);
    node.run(&["SET", "a", "1"]);
    let (_, upto, _) = appended(&mut node);
    let upto = upto.expect("something was appended");
    written(&mut node, upto);
    let epoch = node.node.aof.epoch;
    event(&mut node, AofEvent::SyncFailed { epoch, error: "Input/output error".to_owned() });
    let other = node.client();
    assert!(node.run_on(other, &["SET", "b", "1"]).starts_with("-MISCONF Errors flushing the AOF file"));
    node.advance_ms(1100);
    assert!(node.actions().iter().any(|action| matches!(action, Action::Aof(AofWork::Sync))));
    synced(&mut node, upto);
    assert_eq!(node.read(), "", "nobody knows what was lost");
    finish_rewrite(&mut node, upto.0);
    assert_eq!(node.read(), "+OK\r\n");
}

#[test]
fn a_promotion_names_the_history_before_anything_is_written_under_it() {
    let mut node = kept(&[]);
    node.run(&["SET", "a", "1"]);
    appended(&mut node);
    let at = node.log_end();
    let inner = &mut node.node;
    inner.replication.begin_history(&mut inner.rng);
    node.run(&["SET", "b", "1"]);
    let id = node.node.replication.history.id().to_string();
    let (text, ..) = appended(&mut node);
    assert!(text.contains(&format!(" #TANDEM history {id} {at} ")), "{text}");
    assert!(text.contains(&format!(":{at} ")) || text.contains("#TANDEM ancestor "), "{text}");
    assert!(text.ends_with("SET $1 b $1 1 "), "{text}");
}

#[test]
fn a_shutdown_ends_the_file() {
    let mut node = kept(&[]);
    node.input(node.conn, &["SET", "a", "1"]);
    let other = node.client();
    node.input(other, &["SHUTDOWN"]);
    let (text, upto, sync) = appended(&mut node);
    assert!(text.contains("SET $1 a") && sync, "{text}");
    let end = format!("#TANDEM end {} ", node.log_end());
    assert!(text.contains(&end) && text.contains(" master "), "{text}");
    let upto = upto.expect("something was appended");
    synced(&mut node, upto);
    assert!(node.actions().is_empty());
    event(&mut node, AofEvent::Ended { upto });
    assert!(node.actions().iter().any(|action| matches!(action, Action::Exit { code: 0 })));
}

#[test]
fn nothing_is_written_behind_the_end() {
    let mut node = kept(&[]);
    node.input(node.conn, &["SET", "a", "1"]);
    let other = node.client();
    node.input(other, &["SHUTDOWN"]);
    let upto = appended(&mut node).1.expect("something was appended");
    let late = node.client();
    assert_eq!(node.run_on(late, &["SET", "b", "1"]), "", "it is held");
    let third = node.client();
    assert!(node.run_on(third, &["INFO", "clients"]).contains("paused_reason:shutdown_in_progress"));
    node.advance_ms(100);
    node.node.before_write(node.now);
    assert!(node.actions().iter().all(|action| !matches!(action, Action::Aof(AofWork::Append(_)))));
    assert_eq!(node.run_on(third, &["SHUTDOWN", "ABORT"]), "+OK\r\n");
    node.advance_ms(100);
    node.node.before_write(node.now);
    let next = appended(&mut node).1.expect("something was appended");
    written(&mut node, next);
    assert_eq!(node.read_from(late), "+OK\r\n");

    // Should it have been written nevertheless, the line before it is not the last one.
    node.input(other, &["SHUTDOWN"]);
    let last = appended(&mut node).1.expect("something was appended");
    assert!(upto < next && next <= last);
    event(&mut node, AofEvent::Ended { upto });
    let exits =
        |node: &mut Fixture| node.actions().iter().any(|action| matches!(action, Action::Exit { .. }));
    assert!(!exits(&mut node));
    synced(&mut node, last);
    event(&mut node, AofEvent::Ended { upto: last });
    assert!(exits(&mut node));
}

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const INCR: &[u8] = b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";

fn id(seed: u64) -> backlog::ReplicationId {
    backlog::ReplicationId::random(&mut fastrand::Rng::with_seed(seed))
}

/// An increment: a history that begins at 100, two spans with something between them that is not in the file.
pub(super) fn increment(end: bool) -> Vec<u8> {
    let mut file = Vec::new();
    aof::Writer::select(&mut file, 3);
    let history = aof::History { id: id(1), offset: Offset(100), db: 3, unix_ms: 5 };
    let past = backlog::PastHistory { id: id(2), valid_to: Offset(90) };
    aof::Writer::history(&mut file, history, &[past]);
    aof::Writer::span(&mut file, Offset(100), 6, &[SET, INCR]);
    aof::Writer::span(&mut file, Offset(200), 7, &[INCR]);
    if end {
        aof::Writer::end(&mut file, Offset(221), 8, 3, false);
    }
    file
}

/// A node that has been started on a log of one increment, up to the moment when its file is to be opened.
pub(super) fn start_on(file: &[u8], options: &[&str]) -> Fixture {
    start_on_part(file, options, aof::Manifest::default(), crate::Recovery::None)
}

/// The same where more was not loaded.
fn start_on_part(
    file: &[u8],
    options: &[&str],
    marked: aof::Manifest,
    recovered: crate::Recovery,
) -> Fixture {
    use crate::{AofChunk, AofItem, AofSummary};
    let options: Vec<&str> = options.iter().copied().chain(["--appendonly", "yes"]).collect();
    let mut node = Fixture::with(&options);
    node.actions();
    let now = node.now;
    node.node.start(now);
    let asked = node.actions();
    let job = asked.iter().find_map(|action| match action {
        Action::Load(job) => Some(job.id),
        _ => None,
    });
    let job = job.expect("the files are loaded");
    node.complete(job, Completion::AofBase(None));
    let (mut reader, mut at) = (aof::Reader::new(), 0);
    let mut items = vec![AofItem::File { name: "increment".to_owned(), len: file.len() as u64 }];
    let mut commands = Vec::new();
    while let aof::Step::Item { item, len } = reader.next(&file[at..]).expect("it is not damaged") {
        let begins = at as u64;
        at += len;
        match item {
            aof::Item::Annotation(line) => items.push(AofItem::Line { line, at: begins }),
            aof::Item::Commands { bytes, origin } => {
                commands.extend_from_slice(bytes);
                items.push(AofItem::Commands { at: begins, len: bytes.len(), origin });
            }
        }
    }
    let tail = reader.tail((file.len() - at) as u64);
    node.complete(job, Completion::AofChunk(AofChunk { commands: commands.into(), items }));
    let text = b"file increment seq 1 type i\n";
    let manifest = aof::Manifest::parse(text).expect("a manifest");
    let manifest = aof::Manifest { recovered: marked.recovered, ..manifest };
    let summary = AofSummary { manifest, keep: tail.whole, ended: tail.ended, bytes: tail.whole, recovered };
    node.complete(job, Completion::AofLoaded(Ok(Box::new(summary))));
    node
}

/// Its file is opened, and what it says first is durable.
pub(super) fn opened(node: &mut Fixture) -> String {
    assert_eq!(node.run(&["PING"]).split(' ').next(), Some("-LOADING"), "not before the file is open");
    let (text, upto, sync) = appended(node);
    assert!(sync, "that writing goes on is durable first");
    event(node, AofEvent::Opened(Ok(10)));
    let upto = upto.expect("something was appended");
    written(node, upto);
    synced(node, upto);
    assert_eq!(node.run(&["PING"]), "+PONG\r\n");
    text
}

#[test]
fn after_a_good_end_the_history_goes_on() {
    let mut node = start_on(&increment(true), &[]);
    let text = opened(&mut node);
    assert!(text.contains(&format!(" #TANDEM history {} 221 3 ", id(1))), "{text}");
    assert!(text.contains(&format!("#TANDEM ancestor {} 90 ", id(2))), "{text}");
    assert_eq!(node.log_end(), Offset(221));
    // What is not in the file is filled with lines that mean nothing.
    let log = node.log_from(Offset(100));
    assert!(log.contains(&"\n".repeat(50)) && log.ends_with("INCR $1 n "), "{log}");
    node.run(&["SELECT", "3"]);
    assert_eq!(node.run(&["MGET", "a", "n"]), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    node.run(&["INCR", "n"]);
    let (text, ..) = appended(&mut node);
    assert!(text.contains("#TANDEM span 221 ") && text.contains("SELECT $1 3 "), "{text}");
}

/// However seldom the file is flushed otherwise: nobody is served before its first line is durable, so that is tried until it is.
#[test]
fn a_flush_that_fails_at_the_start_is_tried_again() {
    for policy in ["no", "everysec", "always"] {
        let mut node = start_on(&increment(true), &["--appendfsync", policy]);
        let (_, upto, _) = appended(&mut node);
        event(&mut node, AofEvent::Opened(Ok(10)));
        let upto = upto.expect("something was appended");
        written(&mut node, upto);
        let epoch = node.node.aof.epoch;
        event(&mut node, AofEvent::SyncFailed { epoch, error: "Input/output error".to_owned() });
        node.actions();
        node.advance_ms(1100);
        let asked = node.actions();
        assert!(
            asked.iter().any(|action| matches!(action, Action::Aof(AofWork::Sync))),
            "{policy}: {asked:?}"
        );
        assert!(node.run(&["PING"]).starts_with("-LOADING"));
        synced(&mut node, upto);
        assert_eq!(node.run(&["PING"]), "+PONG\r\n", "{policy}");
    }
}

#[test]
fn after_a_crash_it_has_another_name() {
    let mut node = start_on(&increment(false), &[]);
    let text = opened(&mut node);
    let own = *node.node.replication.history.id();
    assert_ne!(own, id(1));
    assert!(text.contains(&format!(" #TANDEM history {own} 221 ")), "{text}");
    assert!(text.contains(&format!("#TANDEM ancestor {} 221 ", id(1))), "{text}");
    let past = node.node.replication.history.can_continue(&id(1), Offset(150), &node.node.replication.log);
    assert!(past.is_possible(), "{past:?}");
    assert!(
        text.contains(&format!("#TANDEM history {own} 221 3 ")),
        "the database of the stream so far: {text}"
    );
    let beyond = node.node.replication.history.can_continue(&id(1), Offset(222), &node.node.replication.log);
    assert!(!beyond.is_possible(), "{beyond:?}");
}

/// While nobody writes after a start, what is over stays: replicas have it, and no new bytes are to part them. The first write must not
/// come of it.
#[test]
fn the_first_write_after_a_start_does_not_see_what_is_over() {
    let mut file = Vec::new();
    aof::Writer::select(&mut file, 0);
    let history = aof::History { id: id(1), offset: Offset(100), db: 0, unix_ms: 5 };
    aof::Writer::history(&mut file, history, &[]);
    let mut commands = Vec::new();
    resp::encode_request(&mut commands, &[b"SET", b"over", b"longer than the other", b"PXAT", b"1000"]);
    resp::encode_request(&mut commands, &[b"SET", b"here", b"w"]);
    aof::Writer::span(&mut file, Offset(100), 6, &[&commands]);
    let mut node = start_on(&file, &[]);
    opened(&mut node);
    assert_eq!(node.run(&["EXISTS", "over"]), ":0\r\n");
    let end = node.log_end();
    assert!(!node.log_from(Offset(100)).contains("UNLINK"), "nobody has written");
    node.run(&["BITOP", "OR", "made", "over", "here"]);
    let (_, upto, _) = appended(&mut node);
    written(&mut node, upto.expect("something was appended"));
    assert_eq!(node.read(), ":1\r\n");
    let log = node.log_from(end);
    let (gone, made) = (log.find("UNLINK $4 over"), log.find("BITOP"));
    assert!(gone.is_some() && gone < made, "{log}");
}

#[test]
fn a_replica_keeps_its_masters_history_however_it_ended() {
    for end in [false, true] {
        let mut node = start_on(&increment(end), &["--replicaof", "10.0.0.9 7000"]);
        opened(&mut node);
        assert_eq!((*node.node.replication.history.id(), node.log_end()), (id(1), Offset(221)));
        assert_eq!(node.node.replication.stream_db(), 3);
    }
}

#[test]
fn a_replica_whose_disk_takes_nothing_goes_on_or_ends() {
    for (ignores, ends) in [("yes", false), ("no", true)] {
        let options = ["--replicaof", "10.0.0.9 7000", "--replica-ignore-disk-write-errors", ignores];
        let mut node = start_on(&increment(true), &options);
        opened(&mut node);
        node.run(&["SELECT", "3"]);
        let (epoch, written) = (node.node.aof.epoch, node.log_end());
        event(
            &mut node,
            AofEvent::WriteFailed { epoch, written, error: "No space left on device".to_owned() },
        );
        let has_ended = |node: &mut Fixture| {
            node.actions().iter().any(|action| matches!(action, Action::Exit { code: 1 }))
        };
        node.node.apply_stream(b"*1\r\n$4\r\nPING\r\n");
        assert!(!has_ended(&mut node), "nothing is lost by a ping");
        let before = node.log_end();
        node.node.apply_stream(INCR);
        assert_eq!(has_ended(&mut node), ends);
        assert_eq!(node.log_end() == before, ends, "position and data belong together");
        assert_eq!(node.run(&["GET", "n"]), if ends { "$1\r\n2\r\n" } else { "$1\r\n3\r\n" });
        if !ends {
            node.advance_ms(1100);
            let (text, upto, _) = appended(&mut node);
            assert!(text.contains("INCR") && upto == Some(node.log_end()), "it catches up: {text}");
        }
    }
}

#[test]
fn what_others_have_appended_ends_the_history() {
    let mut file = increment(true);
    file.extend_from_slice(INCR);
    let mut node = start_on(&file, &[]);
    let text = opened(&mut node);
    let own = *node.node.replication.history.id();
    assert!(text.contains(&format!(" #TANDEM history {own} ")) && !text.contains("ancestor"), "{text}");
    assert!(!node.node.replication.history.knows(&id(1)));
    // It was appended for database 3, which was selected there.
    node.run(&["SELECT", "3"]);
    assert_eq!(node.run(&["GET", "n"]), "$1\r\n3\r\n");
}

#[test]
fn an_open_transaction_at_the_end_is_left_out() {
    let mut file = increment(false);
    aof::Writer::span(&mut file, Offset(221), 9, &[b"*1\r\n$5\r\nMULTI\r\n", INCR]);
    let mut node = start_on(&file, &[]);
    opened(&mut node);
    assert_eq!(node.log_end(), Offset(221));
    node.run(&["SELECT", "3"]);
    assert_eq!(node.run(&["GET", "n"]), "$1\r\n2\r\n");
}

#[test]
fn what_is_taken_back_begins_anew_before_anybody_is_served() {
    let point = aof::Point { unix_ms: Some(7), offset: None };
    let marked = aof::Manifest { recovered: Some(point), ..aof::Manifest::default() };
    let options = ["--aof-disable-auto-gc", "yes", "--aof-recover-until-time", "7"];
    let mut node = start_on_part(&increment(false), &options, marked, crate::Recovery::Cut);
    let own = *node.node.replication.history.id();
    assert!(own != id(1) && node.node.replication.history.ancestors()[0].id == id(1));
    assert_eq!(node.node.replication.history.ancestors()[0].valid_to, Offset(221));
    assert!(node.run(&["PING"]).starts_with("-LOADING"));
    event(&mut node, AofEvent::Opened(Ok(0)));
    let save = node.saves().pop().expect("a base is written");
    assert!(save.header.aof_base);
    node.complete(save.id, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 2 })));
    assert!(node.run(&["PING"]).starts_with("-LOADING"));
    let asked = node.actions();
    let switch = asked.iter().find_map(|action| match action {
        Action::Aof(AofWork::Switch(switch)) => Some(switch),
        _ => None,
    });
    let switch = switch.expect("the base takes the place of what was before");
    assert_eq!(switch.delete, ["increment"], "it is kept elsewhere");
    assert!(
        switch.after.text.starts_with("#TANDEM recovered time 7\n") && !switch.after.text.contains("type h")
    );
    event(&mut node, AofEvent::Switched(Ok(())));
    assert_eq!(node.run(&["PING"]), "+PONG\r\n");
}

#[test]
fn a_point_with_nothing_beyond_it_is_remembered() {
    let point = aof::Point { unix_ms: None, offset: Some(221) };
    let marked = aof::Manifest { recovered: Some(point), ..aof::Manifest::default() };
    let options = ["--aof-recover-until-offset", "221"];
    let mut node = start_on_part(&increment(true), &options, marked, crate::Recovery::NothingBeyond);
    let asked = node.actions();
    let open = asked.iter().find_map(|action| match action {
        Action::Aof(AofWork::Open(open)) => Some(open),
        _ => None,
    });
    let open = open.expect("the increment goes on");
    assert!(open.keep.is_some());
    let manifest = open.manifest.as_ref().expect("it is remembered");
    assert_eq!(manifest.text, "#TANDEM recovered offset 221\nfile increment seq 1 type i\n");
    assert_eq!(*node.node.replication.history.id(), id(1));
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out.into_bytes()
}

#[test]
fn scripts_of_old_files_are_run_and_not_logged_again() {
    let count = "return redis.call('incr', 'n')";
    let sha = String::from_utf8(script::sha1_hex(count.as_bytes()).to_vec()).expect("digits");
    let both = "redis.call('set', KEYS[1], ARGV[1]) return redis.call('incr', 'n')";
    let file = [
        command(&["SELECT", "3"]),
        command(&["EVAL", both, "1", "a", "1"]),
        command(&["SCRIPT", "LOAD", count]),
        command(&["EVALSHA", &sha, "0"]),
        command(&["EVAL", "redis.call('set', 'b', 1) error('late')", "0"]),
        command(&["MULTI"]),
        command(&["EVAL", count, "0"]),
        command(&["INCR", "n"]),
        command(&["EXEC"]),
    ];
    // What would keep a client from writing is no reason.
    let mut node = start_on(&file.concat(), &["--min-replicas-to-write", "3", "--busy-reply-threshold", "1"]);
    opened(&mut node);
    node.run(&["SELECT", "3"]);
    assert_eq!(node.run(&["MGET", "a", "n", "b"]), "*3\r\n$1\r\n1\r\n$1\r\n4\r\n$1\r\n1\r\n");
    assert!(!node.log_from(node.node.replication.log.first()).contains("incr"), "nothing is logged again");
}

#[test]
fn what_cannot_be_carried_out_again_ends_the_start() {
    let set = command(&["SET", "a", "1"]);
    for bad in [
        command(&["NOSUCH", "a"]),
        command(&["EVALSHA", "0123456789012345678901234567890123456789", "0"]),
        command(&["FCALL", "nosuch", "0"]),
        command(&["EVAL", "this is no Lua", "0"]),
        command(&["SELECT", "99"]),
        command(&["MIGRATE", "host", "1", "a", "0", "1"]),
    ] {
        let file = [&set[..], &bad, &set].concat();
        let mut node = start_on(&file, &[]);
        let exits = node.actions().iter().any(|action| matches!(action, Action::Exit { code: 1 }));
        assert!(exits, "{}", String::from_utf8_lossy(&bad));
    }
}

#[test]
fn what_clients_write_to_a_replica_stands_between_what_its_master_writes() {
    let options = ["--replicaof", "10.0.0.9 7000", "--replica-read-only", "no"];
    let mut node = start_on(&increment(true), &options);
    opened(&mut node);
    node.run(&["SELECT", "2"]);
    let end = node.log_end();
    node.node.apply_stream(INCR);
    for words in
        [&["SET", "own", "1", "PX", "100000"][..], &["MULTI"], &["INCR", "m"], &["INCR", "m"], &["EXEC"]]
    {
        let reply = node.run(words);
        assert!(!reply.starts_with('-'), "{reply}");
    }
    node.node.apply_stream(INCR);
    node.node.apply_stream(INCR);
    node.node.append_to_aof();
    assert_eq!(node.log_end(), Offset(end.0 + 3 * INCR.len() as u64), "the history has nothing of it");
    let (text, upto, _) = appended(&mut node);
    assert_eq!(upto, Some(node.log_end()));
    let lines: Vec<&str> = text.split("#TANDEM ").skip(1).collect();
    assert_eq!(
        lines.iter().map(|line| &line[..5]).collect::<Vec<_>>(),
        ["span ", "local", "local", "span "],
        "{text}"
    );
    let own = lines[1..3].concat();
    let words: Vec<&str> = own
        .split(' ')
        .filter(|word| word.chars().all(|char| char.is_ascii_uppercase()) && word.len() > 2)
        .collect();
    assert_eq!(
        words,
        ["SELECT", "SET", "PXAT", "SELECT", "MULTI", "SELECT", "INCR", "INCR", "SELECT", "EXEC"],
        "it leaves the stream's database as it was: {text}"
    );
}

#[test]
fn what_clients_of_a_replica_have_written_is_loaded_and_moves_no_offset() {
    let mut file = increment(false);
    let own = [
        command(&["SELECT", "2"]),
        command(&["SET", "own", "1", "PXAT", "4000000000000"]),
        command(&["SELECT", "3"]),
    ];
    let own = own.concat();
    aof::Writer::local_line(&mut file, 8, &own);
    file.extend_from_slice(&own);
    aof::Writer::span(&mut file, Offset(221), 9, &[INCR]);
    aof::Writer::local_line(&mut file, 8, INCR);
    file.extend_from_slice(INCR);
    let mut node = start_on(&file, &["--replicaof", "10.0.0.9 7000", "--replica-read-only", "no"]);
    opened(&mut node);
    assert_eq!((*node.node.replication.history.id(), node.log_end()), (id(1), Offset(242)));
    let log = node.log_from(Offset(200));
    assert!(log.matches("INCR").count() == 2 && !log.contains("own"), "{log}");
    node.run(&["SELECT", "3"]);
    assert_eq!(node.run(&["GET", "n"]), "$1\r\n4\r\n");
    node.run(&["SELECT", "2"]);
    assert_eq!(node.run(&["GET", "own"]), "$1\r\n1\r\n");
    // The replica has to delete it when its time is over: its master knows nothing of it.
    assert!(node.run(&["INFO", "stats"]).contains("slave_expires_tracked_keys:1\r\n"));
}

#[test]
fn half_of_what_clients_have_written_leaves_the_stream_where_it_was() {
    let mut file = increment(false);
    let own = [command(&["SELECT", "2"]), command(&["SET", "own", "1"]), command(&["SELECT", "3"])].concat();
    aof::Writer::local_line(&mut file, 8, &own);
    file.extend_from_slice(&own[..own.len() - 2]);
    let mut node = start_on(&file, &["--replicaof", "10.0.0.9 7000", "--replica-read-only", "no"]);
    let text = opened(&mut node);
    assert!(text.contains(" 221 3 "), "{text}");
    assert_eq!(node.node.replication.stream_db(), 3);
    node.run(&["SELECT", "2"]);
    assert_eq!(node.run(&["GET", "own"]), "$1\r\n1\r\n");
}

#[test]
fn what_a_failing_disk_has_lost_of_it_makes_a_new_base() {
    let options = ["--replicaof", "10.0.0.9 7000", "--replica-read-only", "no"];
    let mut node = start_on(&increment(true), &options);
    opened(&mut node);
    assert_eq!(node.run(&["SET", "own", "1"]), "");
    let (text, ..) = appended(&mut node);
    assert!(text.contains("#TANDEM local "), "{text}");
    let (epoch, at) = (node.node.aof.epoch, node.log_end());
    event(
        &mut node,
        AofEvent::WriteFailed { epoch, written: at, error: "No space left on device".to_owned() },
    );
    assert_eq!(node.read(), "+OK\r\n", "nobody waits for the base that makes it good");
    assert_eq!(node.run(&["SET", "own", "2"]), "+OK\r\n");
    node.advance_ms(1100);
    let (text, ..) = appended(&mut node);
    assert!(!text.contains("own"), "{text}");
    written(&mut node, at);
    let asked = node.actions();
    let opens =
        |action: &Action| matches!(action, Action::Aof(AofWork::Open(open)) if open.manifest.is_some());
    assert!(asked.iter().any(opens), "a new base has it: {asked:?}");
}
