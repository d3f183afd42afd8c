use backlog::{Offset, ReplicationId};

use super::*;
use crate::{History, Reader, Step, Writer};

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const LEN: u64 = SET.len() as u64;

fn history(out: &mut Vec<u8>, offset: u64, unix_ms: u64) {
    let id = ReplicationId::random(&mut fastrand::Rng::with_seed(1));
    Writer::select(out, 0);
    Writer::history(out, History { id, offset: Offset(offset), db: 0, unix_ms }, &[]);
}

fn until_ms(unix_ms: u64) -> Point {
    Point { unix_ms: Some(unix_ms), offset: None }
}

fn until_offset(offset: u64) -> Point {
    Point { unix_ms: None, offset: Some(offset) }
}

/// Commands that come before the point, the offset that is reached, and whether anything is beyond.
fn go(approach: &mut Approach, file: &[u8]) -> Result<(u64, Option<u64>, bool), Unreachable> {
    let (mut reader, mut at, mut commands) = (Reader::new(), 0, 0);
    while let Step::Item { item, len } = reader.next(&file[at..]).expect("it is a file") {
        if !approach.comes_before(at as u64, &item)? {
            return Ok((commands, approach.offset(), true));
        }
        if let Item::Commands { bytes, .. } = item {
            commands += bytes.windows(3).filter(|window| window == b"SET").count() as u64;
        }
        at += len;
    }
    approach.end()?;
    Ok((commands, approach.offset(), false))
}

fn to(point: Point, file: &[u8]) -> Result<(u64, Option<u64>, bool), Unreachable> {
    go(&mut Approach::new(point), file)
}

/// Three writes of ours, of 1, 2 and 3 seconds, and a restart at 5.
fn ours() -> Vec<u8> {
    let mut file = Vec::new();
    history(&mut file, 100, 500);
    for n in 0..3 {
        Writer::span(&mut file, Offset(100 + n * LEN), 1000 * (n + 1), &[SET]);
    }
    Writer::span(&mut file, Offset(500), 4000, &[]);
    Writer::end(&mut file, Offset(500), 4000, 0, false);
    history(&mut file, 500, 5000);
    file
}

#[test]
fn spans_are_before_or_beyond() {
    let file = ours();
    assert_eq!(to(until_ms(2500), &file), Ok((2, Some(100 + 2 * LEN), true)));
    assert_eq!(to(until_ms(2000), &file), Ok((2, Some(100 + 2 * LEN), true)));
    assert_eq!(to(until_ms(999), &file), Ok((0, Some(100), true)));
    assert_eq!(to(until_offset(100 + LEN), &file), Ok((1, Some(100 + LEN), true)));
    assert_eq!(to(until_offset(100 + 2 * LEN - 1), &file), Ok((1, Some(100 + LEN), true)));
    assert_eq!(to(until_offset(499), &file), Ok((3, Some(100 + 3 * LEN), true)));
    let earlier = Point { unix_ms: Some(1500), offset: Some(499) };
    assert_eq!(to(earlier, &file), Ok((1, Some(100 + LEN), true)));
}

#[test]
fn lines_alone_leave_nothing_out() {
    let file = ours();
    assert_eq!(to(until_ms(3000), &file), Ok((3, Some(500), false)));
    assert_eq!(to(until_offset(500), &file), Ok((3, Some(500), false)));
    let mut approach = Approach::new(until_ms(3000));
    assert!(go(&mut approach, &file).is_ok() && approach.unix_ms() == 3000, "{}", approach.unix_ms());
}

#[test]
fn the_lines_of_others_tell_the_second() {
    let mut file = Vec::new();
    for second in [1, 2, 3] {
        Writer::time(&mut file, second);
        file.extend_from_slice(SET);
        file.extend_from_slice(SET);
    }
    assert_eq!(to(until_ms(2999), &file), Ok((4, None, true)));
    assert_eq!(to(until_ms(3000), &file), Ok((6, None, false)));
    assert_eq!(to(until_offset(10), &file), Err(Unreachable::NoOffset { at: 7 }));
}

