//! Both ends of the protocol against each other, joined by nothing but the bytes they exchange.

use backlog::{History, Log};
use psync::master::{
    AfterTransfer, Candidate, Decision, EofMark, FullReason, FullSyncPlanner, Placement, PlannerPolicy,
    PsyncRequest, Replconf, ReplicaState, Target, decide, full_resync_line, length_header, lineage_line,
};
use psync::replica::{Event, Link, LinkConfig, LinkState, Resume, Tick};
use psync::{Offset, ReplicationId};

/// A master whose data is the text it has ever written, with one replica attached.
struct Master {
    history: History,
    log: Log,
    data: Vec<u8>,
    state: ReplicaState,
    planner: FullSyncPlanner<()>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What of the log has been sent.
    sent: Offset,
    mark: Option<EofMark>,
    why_full: Option<FullReason>,
}

impl Master {
    fn new(id: u64, diskless: bool) -> Master {
        let id = ReplicationId::random(&mut fastrand::Rng::with_seed(id));
        let policy = PlannerPolicy { diskless, diskless_delay_ms: 0, diskless_max_replicas: 0 };
        Master {
            history: History::new(id),
            log: Log::new(Offset::ZERO, 1 << 20),
            data: Vec::new(),
            state: ReplicaState::new(0),
            planner: FullSyncPlanner::new(policy),
            input: Vec::new(),
            output: Vec::new(),
            sent: Offset::ZERO,
            mark: None,
            why_full: None,
        }
    }

    fn write(&mut self, effect: &[u8]) {
        self.log.append(effect);
        self.data.extend_from_slice(effect);
    }

    /// Another connection of the same replica.
    fn accept(&mut self, now: u64) {
        self.state = ReplicaState::new(now);
        (self.input, self.output) = (Vec::new(), Vec::new());
        (self.mark, self.why_full) = (None, None);
    }

    fn receive(&mut self, now: u64, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some(args) = next_request(&mut self.input) {
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            match args[0] {
                b"PING" => self.output.extend_from_slice(b"+PONG\r\n"),
                b"REPLCONF" => match self.state.replconf(now, args[1..].iter().copied()) {
                    Ok(Replconf::Ok) => self.output.extend_from_slice(b"+OK\r\n"),
                    Ok(Replconf::Lineage(offers)) => {
                        self.output.extend_from_slice(&lineage_line(
                            &offers,
                            &self.history,
                            &self.log,
                            |_| false,
                        ));
                    }
                    Ok(Replconf::RdbClient(_)) => panic!("one connection is enough"),
                    Ok(Replconf::Ack { .. }) | Ok(Replconf::GetAck) => {}
                    Err(error) => self.output.extend_from_slice(format!("-ERR {error}\r\n").as_bytes()),
                },
                b"PSYNC" => {
                    let request = PsyncRequest::parse(args[1..].iter().copied()).expect("well-formed");
                    self.psync(now, &request);
                }
                other => panic!("{}", other.escape_ascii()),
            }
        }
    }

    fn psync(&mut self, now: u64, request: &PsyncRequest) {
        match decide(request, self.state.capabilities(), &self.history, &self.log) {
            Decision::Continue { reply, from } => {
                self.output.extend_from_slice(&reply);
                self.state.continue_from(now, from).expect("in order");
                self.sent = from;
            }
            Decision::Full { reason } => {
                self.why_full = Some(reason);
                self.state.wait_snapshot(now, false).expect("in order");
                let capabilities = self.state.capabilities();
                let candidate = Candidate {
                    replica: (),
                    eof: capabilities.eof,
                    channel: false,
                    filter: self.state.filter(),
                    reader: self.state.reader(),
                };
                assert_eq!(self.planner.arrive(now, candidate, &self.log), Placement::Queued);
            }
        }
    }

