//! The replica's side against scripted masters: what the master says stands on the left of each script, what
//! the link makes of it on the right.

use proptest::prelude::*;
use psync::replica::{Credentials, Event, Link, LinkConfig, LinkError, LinkState, Resume, Tick};
use psync::{Offset, ReplicationId};

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const NEW_ID: &str = "ffffffffffffffffffffffffffffffffffffffff";
const MARK: &str = "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb";

fn id(text: &str) -> ReplicationId {
    text.parse().expect("well-formed")
}

fn resume(applied: u64) -> Option<Resume> {
    Some(Resume { id: id(ID), applied: Offset(applied) })
}

fn link(config: LinkConfig) -> Link {
    let mut link = Link::new(config, 0);
    link.connected(0).expect("in order");
    link
}

/// Everything the link wants to send, with requests in one line each.
fn sent(link: &mut Link) -> String {
    let text = String::from_utf8(link.transmit().to_vec()).expect("ASCII");
    link.transmitted(text.len());
    let mut out = String::new();
    for line in text.split("\r\n").filter(|line| !line.starts_with('$')) {
        match line.strip_prefix('*') {
            Some(_) if out.is_empty() => {}
            Some(_) => out.push_str(" | "),
            None if out.is_empty() || out.ends_with(" | ") || line.is_empty() => out.push_str(line),
            None => out = out + " " + line,
        }
    }
    out
}

/// Feeds the chunks and writes down what comes out, one word or two an event; neighbouring pieces are joined,
/// as where they are cut says nothing. Payloads are loaded as soon as they are complete.
fn feed(link: &mut Link, chunks: &[&[u8]]) -> Result<Vec<String>, LinkError> {
    let mut events: Vec<String> = Vec::new();
    let mut push = |kind: &str, bytes: &[u8]| {
        let text = bytes.escape_ascii().to_string();
        match events.last_mut() {
            Some(last) if last.starts_with(kind) => last.push_str(&text),
            _ => events.push(format!("{kind}{text}")),
        }
    };
    for chunk in chunks {
        let mut input = *chunk;
        while let Some(event) = link.step(0, &mut input)? {
            match event {
                Event::FullResync { id, offset } => push(&format!("full {id} {offset}"), b""),
                Event::LegacySync => push("legacy", b""),
                Event::Continue { new_id, .. } => push(&format!("continue {new_id:?}"), b""),
                Event::SecondConnection(request) => push(&format!("second {request:?}"), b""),
                Event::PayloadStart { len } => push(&format!("start {len:?}"), b""),
                Event::Payload(bytes) => push("payload ", &bytes),
                Event::PayloadEnd => {
                    push("end", b"");
                    link.loaded(0, Offset(7))?;
                }
                Event::Stream(bytes) => push("stream ", bytes),
            }
        }
        assert!(input.is_empty());
    }
    Ok(events)
}

fn error(config: LinkConfig, script: &str) -> LinkError {
    let mut link = link(config);
    let error = feed(&mut link, &[script.as_bytes()]).expect_err("a bad master");
    assert_eq!(link.state(), LinkState::Connect, "the link is of no use any more");
    assert_eq!(link.timeout(), None);
    error
}

#[test]
fn the_whole_handshake() {
    let mut link = link(LinkConfig {
        listening_port: 6380,
        announce_ip: Some("10.0.0.7".into()),
        auth: Some(Credentials { user: Some("repl".into()), password: "secret".into() }),
        version: Some("7.2.0".into()),
        ..LinkConfig::default()
    });
    assert_eq!(link.state(), LinkState::Handshake);
    assert_eq!(sent(&mut link), "PING");
    assert_eq!(feed(&mut link, &[b"\n\n-NOAUTH Authentication required.\r\n"]), Ok(vec![]));
    assert_eq!(
        sent(&mut link),
        "AUTH repl secret | REPLCONF listening-port 6380 | REPLCONF ip-address 10.0.0.7 \
         | REPLCONF capa eof capa psync2 | REPLCONF version 7.2.0"
    );
    assert_eq!(feed(&mut link, &[b"+OK\r\n-ERR what?\r\n", b"+OK\r\n\n+OK active-replica\r\n"]), Ok(vec![]));
    assert_eq!(sent(&mut link), "", "every answer has to be there first");
    assert_eq!(feed(&mut link, &[b"-ERR Unrecognized REPLCONF option: version\r\n"]), Ok(vec![]));
    assert_eq!(sent(&mut link), "PSYNC ? -1");
    assert_eq!(link.waiting_for(), "the reply to PSYNC");
    let full = format!("\n\n+FULLRESYNC {ID} 7\r\n");
    assert_eq!(feed(&mut link, &[full.as_bytes()]), Ok(vec![format!("full {ID} 7")]));
    assert_eq!(link.state(), LinkState::Sync);
    assert_eq!(
        feed(&mut link, &[b"\n\n\n$5\r\nhel"]),
        Ok(vec!["start Some(5)".into(), "payload hel".into()])
    );
    assert_eq!(link.payload_progress(), (3, Some(5)));
    let rest = ["payload lo", "end", "stream *1"].map(String::from).to_vec();
    assert_eq!(feed(&mut link, &[b"lo*1"]), Ok(rest));
    assert_eq!(sent(&mut link), "REPLCONF ACK 7");
    assert_eq!(link.state(), LinkState::Connected);
}

