use super::*;
use crate::{History, Writer};
use backlog::{PastHistory, ReplicationId};
use proptest::prelude::*;

fn set(number: usize, len: usize) -> Vec<u8> {
    let value = format!("{number:0len$}");
    format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n${}\r\n{value}\r\n", value.len()).into_bytes()
}

/// A file, the stream that it holds with a `?` for each byte that it lacks, and where its lines begin.
struct Written {
    file: Vec<u8>,
    stream: Vec<u8>,
    marks: Vec<(u64, u64)>,
}

/// Spans of some commands, with gaps of these lengths in front of them.
fn write(spans: &[(u64, Vec<usize>)], ended: bool) -> Written {
    let id = |seed| ReplicationId::random(&mut fastrand::Rng::with_seed(seed));
    let mut written = Written { file: Vec::new(), stream: Vec::new(), marks: vec![(0, 0)] };
    let Written { file, stream, marks } = &mut written;
    for (number, (gap, commands)) in spans.iter().enumerate() {
        if number % 3 == 0 {
            Writer::select(file, 7);
            let offset = Offset(1000 + stream.len() as u64);
            let past = PastHistory { id: id(2), valid_to: offset };
            Writer::history(file, History { id: id(1), offset, db: 7, unix_ms: 5 }, &[past]);
        }
        stream.extend(std::iter::repeat_n(b'?', *gap as usize));
        let offset = Offset(1000 + stream.len() as u64);
        let commands: Vec<Vec<u8>> = commands.iter().map(|&len| set(number, len)).collect();
        let pieces: Vec<&[u8]> = commands.iter().map(|command| &command[..]).collect();
        Writer::time(file, 5);
        Writer::span(file, offset, 6, &pieces);
        pieces.iter().for_each(|piece| stream.extend_from_slice(piece));
        if number % 2 == 0 {
            // A replica's own commands are no part of the stream; of those in front of a history the end may be missing.
            let own = [set(98, 3000), set(99, 9)].concat();
            Writer::local_line(file, 6, &own);
            let cut = if number % 3 == 2 { set(98, 3000).len() } else { own.len() };
            file.extend_from_slice(&own[..cut]);
        }
        marks.push((file.len() as u64, stream.len() as u64));
    }
    if ended {
        Writer::end(file, Offset(1000 + stream.len() as u64), 8, 7, false);
    }
    written
}

/// Commands that are no pings, and how many bytes there were of pings and blank lines, in order.
fn told(mut stream: &[u8]) -> Vec<Result<Vec<u8>, usize>> {
    let mut all = Vec::new();
    let nothing = |all: &mut Vec<Result<Vec<u8>, usize>>, len| match all.last_mut() {
        Some(Err(before)) => *before += len,
        _ => all.push(Err(len)),
    };
    while !stream.is_empty() {
        if stream[0] == b'\n' {
            nothing(&mut all, 1);
            stream = &stream[1..];
            continue;
        }
        let Scanned::Whole(len) = Scan::default().go_on(stream) else { panic!("{stream:?}") };
        if stream[..len].windows(4).any(|part| part == b"PING") {
            nothing(&mut all, len);
        } else {
            all.push(Ok(stream[..len].to_vec()));
        }
        stream = &stream[len..];
    }
    all
}

fn read(written: &Written, mark: usize, from: u64, chunk: usize) -> Vec<u8> {
    let ends = Offset(1000 + written.stream.len() as u64);
    let (position, offset) = written.marks[mark];
    let mut reader = StreamReader::at(position, Offset(1000 + offset));
    let mut source = &written.file[..];
    reader.seek(&mut source, Offset(1000 + from), ends).unwrap();
    let mut all = Vec::new();
    while reader.offset() < ends {
        let before = all.len();
        reader.read(&mut source, chunk, ends, &mut all).unwrap();
        assert!(all.len() > before);
    }
    assert!(reader.is_settled());
    all
}

