use super::*;
use crate::annotation::{History, Span};
use crate::writer::Writer;
use backlog::{Offset, PastHistory, ReplicationId};
use proptest::prelude::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

fn id() -> ReplicationId {
    ReplicationId::random(&mut fastrand::Rng::with_seed(1))
}

/// All items of a file that comes in pieces of so many bytes: commands glued together, lines as they are.
fn read(file: &[u8], piece: usize) -> (Vec<u8>, Vec<Annotation>, Result<Tail, Damage>) {
    let (mut reader, mut known, mut from) = (Reader::new(), 0, 0);
    let (mut commands, mut lines) = (Vec::new(), Vec::new());
    loop {
        match reader.next(&file[from..known]) {
            Ok(Step::Item { item, len }) => {
                match item {
                    Item::Commands { bytes: run, .. } => commands.extend_from_slice(run),
                    Item::Annotation(line) => lines.push(line),
                }
                from += len;
                assert_eq!(reader.position(), from as u64);
            }
            Ok(Step::NeedsMore) if known == file.len() => {
                return (commands, lines, Ok(reader.tail((known - from) as u64)));
            }
            Ok(Step::NeedsMore) => known = file.len().min(known + piece),
            Err(damage) => return (commands, lines, Err(damage)),
        }
    }
}

/// A file as we write it: two spans with a gap between them, and the end.
fn sample() -> Vec<u8> {
    let mut file = Vec::new();
    Writer::select(&mut file, 3);
    let history = History { id: id(), offset: Offset(100), db: 3, unix_ms: 5 };
    Writer::history(&mut file, history, &[PastHistory { id: id(), valid_to: Offset(90) }]);
    Writer::span(&mut file, Offset(100), 6, &[SET, MULTI, SET]);
    // A transaction may go on in the next span.
    Writer::span(&mut file, Offset(200), 7, &[SET, EXEC, SET]);
    Writer::span(&mut file, Offset(300), 8, &[]);
    Writer::end(&mut file, Offset(300), 9, 3, false);
    file
}

#[test]
fn what_is_written_is_read() {
    let file = sample();
    let (commands, lines, tail) = read(&file, usize::MAX);
    let mut expected = Vec::new();
    Writer::select(&mut expected, 3);
    for piece in [SET, MULTI, SET, SET, EXEC, SET] {
        expected.extend_from_slice(piece);
    }
    assert_eq!(commands, expected);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[2], Annotation::Span(Span { offset: Offset(100), unix_ms: 6, len: 69 }));
    assert_eq!(lines[5], Annotation::End { offset: Offset(300), unix_ms: 9, db: 3, replica: false });
    let len = file.len() as u64;
    assert_eq!(tail, Ok(Tail { len, whole: len, is_cut: false, ended: true, foreign: false }));
}

#[test]
fn a_flipped_bit_is_noticed_even_where_the_commands_parse() {
    let mut file = Vec::new();
    Writer::span(&mut file, Offset(0), 1, &[SET, SET]);
    let begins = (file.len() - 2 * SET.len()) as u64;
    Writer::span(&mut file, Offset(54), 1, &[SET]);
    let at = file.iter().position(|&byte| byte == b'a').expect("the key");
    let at = file[at + 1..].windows(7).position(|part| part == b"$1\r\na\r\n").expect("the key") + at + 5;
    file[at] = b'b';
    let (_, _, tail) = read(&file, usize::MAX);
    assert_eq!(tail, Err(Damage { at: begins, kind: DamageKind::Checksum { len: 54 } }));
}

#[test]
fn a_file_of_others_is_read_too() {
    let file = [b"#TS:12\r\n", SET, b"# whatever\n", SET].concat();
    let (commands, lines, tail) = read(&file, 1);
    assert_eq!(commands, [SET, SET].concat());
    assert_eq!(lines, [Annotation::Time { unix_s: 12 }, Annotation::Unknown]);
    assert!(tail.is_ok_and(|tail| tail.foreign && !tail.is_cut));
}

#[test]
fn what_others_have_appended_is_told_apart() {
    let mut file = sample();
    file.extend_from_slice(SET);
    let (_, _, tail) = read(&file, usize::MAX);
    let tail = tail.expect("it is whole");
    assert!(tail.foreign && !tail.ended && !tail.is_cut);
}

#[test]
fn what_a_replica_was_written_by_its_clients_is_no_part_of_the_history() {
    let mut file = sample();
    Writer::local_line(&mut file, 9, SET);
    file.extend_from_slice(SET);
    let end = file.len();
    Writer::span(&mut file, Offset(300), 9, &[SET]);
    let (mut reader, mut at, mut origins) = (Reader::new(), 0, Vec::new());
    while let Ok(Step::Item { item, len }) = reader.next(&file[at..]) {
        if let Item::Commands { origin, .. } = item {
            origins.push(origin);
        }
        at += len;
    }
    use Origin::{History, Local, Unknown};
    assert_eq!(origins, [Unknown, History, History, Local, History]);
    let tail = reader.tail(0);
    assert!(!tail.foreign && !tail.is_cut && !tail.ended);
    let cut = read(&file[..end - 3], usize::MAX).2.expect("nothing but the end is missing");
    assert!(cut.is_cut && cut.whole == (end - SET.len()) as u64);
    file[end - 3] ^= 1;
    let damage = read(&file, usize::MAX).2.expect_err("a byte was flipped");
    assert_eq!(damage.kind, DamageKind::Checksum { len: SET.len() as u64 });
}