    /// What a turn of the event loop does after all input.
    fn turn(&mut self, now: u64) {
        if let Some(start) = self.planner.poll(now, self.log.end()) {
            self.state.announce(start.at).expect("in order");
            self.output.extend_from_slice(&full_resync_line(self.history.id(), start.at));
            let frozen = self.data.clone();
            // Written while the snapshot is made: part of the stream, not of the snapshot.
            self.write(b"<meanwhile>");
            let mark = EofMark::random(&mut fastrand::Rng::with_seed(now));
            let (form, header) = match start.target {
                Target::Disk => (psync::master::PayloadForm::Length, length_header(frozen.len() as u64)),
                Target::Stream => (psync::master::PayloadForm::Mark, mark.header()),
            };
            self.output.extend_from_slice(b"\n\n");
            self.output.extend_from_slice(&header);
            self.state.start_transfer(now, form).expect("in order");
            self.output.extend_from_slice(&frozen);
            if start.target == Target::Stream {
                self.output.extend_from_slice(mark.trailer());
            }
            self.sent = start.at;
            assert_eq!(self.planner.finished(), [()]);
            let expected = match start.target {
                Target::Disk => AfterTransfer::Stream,
                Target::Stream => AfterTransfer::AwaitAck,
            };
            assert_eq!(self.state.finish_transfer(now), Ok(expected));
        }
        if self.state.is_online() {
            for slice in self.log.slices(self.sent).expect("kept for the replica") {
                self.output.extend_from_slice(slice);
            }
            self.sent = self.log.end();
        }
    }
}

/// A well-formed request from the front of the input: replicas are not in question here.
fn next_request(input: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut rest = &input[..];
    let mut line = || {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, tail) = rest.split_at(end);
        rest = &tail[2..];
        String::from_utf8(line.to_vec()).ok()
    };
    let count: usize = line()?.trim_start_matches(['\n', '*']).parse().ok()?;
    let args: Option<Vec<Vec<u8>>> =
        (0..count).map(|_| line().and_then(|_| line()).map(String::into_bytes)).collect();
    let consumed = input.len() - rest.len();
    args.inspect(|_| drop(input.drain(..consumed)))
}

/// A replica whose data is the text it was sent.
#[derive(Default)]
struct Replica {
    data: Vec<u8>,
    loading: Vec<u8>,
    held: Vec<u8>,
    at: Option<Resume>,
}

impl Replica {
    fn receive(&mut self, now: u64, link: &mut Link, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut input = &held[..];
        while let Some(event) = link.step(now, &mut input).expect("a good master") {
            match event {
                Event::FullResync { id, offset } => self.at = Some(Resume { id, applied: offset }),
                Event::LegacySync => panic!("this master knows PSYNC"),
                Event::Continue { offered, new_id: Some(id) } => self.at = Some(Resume { id, ..offered }),
                Event::Continue { new_id: None, .. } => panic!("we have said psync2"),
                Event::SecondConnection(_) => panic!("nobody has offered that"),
                Event::PayloadStart { .. } => self.loading.clear(),
                Event::Payload(bytes) => self.loading.extend_from_slice(&bytes),
                Event::PayloadEnd => {
                    self.data = std::mem::take(&mut self.loading);
                    link.loaded(now, self.applied()).expect("in order");
                }
                Event::Stream(bytes) => {
                    self.data.extend_from_slice(bytes);
                    self.at.as_mut().expect("synchronised").applied.0 += bytes.len() as u64;
                }
            }
        }
        self.held = input.to_vec();
    }

    fn applied(&self) -> Offset {
        self.at.map_or(Offset::ZERO, |at| at.applied)
    }
}

/// Lets both talk, a few bytes at a time, until they have nothing more to say; then for a second more, so
/// that acknowledgements are due.
fn talk(now: u64, master: &mut Master, replica: &mut Replica, link: &mut Link, chunk: usize) {
    for now in [now, now + 1000] {
        if link.tick(now) == Ok(Tick::AckDue) {
            link.ack(now, replica.applied(), None).expect("in order");
        }
        loop {
            master.turn(now);
            let up = link.transmit().len().min(chunk);
            let down = master.output.len().min(chunk);
            if up + down == 0 {
                break;
            }
            master.receive(now, &link.transmit()[..up]);
            link.transmitted(up);
            let bytes: Vec<u8> = master.output.drain(..down).collect();
            replica.receive(now, link, &bytes);
        }
    }
}

fn connect(now: u64, master: &mut Master, replica: &mut Replica, chunk: usize) -> Link {
    master.accept(now);
    let mut link = Link::new(LinkConfig { resume: replica.at, ..LinkConfig::default() }, now);
    link.connected(now).expect("in order");
    talk(now, master, replica, &mut link, chunk);
    link
}

fn assert_in_step(master: &Master, replica: &Replica, link: &Link) {
    assert_eq!(replica.data.escape_ascii().to_string(), master.data.escape_ascii().to_string());
    assert_eq!(replica.at, Some(Resume { id: *master.history.id(), applied: master.log.end() }));
    assert_eq!(link.state(), LinkState::Connected);
    assert!(master.state.is_online());
    assert_eq!(master.state.acked(), Some(master.log.end()), "and the master knows");
}

