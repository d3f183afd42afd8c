use super::*;
use crate::replica::{Credentials, Link, LinkState, Resume};

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const MARK: &str = "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm";
const REDIS: PayloadRequest = PayloadRequest::Redis { main_client: 6 };

fn id() -> ReplicationId {
    ID.parse().expect("well-formed")
}

fn config() -> LinkConfig {
    LinkConfig {
        listening_port: 7001,
        announce_ip: Some("10.0.0.7".to_owned()),
        version: Some("9.1.2".to_owned()),
        rdb_channel: true,
        dual_channel: true,
        ..LinkConfig::default()
    }
}

/// What was to be sent, as words.
fn said(bytes: &[u8]) -> String {
    let lines = std::str::from_utf8(bytes).expect("text").lines();
    lines.filter(|line| !line.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
}

fn drain(link: &mut PayloadLink) -> String {
    let text = said(link.transmit());
    link.transmitted(link.transmit().len());
    text
}

fn feed(link: &mut PayloadLink, text: &str) -> Result<Vec<String>, LinkError> {
    let (mut input, mut events) = (text.as_bytes(), Vec::new());
    while let Some(event) = link.step(0, &mut input)? {
        events.push(match event {
            PayloadLinkEvent::Position { id, offset, db, client } => {
                format!("{id} {offset} {db:?} {client:?}")
            }
            PayloadLinkEvent::Start(len) => format!("start {len:?}"),
            PayloadLinkEvent::Piece(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            PayloadLinkEvent::End => "end".to_owned(),
        });
    }
    assert!(input.is_empty());
    Ok(events)
}

/// A connection that waits for its position.
fn asked(request: PayloadRequest) -> PayloadLink {
    let mut link = PayloadLink::new(config(), request, 0);
    link.connected(0).expect("once");
    drain(&mut link);
    assert_eq!(feed(&mut link, "+OK\r\n"), Ok(Vec::new()));
    link
}

#[test]
fn each_form_has_its_words() {
    let mut link = PayloadLink::new(config(), REDIS, 0);
    link.connected(0).expect("once");
    let options =
        "capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 6 ip-address 10.0.0.7 listening-port 7001";
    assert_eq!(drain(&mut link), format!("REPLCONF {options}"));
    let mut link = asked(REDIS);
    assert_eq!(drain(&mut link), "PSYNC ? -1");
    assert_eq!(
        feed(&mut link, &format!("\n\n+FULLRESYNC {ID} 100\r\n\n$EOF:{MARK}\r\nab{MARK}")),
        Ok(vec![format!("{ID} 100 None None"), "start None".into(), "ab".into(), "end".into()])
    );
    assert!(link.is_done());

    let auth = Some(Credentials { user: Some("repl".into()), password: "secret".into() });
    let mut link =
        PayloadLink::new(LinkConfig { auth, announce_ip: None, ..config() }, PayloadRequest::Valkey, 0);
    link.connected(0).expect("once");
    assert_eq!(drain(&mut link), "AUTH repl secret");
    assert_eq!(feed(&mut link, "+OK\r\n"), Ok(Vec::new()));
    let options = "capa eof rdb-only 1 rdb-channel 1 listening-port 7001 version 9.1.2";
    assert_eq!(drain(&mut link), format!("REPLCONF {options}"));
    assert_eq!(feed(&mut link, "+OK\r\n"), Ok(Vec::new()));
    assert_eq!(drain(&mut link), "SYNC");
    assert_eq!(
        feed(&mut link, &format!("\n$ENDOFF:100 {ID} -1 6\r\n")),
        Ok(vec![format!("{ID} 100 None Some(6)")])
    );
    assert_eq!(feed(&mut link, "$3\r\nabc"), Ok(vec!["start Some(3)".into(), "abc".into(), "end".into()]));
    assert_eq!(feed(&mut link, "whatever"), Ok(Vec::new()), "what follows matters to nobody");
}

#[test]
fn the_selected_database_is_told() {
    let mut link = asked(PayloadRequest::Valkey);
    assert_eq!(
        feed(&mut link, &format!("$ENDOFF:0 {ID} 3 9\r\n")),
        Ok(vec![format!("{ID} 0 Some(3) Some(9)")])
    );
}

#[test]
fn a_refusal_ends_it() {
    let mut link = PayloadLink::new(config(), REDIS, 0);
    link.connected(0).expect("once");
    let refused = feed(&mut link, "-ERR Unrecognized REPLCONF option: rdb-channel\r\n");
    assert!(matches!(refused, Err(LinkError::Denied { request: "REPLCONF", .. })), "{refused:?}");
    // The master was started anew between the two connections: it does not know the number.
    let restarted = feed(&mut asked(REDIS), "-ERR no replica waits for a connection under the number 6\r\n");
    assert!(restarted.is_err_and(|error| error.retry()));
    for (request, line) in [
        (REDIS, format!("$ENDOFF:100 {ID} -1 6")),
        (REDIS, format!("+FULLRESYNC {ID}")),
        (REDIS, "+CONTINUE".to_owned()),
        (PayloadRequest::Valkey, format!("+FULLRESYNC {ID} 100")),
        (PayloadRequest::Valkey, format!("$ENDOFF:-1 {ID} -1 6")),
        (PayloadRequest::Valkey, "$ENDOFF:100 short -1 6".to_owned()),
        (PayloadRequest::Valkey, format!("$ENDOFF:100 {ID} -1")),
        (PayloadRequest::Valkey, "$100".to_owned()),
    ] {
        let result = feed(&mut asked(request), &format!("{line}\r\n"));
        assert!(matches!(result, Err(LinkError::Unexpected { .. })), "{line}: {result:?}");
    }
}

#[test]
fn silence_ends_it_but_not_once_the_payload_is_there() {
    let mut link = asked(REDIS);
    assert_eq!(link.tick(59_999, 60_000), Ok(()));
    assert!(matches!(link.tick(60_000, 60_000), Err(LinkError::Timeout { after_ms: 60_000, .. })));
    assert_eq!(link.tick(120_000, 60_000), Ok(()), "it has failed already");
    let mut link = asked(REDIS);
    link.excuse_silence(50_000);
    assert_eq!(link.tick(60_000, 60_000), Ok(()));
    assert_eq!(feed(&mut link, &format!("+FULLRESYNC {ID} 1\r\n$0\r\n")).map(|events| events.len()), Ok(3));
    assert_eq!(link.tick(1_000_000, 60_000), Ok(()));
}

// ---- the main connection beside it --------------------------------------------------------------

/// A main link that has got this answer to its PSYNC, and what it made of that.
fn main_link(answer: &str) -> (Link, Result<Vec<Event<'static>>, LinkError>) {
    let mut link = Link::new(config(), 0);
    link.connected(0).expect("once");
    let text = format!("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n{answer}");
    let mut input: &'static [u8] = Box::leak(text.into_boxed_str()).as_bytes();
    let mut events = Vec::new();
    let result = loop {
        match link.step(0, &mut input) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => break Ok(events),
            Err(error) => break Err(error),
        }
    };
    link.transmitted(link.transmit().len());
    (link, result)
}

#[test]
fn the_stream_of_redis_begins_by_itself() {
    let (mut link, events) = main_link("+RDBCHANNELSYNC 6\r\n*1\r\n");
    assert_eq!(events, Ok(vec![Event::SecondConnection(REDIS), Event::Stream(b"*1\r\n")]));
    assert!(link.is_beside());
    assert_eq!(link.state(), LinkState::Sync);
    assert!(link.ack(0, Offset(1), None).is_err(), "nothing is applied yet");
    assert_eq!(link.tick(1_000_000), Ok(super::super::Tick::Idle), "the master may have nothing to say");
    assert_eq!(link.transmit(), b"\n", "we are alive");
    link.transmitted(1);
    link.loaded(0, Offset(100)).expect("in order");
    assert_eq!((said(link.transmit()), link.state()), ("REPLCONF ACK 100".to_owned(), LinkState::Connected));
}

#[test]
fn the_stream_of_valkey_is_asked_for() {
    let (mut link, events) = main_link("+DUALCHANNELSYNC\r\n\n");
    assert_eq!(events, Ok(vec![Event::SecondConnection(PayloadRequest::Valkey)]));
    assert_eq!((link.state(), link.timeout()), (LinkState::Handshake, None));
    assert_eq!(link.tick(1_000_000), Ok(super::super::Tick::Idle), "a snapshot may have to wait for others");
    assert!(link.loaded(0, Offset(100)).is_err());
    link.attach(1_000_000, 6, Resume { id: id(), applied: Offset(100) }).expect("in order");
    assert_eq!(said(link.transmit()), "REPLCONF set-rdb-client-id 6");
    link.transmitted(link.transmit().len());
    assert_eq!(link.step(1_000_001, &mut &b"+OK\r\n"[..]), Ok(None));
    assert_eq!(said(link.transmit()), format!("PSYNC {ID} 101"), "not before: Valkey refuses both at once");
    let text = format!("+CONTINUE {ID}\r\n*1\r\n");
    let mut input = text.as_bytes();
    assert_eq!(link.step(1_000_001, &mut input), Ok(Some(Event::Stream(b"*1\r\n"))));
    assert!(link.is_beside() && input.is_empty());
    assert_eq!(link.loaded(0, Offset(100)), Ok(()));
}

#[test]
fn a_stream_that_is_refused_or_another_one_ends_the_attempt() {
    for (answer, retry) in [
        ("-ERR Unrecognized RDB client id 6\r\n".to_owned(), true),
        ("+OK\r\n-ERR the log does not cover it\r\n".to_owned(), true),
        (format!("+OK\r\n+FULLRESYNC {ID} 100\r\n"), false),
        (format!("+OK\r\n+CONTINUE {}\r\n", "f".repeat(40)), false),
        ("+CONTINUE\r\n".to_owned(), false),
    ] {
        let (mut link, _) = main_link("+DUALCHANNELSYNC\r\n");
        link.attach(0, 6, Resume { id: id(), applied: Offset(100) }).expect("in order");
        let mut input = answer.as_bytes();
        let error = link.step(0, &mut input).expect_err(&answer);
        assert_eq!(error.retry(), retry, "{answer}: {error}");
        assert_eq!(link.state(), LinkState::Connect);
    }
    let (_, result) = main_link("+DUALCHANNELSYNC\r\n+CONTINUE\r\n");
    assert!(result.is_err(), "nobody has asked for a stream");
}

#[test]
fn what_was_not_offered_is_not_taken() {
    for answer in ["+RDBCHANNELSYNC 6\r\n", "+DUALCHANNELSYNC\r\n"] {
        let mut link = Link::new(LinkConfig { version: None, ..LinkConfig::default() }, 0);
        link.connected(0).expect("once");
        let text = format!("+PONG\r\n+OK\r\n+OK\r\n{answer}");
        let mut input = text.as_bytes();
        assert!(matches!(link.step(0, &mut input), Err(LinkError::Unexpected { .. })));
    }
}
