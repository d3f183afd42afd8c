use super::*;
use crate::master::{ReplconfError, SnapshotForm};

fn replconf(state: &mut ReplicaState, now_ms: u64, text: &str) -> Result<Replconf, ReplconfError> {
    let args: Vec<&[u8]> = text.split(' ').filter(|arg| !arg.is_empty()).map(str::as_bytes).collect();
    state.replconf(now_ms, args)
}

/// A replica that knows everything, in the given phase, at time 0 and position 100.
fn replica(phase: Phase, form: PayloadForm) -> ReplicaState {
    let mut state = ReplicaState::new(0);
    assert_eq!(replconf(&mut state, 0, "listening-port 6380 capa eof capa psync2"), Ok(Replconf::Ok));
    let steps: [&dyn Fn(&mut ReplicaState); 5] = [
        &|s| s.wait_snapshot(0, false).expect("in order"),
        &|s| s.announce(Offset(100)).expect("in order"),
        &|s| s.start_transfer(0, form).expect("in order"),
        &|s| s.finish_transfer(0).map(|_| ()).expect("in order"),
        &|s| replconf(s, 0, "ack 100").map(|_| ()).expect("in order"),
    ];
    for step in steps {
        if state.phase() != phase {
            step(&mut state);
        }
    }
    assert_eq!(state.phase(), phase);
    state
}

#[test]
fn a_payload_with_its_length_is_followed_by_the_stream() {
    let mut state = replica(Phase::Transfer, PayloadForm::Length);
    assert_eq!(state.info_state(), Some("send_bulk"));
    assert_eq!(state.finish_transfer(0), Ok(AfterTransfer::Stream));
    assert!(state.is_online());
    assert_eq!(state.info_state(), Some("online"));
    assert_eq!((state.base(), state.acked()), (Some(Offset(100)), None));
    assert_eq!(replconf(&mut state, 5, "ACK 120"), Ok(Replconf::Ack { starts_stream: false }));
    assert_eq!(state.acked(), Some(Offset(120)));
}

#[test]
fn a_payload_with_a_mark_is_followed_by_the_stream_once_acknowledged() {
    let mut state = replica(Phase::Transfer, PayloadForm::Mark);
    assert_eq!(replconf(&mut state, 0, "ack 100"), Ok(Replconf::Ack { starts_stream: false }), "too early");
    assert_eq!(state.info_state(), Some("wait_bgsave"), "the snapshot is made meanwhile");
    assert_eq!(state.finish_transfer(0), Ok(AfterTransfer::AwaitAck));
    assert_eq!(state.info_state(), Some("send_bulk"));
    assert!(!state.is_online());
    assert_eq!(replconf(&mut state, 0, "ack 100"), Ok(Replconf::Ack { starts_stream: true }));
    assert!(state.is_online());
    assert_eq!(replconf(&mut state, 0, "ack 100"), Ok(Replconf::Ack { starts_stream: false }), "once only");
}

#[test]
fn who_wants_the_payload_only_gets_nothing_else() {
    for form in [PayloadForm::Mark, PayloadForm::Length] {
        let mut state = replica(Phase::Transfer, form);
        assert_eq!(replconf(&mut state, 0, "rdb-only 1"), Ok(Replconf::Ok));
        assert_eq!(state.finish_transfer(0), Ok(AfterTransfer::Close));
        assert!(!state.is_online());
    }
}

#[test]
fn a_replica_that_continues_is_online_at_once() {
    let mut state = ReplicaState::new(0);
    assert!(!state.is_replica());
    assert_eq!(state.info_state(), None);
    state.continue_from(0, Offset(50)).expect("in order");
    assert_eq!(
        (state.phase(), state.base(), state.acked()),
        (Phase::Online, Some(Offset(50)), Some(Offset(50)))
    );
}