#[test]
fn an_open_transaction_is_cut_off() {
    let file = [SET, MULTI, SET, &EXEC[..EXEC.len() - 1]].concat();
    let (_, _, tail) = read(&file, usize::MAX);
    let tail = tail.expect("nothing but the end is missing");
    assert_eq!((tail.whole, tail.len, tail.is_cut), (SET.len() as u64, file.len() as u64, true));
}

#[test]
fn writing_goes_on_behind_a_cut() {
    let mut file = Vec::new();
    Writer::span(&mut file, Offset(0), 1, &[SET, SET]);
    file.truncate(file.len() - SET.len());
    let (_, _, tail) = read(&file, usize::MAX);
    let tail = tail.expect("nothing but the end is missing");
    assert!(tail.is_cut && tail.whole == tail.len);
    let history = History { id: id(), offset: Offset(27), db: 0, unix_ms: 5 };
    Writer::history(&mut file, history, &[]);
    Writer::span(&mut file, Offset(27), 1, &[SET]);
    assert!(read(&file, usize::MAX).2.is_ok_and(|tail| !tail.is_cut));
    let mut wrong = Vec::new();
    Writer::span(&mut wrong, Offset(0), 1, &[SET, SET]);
    wrong.truncate(wrong.len() - SET.len());
    let at = wrong.len() as u64;
    Writer::span(&mut wrong, Offset(27), 1, &[SET]);
    assert_eq!(read(&wrong, usize::MAX).2, Err(Damage { at, kind: DamageKind::Span }));
}

#[test]
fn damage_is_told_by_its_byte() {
    let at = SET.len() as u64;
    for (rest, byte, kind) in [
        (&b"!!!"[..], at, DamageKind::NoCommand),
        (b"*1\r\n+x\r\n", at + 4, DamageKind::NoCommand),
        (EXEC, at, DamageKind::Nesting),
        (
            b"#TANDEM end 1 2 3 master 0123456789abcdef\r\n",
            at,
            DamageKind::Annotation(BadAnnotation::Checksum),
        ),
    ] {
        let file = [SET, rest, SET].concat();
        let (commands, _, result) = read(&file, usize::MAX);
        assert_eq!(result, Err(Damage { at: byte, kind }));
        assert_eq!(commands, SET);
    }
    let long = [SET, b"#", &[b'x'; 2000][..]].concat();
    assert!(read(&long, usize::MAX).2.is_err());
}

proptest! {
    #[test]
    fn any_pieces_give_the_same(piece in 1usize..80) {
        prop_assert_eq!(read(&sample(), piece), read(&sample(), usize::MAX));
    }

    #[test]
    fn any_cut_leaves_whole_transactions(cut in any::<prop::sample::Index>()) {
        let file = sample();
        let cut = cut.index(file.len());
        let (commands, _, tail) = read(&file[..cut], usize::MAX);
        let tail = tail.expect("a cut is no damage");
        prop_assert_eq!(tail.len, cut as u64);
        prop_assert!(tail.whole <= cut as u64 && !tail.ended);
        let (again, _, mended) = read(&file[..tail.whole as usize], usize::MAX);
        let mended = mended.expect("what is whole stays so");
        prop_assert_eq!((mended.len, mended.whole), (tail.whole, tail.whole));
        prop_assert!(commands.starts_with(&again));
    }

    #[test]
    fn any_flipped_byte_is_noticed(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut file = sample();
        // The SELECT in front is for others and has no checksum.
        let front = 23;
        let at = front + at.index(file.len() - front);
        prop_assume!(file[at] != to);
        file[at] = to;
        let (before, lines, result) = read(&file, usize::MAX);
        match result {
            Err(_) => {}
            // Nothing is gained from what is now a line of somebody else, or from what looks like a file cut off …
            Ok(tail) => {
                let unknown = lines.contains(&Annotation::Unknown);
                // … or a line whose end was changed is a line all the same.
                let of_line_end = file[at] == b'\r' || file[at] == b'\n' || sample()[at] == b'\r';
                prop_assert!(tail.is_cut || tail.foreign || unknown || of_line_end, "{before:?}");
            }
        }
    }

    #[test]
    fn any_bytes_can_be_read(file in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        prop_assert_eq!(read(&file, piece).2, read(&file, usize::MAX).2);
    }

    #[test]
    fn anything_that_looks_like_a_file_can_be_read(
        parts in prop::collection::vec(prop_oneof![
            Just(SET.to_vec()), Just(MULTI.to_vec()), Just(EXEC.to_vec()), Just(b"#TS:1\r\n".to_vec()),
            Just(b"*1\r\n$3\r\n".to_vec()), Just(b"#TANDEM span 1 2 27 0000000000000000\r\n".to_vec()),
        ], 0..12),
        piece in 1usize..50,
    ) {
        let file = parts.concat();
        prop_assert_eq!(read(&file, piece).2, read(&file, usize::MAX).2);
    }
}

/// What stands in front of a history may be longer than what was never written of a span.
#[test]
fn writing_goes_on_behind_a_cut_of_any_length() {
    let incr = b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n";
    for left in [incr.len(), SET.len()] {
        let last = if left == SET.len() { SET } else { &incr[..] };
        let mut file = Vec::new();
        Writer::span(&mut file, Offset(0), 1, &[SET, last]);
        file.truncate(file.len() - last.len());
        Writer::select(&mut file, 12);
        Writer::history(&mut file, History { id: id(), offset: Offset(27), db: 12, unix_ms: 5 }, &[]);
        Writer::span(&mut file, Offset(27), 1, &[SET]);
        for piece in [1, 7, usize::MAX] {
            let tail = read(&file, piece).2;
            assert!(tail.as_ref().is_ok_and(|tail| !tail.is_cut), "{left}: {tail:?}");
        }
    }
}