#[test]
fn what_nothing_is_said_of_cannot_be_placed() {
    assert_eq!(to(until_ms(1), SET), Err(Unreachable::NoTime { at: 0 }));
    // Before a time that was told is before the point.
    let mut file = SET.to_vec();
    Writer::time(&mut file, 2);
    file.extend_from_slice(SET);
    assert_eq!(to(until_ms(2000), &file), Ok((2, None, false)));
    assert_eq!(to(until_ms(1000), &file), Err(Unreachable::NoTime { at: 0 }));
    // Behind our own lines nobody knows, unless somebody says so.
    let mut file = ours();
    let at = file.len() as u64;
    file.extend_from_slice(SET);
    assert_eq!(to(until_ms(9000), &file), Err(Unreachable::NoTime { at }));
    assert_eq!(to(until_offset(900), &file), Err(Unreachable::NoOffset { at }));
    assert_eq!(to(until_ms(2500), &file), Ok((2, Some(100 + 2 * LEN), true)));
    history(&mut file, 600, 8000);
    assert_eq!(to(until_ms(9000), &file), Ok((4, Some(600), false)));
    assert_eq!(to(until_offset(900), &file), Ok((4, Some(600), false)));
}

#[test]
fn what_a_replica_was_written_by_its_clients_goes_by_its_time() {
    let mut file = Vec::new();
    history(&mut file, 100, 500);
    Writer::span(&mut file, Offset(100), 1000, &[SET]);
    Writer::local_line(&mut file, 2000, SET);
    file.extend_from_slice(SET);
    Writer::span(&mut file, Offset(100 + LEN), 3000, &[SET]);
    assert_eq!(to(until_ms(1500), &file), Ok((1, Some(100 + LEN), true)));
    assert_eq!(to(until_ms(2500), &file), Ok((2, Some(100 + LEN), true)));
    assert_eq!(to(until_offset(100 + LEN), &file), Ok((2, Some(100 + LEN), true)));
    assert_eq!(to(until_offset(999), &file), Ok((3, Some(100 + 2 * LEN), false)));
}

#[test]
fn a_base_may_be_too_late() {
    let later = |offset, unix_ms| Err(Unreachable::BaseIsLater { offset, unix_ms });
    assert_eq!(Approach::new(until_ms(2999)).snapshot(Some(7), Some(3)), later(Some(7), Some(3000)));
    assert_eq!(Approach::new(until_offset(6)).snapshot(Some(7), None), later(Some(7), None));
    let time = Item::Annotation(Annotation::Time { unix_s: 3 });
    assert_eq!(Approach::new(until_ms(2999)).base_item(&time), later(None, Some(3000)));
    // In the same second the history behind it knows better.
    let mut file = Vec::new();
    history(&mut file, 7, 3600);
    let mut same_second = Approach::new(until_ms(3500));
    assert_eq!(same_second.snapshot(Some(7), Some(3)), Ok(()));
    assert_eq!(
        go(&mut same_second, &file),
        Err(Unreachable::BaseIsLater { offset: Some(7), unix_ms: Some(3600) })
    );
    // That history is of a start, long after the base.
    let mut at_start = Approach::new(until_ms(3500));
    assert_eq!(at_start.snapshot(Some(7), Some(2)), Ok(()));
    assert_eq!(go(&mut at_start, &file), Ok((0, Some(7), false)));
    // A base of commands says nothing of offsets.
    let mut commands = Approach::new(until_offset(6));
    let item = Item::Commands { bytes: SET, origin: Origin::Unknown };
    assert_eq!(commands.base_item(&item), Ok(()));
    assert_eq!(go(&mut commands, &file), Err(Unreachable::BaseIsLater { offset: Some(7), unix_ms: None }));
}

#[test]
fn points_go_both_ways() {
    let both = Point { unix_ms: Some(12), offset: Some(0) };
    for point in [until_ms(1_772_368_200_123), until_offset(77), both] {
        assert_eq!(Point::parse(&point.to_string()), Some(point));
    }
    for text in ["", "time", "time x", "offset 1 time 2", "time 1 offset", "time 1 x"] {
        assert_eq!(Point::parse(text), None, "{text}");
    }
}
