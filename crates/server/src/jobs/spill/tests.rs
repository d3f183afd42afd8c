use backlog::Log;

use super::*;

const CONN: u64 = 9;

fn log_bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]).collect()
}

/// Pieces of a log of so many bytes.
fn pieces(len: usize) -> Vec<Piece> {
    let mut log = Log::new(Offset(100), 0);
    log.append(&log_bytes(len));
    std::iter::from_fn(|| log.hand_over(0)).collect()
}

fn read(files: &mut Files, from: Offset, len: usize) -> Result<Bytes, String> {
    match files.perform(Task::Read { conn: ConnId::from_u64(CONN), from, len }) {
        Some(Completion::SpillRead { conn, from: at, result }) => {
            assert_eq!((conn.as_u64(), at), (CONN, from));
            result
        }
        _ => panic!("a read is answered"),
    }
}

#[test]
fn what_is_written_can_be_read_until_it_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Files::new(dir.path().to_owned(), JobId(1));
    let len = FILE_BYTES as usize * 2 + 300_000;
    let all = log_bytes(len);
    let mut written = Offset(100);
    for piece in pieces(len) {
        let Some(Completion::Spilled(Ok(to))) = files.perform(Task::Write(piece)) else { panic!("written") };
        assert!(to > written);
        written = to;
    }
    assert_eq!(files.parts.len(), 3);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no name is left behind");

    let mut at = Offset(150);
    while at < written {
        let bytes = read(&mut files, at, 500_000).unwrap();
        assert!(!bytes.is_empty() && bytes[..] == all[at.0 as usize - 100..][..bytes.len()]);
        at = Offset(at.0 + bytes.len() as u64);
    }
    assert_eq!(at, written);
    for nowhere in [Offset(99), written] {
        assert!(read(&mut files, nowhere, 1).is_err());
    }
    files.perform(Task::Trim(Offset(FILE_BYTES + 50_000)));
    assert_eq!(files.parts.len(), 2);
    assert!(read(&mut files, Offset(150), 1).is_err());
    let kept = files.parts[0].start;
    assert!(read(&mut files, kept, 1).is_ok());
}

#[test]
fn after_a_failure_nothing_more_is_written() {
    let mut files = Files::new(PathBuf::from("/nonexistent/directory"), JobId(1));
    let mut pieces = pieces(100_000).into_iter();
    let first = files.perform(Task::Write(pieces.next().unwrap()));
    let Some(Completion::Spilled(Err(error))) = first else { panic!("there is no such directory") };
    assert!(error.contains("/nonexistent/directory"), "{error}");
    assert!(files.perform(Task::Write(pieces.next().unwrap())).is_none(), "said once");
}

#[test]
fn leftovers_are_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join(format!("{PREFIX}1-2-3"));
    let dump = dir.path().join("temp-1.rdb");
    for path in [&left, &dump] {
        std::fs::write(path, b"x").unwrap();
    }
    remove_leftovers(dir.path());
    assert!(!left.exists() && dump.exists());
    remove_leftovers(Path::new("/nonexistent/directory"));
}