#[test]
fn a_password_without_a_user() {
    let auth = Some(Credentials { user: None, password: "secret".into() });
    let mut link = link(LinkConfig { auth: auth.clone(), ..LinkConfig::default() });
    assert_eq!(feed(&mut link, &[b"+PONG\r\n"]), Ok(vec![]));
    assert!(sent(&mut link).contains("AUTH secret |"));
    assert!(!format!("{auth:?} {link:?}").contains("secret"));
}

#[test]
fn the_byte_asked_for_is_the_one_after_the_last_applied() {
    let cases = [(0, format!("PSYNC {ID} 1")), (100, format!("PSYNC {ID} 101"))];
    for (applied, expected) in cases {
        let mut link = link(LinkConfig { resume: resume(applied), ..LinkConfig::default() });
        assert_eq!(feed(&mut link, &[b"+PONG\r\n+OK\r\n+OK\r\n"]), Ok(vec![]));
        assert!(sent(&mut link).ends_with(&expected));
    }
    let mut link = link(LinkConfig { resume: resume(5), failover: true, ..LinkConfig::default() });
    assert_eq!(feed(&mut link, &[b"+PONG\r\n+OK\r\n"]), Ok(vec![]));
    assert!(!link.has_asked());
    assert_eq!(feed(&mut link, &[b"+OK\r\n"]), Ok(vec![]));
    assert!(sent(&mut link).ends_with(&format!("PSYNC {ID} 6 FAILOVER")));
    assert!(link.has_asked());
    assert!(feed(&mut link, &[b"-ERR no\r\n"]).is_err());
    assert!(link.has_asked(), "a refusal does not undo it");
}

#[test]
fn a_history_goes_on_under_the_old_name_or_a_new_one() {
    for (reply, expected) in [
        ("+CONTINUE\r\n*1".to_owned(), "continue None".to_owned()),
        (format!("\n+CONTINUE {ID}\r\n*1"), format!("continue Some(ReplicationId({ID}))")),
        (format!("+CONTINUE {NEW_ID}\n*1"), format!("continue Some(ReplicationId({NEW_ID}))")),
    ] {
        let mut link = link(LinkConfig { resume: resume(100), ..LinkConfig::default() });
        let script = format!("+PONG\r\n+OK\r\n+OK\r\n{reply}");
        assert_eq!(feed(&mut link, &[script.as_bytes()]), Ok(vec![expected, "stream *1".into()]));
        assert_eq!(link.state(), LinkState::Connected);
        assert_eq!(link.tick(0), Ok(Tick::AckDue), "the master learns where we are at once");
    }
}

#[test]
fn a_master_that_does_not_know_psync_is_asked_for_sync() {
    let mut link = link(LinkConfig { resume: resume(100), ..LinkConfig::default() });
    let script = b"+PONG\r\n+OK\r\n-ERR unknown command\r\n-ERR unknown command 'PSYNC'\r\n";
    assert_eq!(feed(&mut link, &[script]), Ok(vec!["legacy".into()]));
    assert!(sent(&mut link).ends_with("| SYNC"));
    let events = ["start Some(2)", "payload ab", "end", "stream x"].map(String::from).to_vec();
    assert_eq!(feed(&mut link, &[b"$2\r\nabx"]), Ok(events));
    assert_eq!(link.ack(0, Offset(1), None), Ok(()));
    assert_eq!(sent(&mut link), "", "it would not understand an acknowledgement");
}