#[test]
fn steps_out_of_order_are_refused() {
    type Step = (&'static str, Phase, fn(&mut ReplicaState) -> Result<(), PhaseError>);
    let steps: [Step; 5] = [
        ("a partial synchronisation", Phase::Handshake, |s| s.continue_from(0, Offset(1))),
        ("a full synchronisation", Phase::Handshake, |s| s.wait_snapshot(0, false)),
        ("announcing a snapshot", Phase::WaitSnapshot, |s| s.announce(Offset(1))),
        ("sending a payload", Phase::Announced, |s| s.start_transfer(0, PayloadForm::Mark)),
        ("the end of a payload", Phase::Transfer, |s| s.finish_transfer(0).map(drop)),
    ];
    let phases = [
        Phase::Handshake,
        Phase::WaitSnapshot,
        Phase::Announced,
        Phase::Transfer,
        Phase::AwaitAck,
        Phase::Online,
    ];
    for phase in phases {
        for (step, place, run) in steps {
            let mut state = replica(phase, PayloadForm::Mark);
            let result = run(&mut state);
            if phase == place {
                assert_eq!(result, Ok(()), "{step} in {phase:?}");
                assert_ne!(state.phase(), phase);
            } else {
                assert_eq!(result, Err(PhaseError { step, phase }));
                assert_eq!(state.phase(), phase, "nothing has changed");
            }
        }
    }
}

#[test]
fn a_mark_is_not_sent_to_who_does_not_know_it() {
    let mut state = ReplicaState::new(0);
    state.wait_snapshot(0, true).expect("in order");
    state.announce(Offset(0)).expect("in order");
    assert!(state.start_transfer(0, PayloadForm::Mark).is_err());
    assert_eq!(state.phase(), Phase::Announced);
    assert_eq!(state.start_transfer(0, PayloadForm::Length), Ok(()));
}

#[test]
fn what_a_replica_says_about_itself_is_kept() {
    let mut state = ReplicaState::new(0);
    for text in ["listening-port 6380", "ip-address 10.0.0.7", "capa eof capa dual-channel", "version 9.1.2"]
    {
        assert_eq!(replconf(&mut state, 0, text), Ok(Replconf::Ok));
    }
    assert_eq!(
        (state.listening_port(), state.announced_ip(), state.version()),
        (6380, Some("10.0.0.7"), Some("9.1.2"))
    );
    let capabilities = Capabilities { eof: true, dual_channel: true, ..Capabilities::default() };
    assert_eq!(state.capabilities(), capabilities);
    assert_eq!(replconf(&mut state, 0, "rdb-only 1 rdb-filter-only functions"), Ok(Replconf::Ok));
    assert_eq!((state.rdb_only(), state.filter()), (true, SnapshotFilter::FunctionsOnly));
    assert_eq!(replconf(&mut state, 0, ""), Ok(Replconf::Ok));
    assert_eq!(replconf(&mut state, 0, "capa"), Err(ReplconfError::Syntax));
    assert!(matches!(replconf(&mut state, 0, "uuid x"), Err(ReplconfError::UnknownOption { .. })));
    assert_eq!(replconf(&mut state, 0, "getack *"), Ok(Replconf::GetAck));
}

#[test]
fn acknowledgements_count_from_replicas_only_and_never_backwards() {
    let mut state = ReplicaState::new(0);
    assert_eq!(replconf(&mut state, 0, "ack 7 fack 5"), Ok(Replconf::Ack { starts_stream: false }));
    assert_eq!((state.acked(), state.file_acked()), (None, None), "anybody can send an ACK");
    let mut state = replica(Phase::Online, PayloadForm::Length);
    assert_eq!(replconf(&mut state, 0, "ack 200 fack 150"), Ok(Replconf::Ack { starts_stream: false }));
    assert_eq!((state.acked(), state.file_acked()), (Some(Offset(200)), Some(Offset(150))));
    assert_eq!(replconf(&mut state, 0, "ack 190 fack 100"), Ok(Replconf::Ack { starts_stream: false }));
    assert_eq!(replconf(&mut state, 0, "ack -1"), Ok(Replconf::Ack { starts_stream: false }));
    assert_eq!((state.acked(), state.file_acked()), (Some(Offset(200)), Some(Offset(150))));
    assert_eq!(replconf(&mut state, 0, "ack x"), Err(ReplconfError::NotANumber));
}

#[test]
fn who_waits_for_a_snapshot_is_kept_alive_and_never_given_up() {
    for phase in [Phase::WaitSnapshot, Phase::Announced] {
        let mut state = replica(phase, PayloadForm::Length);
        assert_eq!(state.info_state(), Some("wait_bgsave"));
        assert_eq!(state.timeout(60_000), Some(1000));
        assert_eq!(state.tick(999, 60_000), Tick::Idle);
        assert_eq!(state.tick(1000, 60_000), Tick::Keepalive);
        assert_eq!(state.tick(1001, 60_000), Tick::Idle);
        assert_eq!(state.timeout(60_000), Some(2000));
        assert_eq!(state.tick(10_000_000, 60_000), Tick::Keepalive);
    }
}

#[test]
fn who_is_silent_for_too_long_is_given_up() {
    for phase in [Phase::Transfer, Phase::AwaitAck, Phase::Online] {
        let mut state = replica(phase, PayloadForm::Mark);
        assert_eq!(state.timeout(60_000), Some(60_000));
        assert_eq!(state.tick(59_999, 60_000), Tick::Idle, "{phase:?}");
        assert_eq!(state.tick(60_000, 60_000), Tick::TimedOut, "{phase:?}");
        state.alive(30_000);
        assert_eq!(state.silent_ms(31_500), 1500);
        assert_eq!(state.tick(60_000, 60_000), Tick::Idle, "{phase:?}");
        assert_eq!(state.tick(90_000, 60_000), Tick::TimedOut, "{phase:?}");
    }
    assert_eq!(ReplicaState::new(0).timeout(60_000), None);
    assert_eq!(
        ReplicaState::new(0).tick(1_000_000, 60_000),
        Tick::Idle,
        "a client is somebody else's business"
    );
}

#[test]
fn a_legacy_replica_may_be_silent() {
    let mut state = ReplicaState::new(0);
    state.wait_snapshot(0, true).expect("in order");
    state.announce(Offset(0)).expect("in order");
    state.start_transfer(0, PayloadForm::Length).expect("in order");
    assert_eq!(state.tick(60_000, 60_000), Tick::TimedOut, "but it has to take its payload");
    assert_eq!(state.finish_transfer(0), Ok(AfterTransfer::Stream));
    assert_eq!(state.tick(1_000_000, 60_000), Tick::Idle);
    assert!(state.is_legacy());
}

#[test]
fn beside_a_payload_the_stream_flows_at_once() {
    let mut state = ReplicaState::new(0);
    assert_eq!(
        replconf(&mut state, 0, "listening-port 6380 capa eof capa rdb-channel-repl"),
        Ok(Replconf::Ok)
    );
    state.wait_channel(0).expect("in order");
    assert_eq!((state.info_state(), state.takes_stream()), (Some("wait_bgsave"), false));
    assert_eq!(state.tick(1_000_000, 1000), Tick::Idle, "a newline would be taken for a part of the stream");
    state.stream_beside(0, Offset(100)).expect("in order");
    assert_eq!((state.info_state(), state.info_type()), (Some("send_bulk_and_stream"), "main-channel"));
    assert!(state.takes_stream() && !state.is_online());
    assert_eq!(state.base(), Some(Offset(100)));
    assert_eq!(state.tick(1_000_000, 1000), Tick::Idle, "it loads, and need not say so");
    assert_eq!(replconf(&mut state, 0, "ack 100"), Ok(Replconf::Ack { starts_stream: true }));
    assert_eq!(
        (state.phase(), state.info_state(), state.info_type()),
        (Phase::Online, Some("online"), "replica")
    );
    assert_eq!(state.tick(1_000_000, 1000), Tick::TimedOut);

    let mut state = ReplicaState::new(0);
    assert_eq!(replconf(&mut state, 0, "set-rdb-client-id 6"), Ok(Replconf::RdbClient(6)));
    assert_eq!(state.rdb_client(), Some(6));
    state.stream_beside(0, Offset(100)).expect("in order");
    assert_eq!(state.info_state(), Some("bg_transfer"));
    for mut state in
        [replica(Phase::Online, PayloadForm::Mark), replica(Phase::WaitSnapshot, PayloadForm::Mark)]
    {
        assert!(state.stream_beside(0, Offset(100)).is_err() && state.wait_channel(0).is_err());
    }
}

#[test]
fn the_connection_for_a_payload_says_whose_it_is() {
    let mut state = ReplicaState::new(0);
    let request = "capa eof rdb-only 1 rdb-channel 1 listening-port 6380 version 9.1.2";
    assert_eq!(replconf(&mut state, 0, request), Ok(Replconf::Ok));
    assert_eq!(state.payload_channel(), Some(ChannelForm::Valkey));
    assert_eq!(
        state.reader(),
        Reader::UpTo(SnapshotForm::Valkey80),
        "it is a replica, and no tool that keeps the bytes"
    );
    state.wait_snapshot(0, true).expect("in order");
    assert_eq!((state.info_state(), state.info_type()), (Some("wait_bgsave"), "rdb-channel"));
    state.announce(Offset(7)).expect("in order");
    state.start_transfer(0, PayloadForm::Mark).expect("in order");
    assert_eq!(state.info_state(), Some("wait_bgsave"));
    assert_eq!(state.tick(1000, 1000), Tick::TimedOut, "a payload that does not get through");
    assert_eq!(state.finish_transfer(0), Ok(AfterTransfer::Close));

    let mut state = ReplicaState::new(0);
    let request = "capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 6 listening-port 6380";
    assert_eq!(replconf(&mut state, 0, request), Ok(Replconf::Ok));
    assert_eq!((state.payload_channel(), state.main_client()), (Some(ChannelForm::Redis), Some(6)));
    assert_eq!(state.reader(), Reader::UpTo(SnapshotForm::Redis12));
    let mut main = ReplicaState::new(0);
    assert_eq!(replconf(&mut main, 0, "version 9.1.2"), Ok(Replconf::Ok));
    state.belongs_to(&main);
    assert_eq!(state.reader(), Reader::UpTo(SnapshotForm::Valkey80));
    for wrong in ["rdb-channel 2", "rdb-channel yes", "main-ch-client-id -1", "set-rdb-client-id x"] {
        assert_eq!(replconf(&mut state, 0, wrong), Err(ReplconfError::NotANumber), "{wrong}");
    }
}
