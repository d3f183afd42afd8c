use super::*;

const MAIN: &str = "main";
const PAYLOAD: &str = "payload";
const AT: Offset = Offset(100);

/// Redis: both are there, and the snapshot has begun.
fn redis() -> Channels<&'static str> {
    let mut channels = Channels::default();
    channels.open(MAIN, 7, 1000);
    assert_eq!(channels.join(7, PAYLOAD), Ok(MAIN));
    assert_eq!(channels.begins(PAYLOAD, AT), Some(MAIN));
    channels
}

/// Valkey: the snapshot has begun, the main connection has not come.
fn valkey() -> Channels<&'static str> {
    let mut channels = Channels::default();
    channels.arrive(PAYLOAD, 7);
    assert!(!channels.expects(7), "nothing to ask for yet");
    assert_eq!((channels.begins(PAYLOAD, AT), channels.waiting()), (None, 1));
    channels
}

#[test]
fn the_main_connection_of_redis_comes_first() {
    let mut channels = redis();
    assert_eq!(channels.role(MAIN), Some((ChannelForm::Redis, ChannelRole::Main)));
    assert_eq!(channels.role(PAYLOAD), Some((ChannelForm::Redis, ChannelRole::Payload)));
    assert_eq!((channels.needed_from(), channels.waiting()), (None, 0), "the stream itself keeps the log");
    assert_eq!(channels.completes(PAYLOAD, 5000), Some(MAIN));
    assert_eq!((channels.gone(PAYLOAD), channels.role(MAIN)), (None, None));
}

#[test]
fn nobody_joins_who_was_not_asked_to() {
    let mut channels = Channels::default();
    let unknown = Err(UnknownChannel { client: 7 });
    assert_eq!(channels.join(7, PAYLOAD), unknown, "the master was started anew in between");
    channels.open(MAIN, 7, 1000);
    assert_eq!(channels.join(7, PAYLOAD), Ok(MAIN));
    assert_eq!(channels.join(7, "another"), unknown);
    channels.arrive("third", 8);
    assert_eq!(channels.join(8, "another"), Err(UnknownChannel { client: 8 }), "of the other form");
}

#[test]
fn the_payload_of_valkey_comes_first_and_holds_the_log() {
    let mut channels = valkey();
    assert_eq!(channels.needed_from(), Some(AT));
    assert!(channels.expects(7) && !channels.expects(8));
    assert_eq!(channels.attach(7, MAIN), Ok((AT, Some(PAYLOAD))));
    assert_eq!((channels.needed_from(), channels.waiting()), (None, 0));
    assert_eq!(channels.attach(7, "another"), Err(UnknownChannel { client: 7 }));
    assert_eq!(channels.completes(PAYLOAD, 5000), Some(MAIN));
    assert_eq!(channels.role(MAIN), None);
}

#[test]
fn a_small_payload_may_be_through_before_the_stream_is_asked_for() {
    let mut channels = valkey();
    assert_eq!(channels.completes(PAYLOAD, 5000), None);
    assert_eq!(channels.gone(PAYLOAD), None);
    assert_eq!((channels.needed_from(), channels.waiting()), (Some(AT), 1));
    assert!(channels.tick(4999).is_empty());
    let mut late = channels.clone();
    assert_eq!(channels.attach(7, MAIN), Ok((AT, None)));
    assert_eq!((channels.needed_from(), channels.gone(MAIN)), (None, None));

    assert!(late.tick(5000).is_empty(), "its connection has gone already");
    assert_eq!((late.needed_from(), late.waiting()), (None, 0));
    assert_eq!(late.attach(7, MAIN), Err(UnknownChannel { client: 7 }));
}

#[test]
fn the_payload_ends_with_the_main_connection() {
    for mut channels in [redis(), {
        let mut channels = valkey();
        let _ = channels.attach(7, MAIN);
        channels
    }] {
        assert_eq!(channels.gone(MAIN), Some(PAYLOAD));
        assert_eq!((channels.gone(PAYLOAD), channels.needed_from()), (None, None));
    }
}

#[test]
fn the_main_connection_ends_with_the_payload() {
    for mut channels in [redis(), {
        let mut channels = valkey();
        let _ = channels.attach(7, MAIN);
        channels
    }] {
        assert_eq!(channels.gone(PAYLOAD), Some(MAIN));
        assert_eq!(channels.gone(MAIN), None);
    }
    let mut channels = valkey();
    assert_eq!(channels.gone(PAYLOAD), None);
    assert_eq!((channels.needed_from(), channels.expects(7)), (None, false), "nobody can attach any more");
}

#[test]
fn a_payload_that_is_never_asked_for_ends_the_wait() {
    let mut channels = Channels::default();
    channels.open(MAIN, 7, 1000);
    assert_eq!(channels.gone("a stranger"), None);
    assert!(channels.tick(999).is_empty());
    assert_eq!(channels.tick(1000), [MAIN]);
    assert_eq!(channels.gone(MAIN), None);
    let mut channels = redis();
    assert!(channels.tick(u64::MAX).is_empty(), "it has come");
    assert_eq!(channels.completes(PAYLOAD, 5), Some(MAIN));
}

#[test]
fn pairs_do_not_mix() {
    let mut channels = redis();
    channels.arrive("theirs", 9);
    assert_eq!(channels.begins("theirs", Offset(50)), None);
    assert_eq!(channels.needed_from(), Some(Offset(50)));
    assert_eq!(channels.gone(PAYLOAD), Some(MAIN));
    assert_eq!(channels.attach(9, "their main"), Ok((Offset(50), Some("theirs"))));
}

#[test]
fn what_the_log_cannot_keep_is_lost() {
    let mut channels = valkey();
    assert!(channels.lose(|at| at < AT).is_empty());
    assert_eq!(channels.lose(|at| at <= AT), [PAYLOAD]);
    assert_eq!((channels.waiting(), channels.gone(PAYLOAD)), (0, None));
    let mut channels = redis();
    assert!(channels.lose(|_| true).is_empty(), "its stream is a matter of its connection");
}