#[test]
fn a_master_that_is_not_ready_is_asked_again_later() {
    let config = || LinkConfig { resume: resume(100), ..LinkConfig::default() };
    for reply in ["-NOMASTERLINK Can't SYNC", "-LOADING wait", "-MASTERDOWN down", "-BUSY script"] {
        let error = error(config(), &format!("+PONG\r\n+OK\r\n+OK\r\n{reply}\r\n"));
        assert_eq!(error, LinkError::NotReady { reply: reply.into() });
        assert!(error.retry());
    }
    assert!(matches!(error(config(), "-LOADING wait\r\n"), LinkError::NotReady { .. }));
}

#[test]
fn a_master_that_refuses_ends_the_link() {
    let auth = Some(Credentials { user: None, password: "x".into() });
    let wrong = error(LinkConfig { auth, ..LinkConfig::default() }, "+PONG\r\n-WRONGPASS no\r\n");
    assert_eq!(wrong, LinkError::Denied { request: "AUTH", reply: "-WRONGPASS no".into() });
    assert!(!wrong.retry());
    for reply in ["-NOAUTH x", "-NOPERM x"] {
        let error = error(LinkConfig::default(), &format!("{reply}\r\n{reply}\r\n{reply}\r\n{reply}\r\n"));
        assert_eq!(error, LinkError::Denied { request: "PSYNC", reply: reply.into() });
    }
}

#[test]
fn nonsense_ends_the_link_at_every_stage() {
    let begin = "+PONG\r\n+OK\r\n+OK\r\n";
    let full = format!("{begin}+FULLRESYNC {ID} 7\r\n");
    for (script, expected) in [
        ("hello\r\n".to_owned(), "the reply to PING"),
        ("-ERR hello\r\n".to_owned(), "the reply to PING"),
        ("+PONG\r\n*0\r\n".to_owned(), "the reply to REPLCONF"),
        (format!("{begin}hello\r\n"), "the reply to PSYNC"),
        (format!("{begin}+OK\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNC\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNC {ID}\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNC {ID}0 7\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNC {ID} -7\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNC {ID} 9223372036854775808\r\n"), "the reply to PSYNC"),
        (format!("{begin}+FULLRESYNCHRONISE {ID} 7\r\n"), "the reply to PSYNC"),
        (format!("{begin}+CONTINUE {ID}\r\n"), "the reply to PSYNC"),
        (format!("{begin}+RDBCHANNELSYNC 7\r\n"), "the reply to PSYNC"),
        (format!("{full}+OK\r\n"), "the header of a payload"),
        (format!("{full}$9223372036854775808\r\n"), "the header of a payload"),
        (format!("{full}$-1\r\n"), "the header of a payload"),
        (format!("{full}$EOF:short\r\n"), "the header of a payload"),
    ] {
        match error(LinkConfig::default(), &script) {
            LinkError::Unexpected { expected: e, .. } => assert_eq!(e, expected, "{script}"),
            other => panic!("{script}: {other:?}"),
        }
    }
    let aborted = error(LinkConfig::default(), &format!("{full}-ERR no space\r\n"));
    assert_eq!(aborted, LinkError::SyncAborted { reply: "-ERR no space".into() });
    let resuming = LinkConfig { resume: resume(100), ..LinkConfig::default() };
    assert!(matches!(error(resuming, &format!("{begin}+CONTINUE xyz\r\n")), LinkError::Unexpected { .. }));
    let failing_over = LinkConfig { resume: resume(100), failover: true, ..LinkConfig::default() };
    assert!(
        matches!(error(failing_over, &format!("{begin}-ERR no\r\n")), LinkError::Unexpected { .. }),
        "never SYNC"
    );
}

#[test]
fn a_line_that_does_not_end_is_cut_off_at_every_stage() {
    for begin in [
        "",
        "+PONG\r\n",
        "+PONG\r\n+OK\r\n+OK\r\n",
        &format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {ID} 7\r\n$"),
    ] {
        let script = begin.to_owned() + &"1".repeat(70_000);
        assert!(matches!(error(LinkConfig::default(), &script), LinkError::LineTooLong { .. }));
    }
}