#[test]
fn a_replica_synchronises_follows_and_comes_back() {
    for diskless in [false, true] {
        for chunk in [1, 7, 1000] {
            let (mut master, mut replica) = (Master::new(1, diskless), Replica::default());
            master.write(b"<before>");
            let mut link = connect(0, &mut master, &mut replica, chunk);
            assert_eq!(master.why_full, Some(FullReason::NothingOffered));
            assert_in_step(&master, &replica, &link);

            master.write(b"<a>");
            talk(2000, &mut master, &mut replica, &mut link, chunk);
            assert_in_step(&master, &replica, &link);

            // The connection is lost, and the master goes on.
            master.write(b"<missed>");
            let link = connect(4000, &mut master, &mut replica, chunk);
            assert_eq!(master.why_full, None);
            assert_in_step(&master, &replica, &link);
        }
    }
}

#[test]
fn a_replica_of_an_empty_master_that_comes_back_before_the_first_write() {
    let (mut master, mut replica) = (Master::new(1, true), Replica::default());
    replica.at = Some(Resume { id: *master.history.id(), applied: Offset::ZERO });
    let link = connect(0, &mut master, &mut replica, 1000);
    assert_eq!(master.why_full, None, "there is nothing that it lacks");
    assert_in_step(&master, &replica, &link);
}

#[test]
fn a_sibling_follows_the_promoted_replica() {
    let (mut old, mut replica) = (Master::new(1, false), Replica::default());
    old.write(b"<shared>");
    drop(connect(0, &mut old, &mut replica, 1000));

    // The promoted replica had got further than the sibling.
    let mut promoted = Master::new(2, false);
    promoted.history = old.history.clone();
    promoted.write(&old.data);
    promoted.write(b"<only the promoted one has got this>");
    let promoted_at = promoted.log.end();
    promoted.history.promote(ReplicationId::random(&mut fastrand::Rng::with_seed(3)), promoted_at);
    promoted.write(b"<its own>");

    let link = connect(10_000, &mut promoted, &mut replica, 5);
    assert_eq!(promoted.why_full, None);
    assert_in_step(&promoted, &replica, &link);

    // The old master wrote more than it could send: its last replica holds what the new one never saw.
    let mut ahead = Replica { data: old.data.clone(), at: replica.at, ..Replica::default() };
    let old_id = *old.history.id();
    ahead.at = Some(Resume { id: old_id, applied: Offset(promoted_at.0 + 1) });
    let link = connect(20_000, &mut promoted, &mut ahead, 5);
    assert_eq!(
        promoted.why_full,
        Some(FullReason::Diverged {
            asked: old_id,
            applied: Offset(promoted_at.0 + 1),
            valid_to: promoted_at
        })
    );
    assert_in_step(&promoted, &ahead, &link);
}

#[test]
fn a_master_chooses_among_several_names() {
    let mut rng = fastrand::Rng::with_seed(9);
    let [mine, unknown] = [(); 2].map(|()| ReplicationId::random(&mut rng));
    let (mut master, mut replica) = (Master::new(1, false), Replica::default());
    master.write(b"<shared>");
    drop(connect(0, &mut master, &mut replica, 1000));
    let shared = replica.at.expect("synchronised");
    master.write(b"<more>");

    // The replica was promoted meanwhile and has written nothing: its present name is known to nobody.
    let resume = Some(Resume { id: mine, applied: Offset(shared.applied.0 + 5) });
    let alternatives = vec![Resume { id: unknown, applied: shared.applied }, shared];
    master.accept(10_000);
    let mut link = Link::new(LinkConfig { resume, alternatives, ..LinkConfig::default() }, 10_000);
    link.connected(10_000).expect("in order");
    talk(10_000, &mut master, &mut replica, &mut link, 3);
    assert_eq!(master.why_full, None);
    assert!(link.consulted());
    assert_in_step(&master, &replica, &link);
}

#[test]
fn a_replica_that_was_away_for_too_long_needs_everything() {
    let (mut master, mut replica) = (Master::new(1, true), Replica::default());
    master.write(b"<before>");
    drop(connect(0, &mut master, &mut replica, 1000));
    let applied = replica.applied();
    master.log.set_capacity(0);
    master.write(&vec![b'.'; 300_000]);
    master.log.trim(None);
    let missing = master.log.first().since(applied);
    assert!(missing > 0);
    let link = connect(5000, &mut master, &mut replica, 1000);
    assert_eq!(master.why_full, Some(FullReason::TooOld { applied, missing }));
    assert_in_step(&master, &replica, &link);
}