proptest! {
    #[test]
    fn a_stream_comes_back_from_any_offset_in_any_pieces(
        spans in prop::collection::vec((prop_oneof![Just(0u64), 1u64..200], prop::collection::vec(1usize..300, 0..4)), 1..12),
        ended in any::<bool>(),
        from in any::<prop::sample::Index>(),
        mark in any::<prop::sample::Index>(),
        chunk in 1usize..400,
    ) {
        let written = write(&spans, ended);
        prop_assume!(!written.stream.is_empty());
        let from = from.index(written.stream.len()) as u64;
        let fitting = written.marks.iter().filter(|(_, offset)| *offset <= from).count();
        let found = read(&written, mark.index(fitting), from, chunk);
        let expected = &written.stream[from as usize..];
        prop_assert_eq!(found.len(), expected.len());
        for (at, byte) in expected.iter().enumerate().filter(|(_, byte)| **byte != b'?') {
            prop_assert_eq!(found[at], *byte);
        }
        // What stands in the gaps is whole, from the beginning of a gap or a command on.
        if from == 0 || written.marks.iter().any(|(_, offset)| *offset == from) {
            let commands = told(&found).into_iter().filter_map(Result::ok).map(|command| command.len()).sum::<usize>();
            prop_assert_eq!(commands, expected.iter().filter(|byte| **byte != b'?').count());
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_or_means_nothing(
        spans in prop::collection::vec((0u64..50, prop::collection::vec(1usize..40, 1..3)), 1..6),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut written = write(&spans, true);
        let right = read(&written, 0, 0, 100);
        let at = at.index(written.file.len());
        prop_assume!(written.file[at] != to);
        written.file[at] = to;
        let ends = Offset(1000 + written.stream.len() as u64);
        let mut found = Vec::new();
        let result = StreamReader::at(0, Offset(1000)).read(&mut &written.file[..], usize::MAX, ends, &mut found);
        prop_assert!(right.starts_with(&found), "nothing wrong is given out");
        prop_assert!(result.is_err() || found == right);
    }

    #[test]
    fn any_bytes_can_be_read(file in prop::collection::vec(any::<u8>(), 0..300), from in 0u64..400, len in 0usize..400) {
        let mut out = Vec::new();
        let mut reader = StreamReader::at(from.min(file.len() as u64), Offset(5));
        let _ = reader.seek(&mut &file[..], Offset(9), Offset(300));
        let _ = reader.read(&mut &file[..], len, Offset(300), &mut out);
    }

    #[test]
    fn what_means_nothing_has_any_length(len in 1usize..3000) {
        let mut out = Vec::new();
        fill(&mut out, len);
        prop_assert_eq!(out.len(), len);
        prop_assert_eq!(told(&out), vec![Err(len)]);
    }
}

#[test]
fn a_gap_is_taken_as_a_whole() {
    for len in [34, 37, 71, 300, 5000] {
        let mut out = Vec::new();
        fill(&mut out, len);
        let Scanned::Whole(ping) = Scan::default().go_on(&out) else { panic!("{out:?}") };
        assert_eq!(ping, len);
        // Who has been given the original and stands somewhere behind its beginning is given nothing but blank lines.
        assert!(out[PING_WITH.len() + 9..].iter().all(|byte| b"\r\n".contains(byte)));
    }
}

#[test]
fn a_long_gap_is_not_settled_before_its_end() {
    let written = write(&[(0, vec![1]), (3 * MAX_FILLER, vec![1])], false);
    let ends = Offset(1000 + written.stream.len() as u64);
    let mut reader = StreamReader::at(0, Offset(1000));
    let (mut source, mut out) = (&written.file[..], Vec::new());
    let mut states = Vec::new();
    while reader.offset() < ends {
        reader.read(&mut source, 1, ends, &mut out).unwrap();
        states.push(reader.is_settled());
    }
    states.dedup();
    assert_eq!(states, [true, false, true]);
}

#[test]
fn a_stretch_that_ends_within_a_span_was_cut_off_there() {
    let one = set(1, 5);
    let mut file = Vec::new();
    Writer::span(&mut file, Offset(0), 6, &[&one, &one, &one]);
    file.truncate(file.len() - one.len() - 3);
    let read = |ends: usize| {
        let mut out = Vec::new();
        StreamReader::at(0, Offset(0)).read(&mut &file[..], 1000, Offset(ends as u64), &mut out).map(|()| out)
    };
    assert_eq!(read(one.len()), Ok(one.clone()));
    assert!(matches!(read(one.len() + 1), Err(StreamError::Damage(_))), "no whole command");
    assert!(matches!(read(2 * one.len()), Err(StreamError::Ends { .. })), "it is not there");
}

#[test]
fn the_stream_does_not_go_back() {
    let mut file = Vec::new();
    Writer::span(&mut file, Offset(100), 6, &[&set(1, 5)]);
    let mut out = Vec::new();
    let result = StreamReader::at(0, Offset(101)).read(&mut &file[..], 10, Offset(200), &mut out);
    assert_eq!(result, Err(StreamError::Offset { at: 0, expected: Offset(101), found: Offset(100) }));
}