#[test]
fn the_stream_is_not_copied() {
    let mut link = link(LinkConfig { resume: resume(100), ..LinkConfig::default() });
    assert!(feed(&mut link, &[b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n"]).is_ok());
    let stream = vec![7; 100_000];
    let mut input = &stream[..];
    match link.step(0, &mut input) {
        Ok(Some(Event::Stream(bytes))) => {
            assert_eq!((bytes.as_ptr(), bytes.len()), (stream.as_ptr(), stream.len()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_follows_a_payload_stays_with_the_caller_until_it_is_loaded() {
    let mut link = link(LinkConfig::default());
    let script = format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {ID} 7\r\n$2\r\nabSTREAM");
    let mut input = script.as_bytes();
    let mut last = None;
    while let Some(event) = link.step(0, &mut input).expect("a good master") {
        last = Some(event);
    }
    assert_eq!((last, input), (Some(Event::PayloadEnd), &b"STREAM"[..]));
    assert_eq!((link.state(), link.state().name()), (LinkState::Loading, "sync"));
    assert_eq!(link.payload_progress(), (2, Some(2)));
    assert_eq!(link.step(0, &mut input), Ok(None));
    link.loaded(0, Offset(7)).expect("in order");
    assert_eq!(link.step(0, &mut input), Ok(Some(Event::Stream(b"STREAM"))));
    assert!(input.is_empty());
}

#[test]
fn a_silent_master_is_given_up() {
    let begin = "+PONG\r\n+OK\r\n+OK\r\n";
    let full = format!("{begin}+FULLRESYNC {ID} 7\r\n");
    for (script, waiting_for) in [
        ("".to_owned(), "the reply to PING"),
        ("+PONG\r\n".to_owned(), "the reply to REPLCONF"),
        (begin.to_owned(), "the reply to PSYNC"),
        (full.clone(), "the payload"),
        (format!("{full}$2\r\na"), "the rest of the payload"),
    ] {
        let mut link = link(LinkConfig { timeout_ms: 1000, ..LinkConfig::default() });
        assert!(feed(&mut link, &[script.as_bytes()]).is_ok());
        assert_eq!(link.timeout(), Some(1000));
        assert_eq!(link.tick(999), Ok(Tick::Idle));
        assert_eq!(link.step(900, &mut &b"\n"[..]).map(|_| ()), Ok(()), "a keepalive counts");
        assert_eq!((link.timeout(), link.silent_ms(1899)), (Some(1900), 999));
        assert_eq!(link.tick(1899), Ok(Tick::Idle));
        if waiting_for != "the rest of the payload" {
            link.excuse_silence(1000);
            assert_eq!(link.tick(1999), Ok(Tick::Idle));
            assert_eq!(link.tick(2000), Err(LinkError::Timeout { after_ms: 1000, waiting_for }));
            assert_eq!(link.state(), LinkState::Connect);
        }
    }
    let mut connecting = Link::new(LinkConfig { timeout_ms: 1000, ..LinkConfig::default() }, 0);
    assert_eq!(connecting.state(), LinkState::Connecting);
    assert_eq!(
        connecting.tick(1000),
        Err(LinkError::Timeout { after_ms: 1000, waiting_for: "the connection" })
    );
    assert_eq!(connecting.tick(9000), Ok(Tick::Idle), "said once");
}

#[test]
fn while_loading_the_master_is_kept_from_giving_up() {
    let mut link = link(LinkConfig { timeout_ms: 1000, ..LinkConfig::default() });
    let script = format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {ID} 7\r\n$EOF:{MARK}\r\nab{MARK}");
    let mut input = script.as_bytes();
    while link.step(0, &mut input).expect("a good master").is_some() {}
    let pending = link.transmit().len();
    link.transmitted(pending);
    assert_eq!(link.timeout(), Some(1000));
    assert_eq!(link.tick(1000), Ok(Tick::Idle));
    assert_eq!(link.transmit(), b"\n");
    assert_eq!(link.tick(500_000), Ok(Tick::Idle), "nothing is awaited from the master");
    assert_eq!(link.transmit(), b"\n", "one at a time");
    link.transmitted(1);
    link.loaded(500_000, Offset(7)).expect("in order");
    assert_eq!(sent(&mut link), "REPLCONF ACK 7");
    assert_eq!(link.tick(500_999), Ok(Tick::Idle));
}

#[test]
fn acknowledgements_are_due_each_second() {
    let mut link = link(LinkConfig { resume: resume(100), ..LinkConfig::default() });
    assert!(feed(&mut link, &[b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n"]).is_ok());
    sent(&mut link);
    assert_eq!((link.timeout(), link.tick(0)), (Some(0), Ok(Tick::AckDue)));
    link.ack(0, Offset(100), None).expect("in order");
    assert_eq!(sent(&mut link), "REPLCONF ACK 100");
    assert_eq!((link.timeout(), link.tick(999)), (Some(1000), Ok(Tick::Idle)));
    assert_eq!(link.tick(1000), Ok(Tick::AckDue));
    link.ack(1000, Offset(137), Some(Offset(120))).expect("in order");
    assert_eq!(sent(&mut link), "REPLCONF ACK 137 FACK 120");
    for at in 2..1000 {
        link.ack(at * 1000, Offset(at), None).expect("in order");
    }
    assert_eq!(sent(&mut link), "REPLCONF ACK 999", "those that could not be sent are stale");
}

#[test]
fn calls_out_of_order_are_refused_and_change_nothing() {
    let misuse = |call, state| Err(LinkError::Misuse { call, state });
    let mut link = Link::new(LinkConfig { resume: resume(1), ..LinkConfig::default() }, 0);
    assert_eq!(link.step(0, &mut &b""[..]), Ok(None));
    assert_eq!(link.step(0, &mut &b"x"[..]).map(|_| ()), misuse("step() with input", LinkState::Connecting));
    assert_eq!(link.loaded(0, Offset(0)), misuse("loaded()", LinkState::Connecting));
    assert_eq!(link.ack(0, Offset(0), None), misuse("ack()", LinkState::Connecting));
    assert_eq!(link.connected(0), Ok(()));
    assert_eq!(link.connected(0), misuse("connected()", LinkState::Handshake));
    assert_eq!(link.ack(0, Offset(0), None), misuse("ack()", LinkState::Handshake));
    assert!(feed(&mut link, &[b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n"]).is_ok());
    assert_eq!(link.loaded(0, Offset(0)), misuse("loaded()", LinkState::Connected));
    assert_eq!(link.state(), LinkState::Connected);
    let mut failed = Link::new(LinkConfig { timeout_ms: 1, ..LinkConfig::default() }, 0);
    assert!(failed.tick(1).is_err());
    assert_eq!(failed.step(0, &mut &b"x"[..]).map(|_| ()), misuse("step() with input", LinkState::Connect));
    assert_eq!(failed.connected(0), misuse("connected()", LinkState::Connect));
}

/// Scripts that end well and scripts that do not.
fn script() -> impl Strategy<Value = (LinkConfig, Vec<u8>)> {
    let replies = prop_oneof![
        Just(format!("+FULLRESYNC {ID} 7\r\n\n\n$11\r\nthe payload")),
        Just(format!("+FULLRESYNC {ID} 7\r\n$EOF:{MARK}\r\nthe{}payload{MARK}", &MARK[..25])),
        Just(format!("+CONTINUE {NEW_ID}\r\n")),
        Just("-ERR unknown\r\n\n$11\r\nthe payload".to_owned()),
        Just("-LOADING\r\n".to_owned()),
        Just(format!("+FULLRESYNC {ID} 7\r\n$x\r\n")),
    ];
    (replies, prop::collection::vec(any::<u8>(), 0..100), any::<bool>()).prop_map(
        |(reply, stream, keepalives)| {
            let dots = if keepalives { "\n" } else { "" };
            let mut script = format!("{dots}+PONG\r\n{dots}+OK\r\n{dots}-ERR\r\n{dots}{reply}").into_bytes();
            script.extend_from_slice(&stream);
            (LinkConfig { resume: resume(7), ..LinkConfig::default() }, script)
        },
    )
}

/// Bytes that often look like something.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"+-$*:\r\n 0123456789EOF?".to_vec());
    prop::collection::vec(prop_oneof![any::<u8>(), telling], 0..300)
}

fn run(config: &LinkConfig, chunks: &[&[u8]]) -> (Result<Vec<String>, LinkError>, LinkState, Vec<u8>) {
    let mut link = link(config.clone());
    let result = feed(&mut link, chunks);
    (result, link.state(), link.transmit().to_vec())
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        (config, script) in script(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(script.len() + 1)).collect();
        cuts.extend([0, script.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &script[pair[0]..pair[1]]).collect();
        let whole = run(&config, &[&script]);
        prop_assert_eq!(&run(&config, &chunks), &whole);
        let bytes: Vec<&[u8]> = script.chunks(1).collect();
        prop_assert_eq!(&run(&config, &bytes), &whole);
    }

    /// Whatever a master sends, and whenever, nothing worse happens than an error.
    #[test]
    fn garbage_is_survived(begin in 0usize..5, garbage in garbage(), chunk in 1usize..40) {
        let good = [
            "+PONG\r\n".to_owned(),
            "+OK\r\n+OK\r\n".to_owned(),
            format!("+FULLRESYNC {ID} 7\r\n"),
            format!("$EOF:{MARK}\r\n"),
        ];
        let mut script = good[..begin].concat().into_bytes();
        script.extend_from_slice(&garbage);
        let chunks: Vec<&[u8]> = script.chunks(chunk).collect();
        let (result, state, _) = run(&LinkConfig::default(), &chunks);
        prop_assert_eq!(result.is_err(), state == LinkState::Connect);
    }
}
