use super::*;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";

/// Has a writer do all of this; what it says.
fn run(work: Vec<AofWork>) -> Vec<AofEvent> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&heard);
    let writer = Writer::new(Box::new(move |event| tell.lock().unwrap().push(event)), Dispatch::none());
    let (sender, receiver) = channel();
    work.into_iter().for_each(|work| sender.send(work).unwrap());
    drop(sender);
    writer.run(&receiver);
    Arc::into_inner(heard).unwrap().into_inner().unwrap()
}

fn open(folder: &Path, keep: Option<u64>) -> AofWork {
    let manifest = ManifestFile {
        name: "m".to_owned(),
        temporary: "temp-m".to_owned(),
        text: "file f seq 1 type i\n".to_owned(),
    };
    AofWork::Open(Box::new(AofOpen {
        folder: folder.to_owned(),
        file: "f".to_owned(),
        keep,
        manifest: Some(manifest),
        begins: Some(AofBegin { epoch: 7, at: Offset(10) }),
    }))
}

fn batch(at: u64, sync: bool, resume: bool) -> AofWork {
    let pieces = vec![AofPiece::Span { offset: Offset(at), unix_ms: 1, bytes: SET.to_vec() }];
    let upto = Offset(at + 27);
    AofWork::Append(AofBatch { pieces, upto, number: upto.0, sync, resume, last: false })
}

fn read(path: PathBuf) -> aof::Tail {
    let bytes = std::fs::read(path).unwrap();
    let (mut reader, mut at) = (aof::Reader::new(), 0);
    while let aof::Step::Item { len, .. } = reader.next(&bytes[at..]).unwrap() {
        at += len;
    }
    reader.tail((bytes.len() - at) as u64)
}

#[test]
fn what_has_gathered_is_written_and_flushed_together() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("appendonlydir");
    let events = run(vec![
        open(&folder, None),
        batch(10, false, false),
        batch(37, true, false),
        batch(64, false, false),
    ]);
    let [
        AofEvent::Opened(Ok(0)),
        AofEvent::Written { upto: Offset(91), batch: 91, size, epoch: 7 },
        AofEvent::Synced { upto: Offset(91), batch: 91, epoch: 7 },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(std::fs::metadata(folder.join("f")).unwrap().len(), size);
    assert_eq!(read(folder.join("f")).len, size);
    assert_eq!(std::fs::read_to_string(folder.join("m")).unwrap(), "file f seq 1 type i\n");
    let again = run(vec![open(&folder, Some(size / 3)), batch(37, false, false)]);
    assert!(matches!(again[..], [AofEvent::Opened(Ok(_)), AofEvent::Written { upto: Offset(64), .. }]));
    assert_eq!(std::fs::metadata(folder.join("f")).unwrap().len(), size / 3 * 2);
}

#[test]
fn after_a_failure_everything_is_left_out_until_the_engine_knows() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("f")).unwrap();
    let events = run(vec![open(dir.path(), None), batch(0, false, false)]);
    // A device has no length that it could be given.
    let failed = |event: &AofEvent| matches!(event, AofEvent::Opened(Err(_)) | AofEvent::WriteFailed { .. });
    assert!(events.iter().any(failed), "{events:?}");
    let none = run(vec![batch(0, false, false)]);
    assert!(none.is_empty(), "without a file nothing is expected of it");
}

#[test]
fn a_manifest_is_replaced_and_files_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old"), "x").unwrap();
    let file = |text: &str| ManifestFile { name: "m".into(), temporary: "temp-m".into(), text: text.into() };
    let switch = AofSwitch {
        folder: dir.path().to_owned(),
        manifest: file("file old seq 1 type h\nfile b seq 1 type b\n"),
        delete: vec!["old".into(), "gone".into()],
        after: file("file b seq 1 type b\n"),
    };
    let survey = || AofWork::Survey { folder: dir.path().to_owned(), name: "m".into() };
    let events = run(vec![survey(), AofWork::Switch(Box::new(switch)), survey()]);
    let [AofEvent::Surveyed(Ok(None)), AofEvent::Switched(Ok(())), AofEvent::Surveyed(Ok(Some(manifest)))] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(manifest.history.is_empty() && manifest.base.is_some());
    assert!(!dir.path().join("old").exists());
}

#[test]
fn what_cannot_be_taken_back_at_once_is_before_the_next_append() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, b"wholehalf").unwrap();
    let span = [AofPiece::Span { offset: Offset(5), unix_ms: 1, bytes: SET.to_vec() }];
    let mut lines = Vec::new();
    // Neither takes bytes nor gives any up.
    let mut open = Open { file: Arc::new(File::open(&path).unwrap()), size: 5, torn: false };
    assert!(append(&mut open, &mut lines, span.iter()).is_err());
    assert!(open.torn);
    assert!(append(&mut open, &mut lines, span.iter()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"wholehalf");
    open.file = Arc::new(OpenOptions::new().write(true).open(&path).unwrap());
    append(&mut open, &mut lines, span.iter()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"whole#TANDEM span 5 ") && bytes.ends_with(SET));
    assert_eq!(bytes.len() as u64, open.size);
}
