//! Jobs against real files, with the test in the engine's place.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use keyspace::{FrozenKeyspace, Keyspace, SetExpiry};
use node::SaveReport;
use node::snapshot::{LoadOptions, SnapshotFilter, SnapshotForm, SnapshotHeader, SnapshotOptions};

use super::*;
use crate::event::{Events, event_channel};

const JOB: JobId = JobId(7);

/// The engine's side of jobs.
struct Engine {
    jobs: Jobs,
    events: Events,
}

impl Engine {
    fn new() -> Engine {
        let (sender, events) = event_channel().unwrap();
        Engine { jobs: Jobs::new(sender, Dispatch::none()), events }
    }

    /// The next completion of a job that is still wanted.
    fn next(&mut self) -> Completion {
        loop {
            let Event::Job(id, what) = self.events.wait() else { panic!("only jobs speak here") };
            if self.jobs.note(id, &what) {
                return what;
            }
        }
    }

    fn chunk(&mut self) -> Bytes {
        match self.next() {
            Completion::Chunk(bytes) => bytes,
            other => panic!("a chunk was expected, not {}", name(&other)),
        }
    }

    fn saved(&mut self) -> Result<SaveReport, String> {
        match self.next() {
            Completion::Saved(result) => result,
            other => panic!("the end of a save was expected, not {}", name(&other)),
        }
    }

    /// What became of a load, and the progress it told of before.
    fn loaded(&mut self) -> (Vec<u64>, Result<u64, LoadError>) {
        let mut progress = Vec::new();
        loop {
            match self.next() {
                Completion::LoadProgress(so_far) => progress.push(so_far.bytes),
                Completion::Loaded(result) => return (progress, result.map(|loaded| loaded.keys)),
                other => panic!("the end of a load was expected, not {}", name(&other)),
            }
        }
    }
}

fn name(what: &Completion) -> &'static str {
    match what {
        Completion::Chunk(_) => "a chunk",
        Completion::Saved(_) => "the end of a save",
        Completion::FileSent(_) => "the end of a file",
        Completion::LoadProgress(_) => "progress",
        Completion::Loaded(_) => "the end of a load",
        Completion::AofBase(_) => "the base of a log",
        Completion::AofChunk(_) => "commands of a log",
        Completion::AofLoaded(_) => "the end of a log",
        Completion::ConfigRewritten(_) => "a rewritten configuration",
        Completion::SettingsTried(_) => "a verdict on settings",
        Completion::AclSaved(_) => "a saved ACL file",
        Completion::AclRead(_) => "an ACL file",
        Completion::FileReplaced(_) => "a replaced file",
        Completion::Spilled(_) => "a kept piece of the log",
        Completion::SpillRead { .. } => "a piece of the log",
        Completion::AofRead { .. } => "a piece of the stream",
    }
}

/// A view of `keys` keys with 64 bytes each that do not compress.
fn view(keys: u32) -> FrozenKeyspace {
    let mut keyspace = Keyspace::new(16, 1);
    let mut rng = fastrand::Rng::with_seed(1);
    for n in 0..keys {
        let value: Vec<u8> = (0..64).map(|_| rng.alphanumeric() as u8).collect();
        keyspace.db_mut(0).set_str(format!("key:{n}").as_bytes(), &value, SetExpiry::Clear);
    }
    keyspace.freeze()
}

fn save_job(id: JobId, view: FrozenKeyspace, target: SaveTarget) -> SaveJob {
    let options = SnapshotOptions {
        compress: false,
        checksum: true,
        form: SnapshotForm::Redis10,
        lossy: false,
        contents: SnapshotFilter::Everything,
        commands: false,
        key_delay_us: 0,
    };
    SaveJob {
        id,
        view,
        header: SnapshotHeader::default(),
        options,
        target,
        makes_folder: false,
        skip: 0,
        progress: Arc::default(),
    }
}

fn load_job(source: LoadSource) -> LoadJob {
    let options = LoadOptions {
        databases: 16,
        seed: 1,
        verify_checksum: true,
        newer_versions: false,
        drop_expired_before: None,
        access: 0,
        limits: Default::default(),
        guard: None,
        key_delay_us: 0,
    };
    LoadJob { id: JOB, source, options }
}

/// A dump of so many keys, and its bytes.
fn dump(dir: &Path, keys: u32) -> (PathBuf, Vec<u8>) {
    let path = dir.join("dump.rdb");
    let mut engine = Engine::new();
    engine.jobs.save(save_job(JOB, view(keys), SaveTarget::File(path.clone())), true);
    let report = engine.saved().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(report, SaveReport { bytes: bytes.len() as u64, keys: u64::from(keys) });
    (path, bytes)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_saved_file_can_be_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes) = dump(dir.path(), 30_000);
    assert_eq!(names(dir.path()), ["dump.rdb"]);
    let mut engine = Engine::new();
    engine.jobs.load(load_job(LoadSource::File(path)));
    let (progress, keys) = engine.loaded();
    assert_eq!(keys.unwrap(), 30_000);
    assert_eq!(progress.last(), Some(&(bytes.len() as u64)));
    assert!(progress.len() > 1, "{progress:?}");
}

#[test]
fn a_full_disk_fails_the_save_and_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, before) = dump(dir.path(), 10);
    symlink("/dev/full", dir.path().join(format!("temp-{}.rdb", std::process::id()))).unwrap();
    let mut engine = Engine::new();
    engine.jobs.save(save_job(JOB, view(10_000), SaveTarget::File(path.clone())), true);
    let error = engine.saved().unwrap_err();
    assert!(error.ends_with("No space left on device"), "{error}");
    assert_eq!(names(dir.path()), ["dump.rdb"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_missing_directory_fails_the_save() {
    let mut engine = Engine::new();
    engine.jobs.save(save_job(JOB, view(1), SaveTarget::File("/nonexistent/dump.rdb".into())), true);
    let error = engine.saved().unwrap_err();
    assert!(error.ends_with("No such file or directory"), "{error}");
}

#[test]
fn a_stream_gives_one_chunk_for_a_credit() {
    let mut engine = Engine::new();
    engine.jobs.save(save_job(JOB, view(10_000), SaveTarget::Stream), true);
    let mut bytes = Vec::new();
    for _ in 0..3 {
        engine.jobs.credit(JOB, 1);
        bytes.extend_from_slice(&engine.chunk());
        assert!(engine.events.drain().is_empty(), "no credit, no chunk");
    }
    engine.jobs.credit(JOB, 1_000_000);
    let report = loop {
        match engine.next() {
            Completion::Chunk(chunk) => bytes.extend_from_slice(&chunk),
            Completion::Saved(result) => break result.unwrap(),
            other => panic!("{}", name(&other)),
        }
    };
    assert_eq!(report, SaveReport { bytes: bytes.len() as u64, keys: 10_000 });

    engine.jobs.load(load_job(LoadSource::Stream { keep: None }));
    engine.jobs.chunk(JOB, bytes.into());
    engine.jobs.end(JOB);
    assert_eq!(engine.loaded().1.unwrap(), 10_000);
}

#[test]
fn a_stream_nobody_takes_can_be_cancelled() {
    let mut engine = Engine::new();
    engine.jobs.save(save_job(JOB, view(10_000), SaveTarget::Stream), true);
    engine.jobs.credit(JOB, 1);
    engine.chunk();
    engine.jobs.cancel(JOB);
    engine.jobs.shut_down();
    assert!(engine.jobs.leaving.iter().all(Running::is_finished));
    assert!(engine.events.drain().is_empty(), "a job that was given up is silent");
}

#[test]
fn cancelling_a_slow_save_removes_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump.rdb");
    let mut engine = Engine::new();
    let mut job = save_job(JOB, view(10), SaveTarget::File(path));
    job.options.key_delay_us = 3_600_000_000;
    engine.jobs.save(job, true);
    engine.jobs.cancel(JOB);
    engine.jobs.shut_down();
    assert!(engine.jobs.leaving.iter().all(Running::is_finished));
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
}

#[test]
fn two_dumps_at_once_do_not_share_a_name() {
    let mut engine = Engine::new();
    let pid = std::process::id();
    assert_eq!(engine.jobs.dump_name(JOB), format!("temp-{pid}.rdb"));
    let dir = tempfile::tempdir().unwrap();
    let mut slow = save_job(JOB, view(10), SaveTarget::File(dir.path().join("one.rdb")));
    slow.options.key_delay_us = 3_600_000_000;
    engine.jobs.save(slow, true);
    assert_eq!(engine.jobs.dump_name(JobId(8)), format!("temp-{pid}-8.rdb"));
    engine.jobs.save(save_job(JobId(8), view(10), SaveTarget::File(dir.path().join("two.rdb"))), true);
    assert_eq!(engine.saved().unwrap().keys, 10);
    engine.jobs.cancel(JOB);
    engine.jobs.shut_down();
    assert_eq!(names(dir.path()), ["two.rdb"]);
    assert_eq!(engine.jobs.dump_name(JOB), format!("temp-{pid}.rdb"));
}

#[test]
fn work_in_the_background_lets_others_go_first() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let before = nice();
    let behind = std::thread::spawn(move || {
        super::stand_back();
        nice()
    });
    assert_eq!(behind.join().unwrap(), (before + super::BACKGROUND_NICE).min(19));
    assert_eq!(nice(), before, "the thread alone");
}

#[test]
fn short_slices_leave_the_niceness_as_it_is() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let before = nice();
    let forward = std::thread::spawn(move || {
        super::step_forward();
        crate::sys::set_time_slice(Some(super::SHORT_SLICE), nice()).map(|()| nice())
    });
    assert_eq!(forward.join().unwrap().unwrap(), before);
}

#[test]
fn a_file_is_sent_chunk_by_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let mut engine = Engine::new();
    engine.jobs.send_file(JOB, path.clone());
    engine.jobs.credit(JOB, 1);
    let mut sent = engine.chunk().to_vec();
    assert!(sent.len() < bytes.len() && engine.events.drain().is_empty());
    engine.jobs.credit(JOB, 100);
    let total = loop {
        match engine.next() {
            Completion::Chunk(chunk) => sent.extend_from_slice(&chunk),
            Completion::FileSent(result) => break result.unwrap(),
            other => panic!("{}", name(&other)),
        }
    };
    assert_eq!(total, 200_000);
    assert!(sent == bytes);

    engine.jobs.send_file(JOB, dir.path().join("none"));
    let Completion::FileSent(Err(error)) = engine.next() else { panic!("there is no such file") };
    assert!(error.ends_with("none: No such file or directory"), "{error}");
}

#[test]
fn a_stream_is_loaded_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (_, bytes) = dump(dir.path(), 20_000);
    let kept = dir.path().join("kept.rdb");
    let mut engine = Engine::new();
    engine.jobs.load(load_job(LoadSource::Stream { keep: Some(kept.clone()) }));
    for piece in bytes.chunks(60_000) {
        engine.jobs.chunk(JOB, Bytes::copy_from_slice(piece));
    }
    engine.jobs.end(JOB);
    let (progress, keys) = engine.loaded();
    assert_eq!(keys.unwrap(), 20_000);
    assert_eq!(progress.last(), Some(&(bytes.len() as u64)));
    assert!(std::fs::read(&kept).unwrap() == bytes);
    assert_eq!(names(dir.path()), ["dump.rdb", "kept.rdb"]);
}

#[test]
fn a_loader_that_waits_has_told_how_far_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (_, bytes) = dump(dir.path(), 100);
    let mut engine = Engine::new();
    engine.jobs.load(load_job(LoadSource::Stream { keep: None }));
    engine.jobs.chunk(JOB, Bytes::copy_from_slice(&bytes[..1000]));
    // Nothing else comes until the sender knows that this has been taken in.
    assert!(matches!(engine.next(), Completion::LoadProgress(so_far) if so_far.bytes == 1000));
    engine.jobs.chunk(JOB, Bytes::copy_from_slice(&bytes[1000..]));
    engine.jobs.end(JOB);
    assert_eq!(engine.loaded().1.unwrap(), 100);
}

#[test]
fn a_copy_that_cannot_be_kept_fails_the_load() {
    let mut engine = Engine::new();
    engine.jobs.load(load_job(LoadSource::Stream { keep: Some("/nonexistent/kept.rdb".into()) }));
    assert!(matches!(engine.loaded().1, Err(LoadError::Io(error)) if error.contains("No such file")));
}

#[test]
fn a_stream_that_breaks_off_leaves_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (_, bytes) = dump(dir.path(), 10_000);
    for broken in [&bytes[..bytes.len() / 2], b"this is no dump"] {
        let mut engine = Engine::new();
        engine.jobs.load(load_job(LoadSource::Stream { keep: Some(dir.path().join("kept.rdb")) }));
        engine.jobs.chunk(JOB, Bytes::copy_from_slice(broken));
        engine.jobs.end(JOB);
        assert!(matches!(engine.loaded().1, Err(LoadError::Corrupt(_))));
        engine.jobs.shut_down();
        assert_eq!(names(dir.path()), ["dump.rdb"]);
    }
    // Or the node gives it up, because the link to the master broke.
    let mut engine = Engine::new();
    engine.jobs.load(load_job(LoadSource::Stream { keep: Some(dir.path().join("kept.rdb")) }));
    engine.jobs.chunk(JOB, Bytes::from(bytes));
    engine.jobs.cancel(JOB);
    engine.jobs.shut_down();
    assert!(engine.jobs.leaving.iter().all(Running::is_finished));
    assert_eq!(names(dir.path()), ["dump.rdb"]);
}

#[test]
fn files_that_cannot_be_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::new();
    let mut load = |path: &Path| {
        engine.jobs.load(load_job(LoadSource::File(path.to_owned())));
        engine.loaded().1.unwrap_err()
    };
    assert!(matches!(load(&dir.path().join("none")), LoadError::NotFound));
    assert!(matches!(load(dir.path()), LoadError::Io(error) if error.ends_with("Is a directory")));
    let (path, bytes) = dump(dir.path(), 1000);
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    assert!(matches!(load(&path), LoadError::Corrupt(_)));
}

#[test]
fn a_slow_load_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = dump(dir.path(), 1000);
    let mut engine = Engine::new();
    let mut job = load_job(LoadSource::File(path));
    job.options.key_delay_us = 3_600_000_000;
    engine.jobs.load(job);
    engine.jobs.cancel(JOB);
    engine.jobs.shut_down();
    assert!(engine.jobs.leaving.iter().all(Running::is_finished));
}

#[test]
fn a_configuration_file_is_rewritten_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.conf");
    std::fs::write(&path, "# a comment\nport 7000\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let args = [path.to_str().unwrap().to_owned()];
    let mut config = config::load(&args, &crate::DiskFiles).unwrap().config;
    config.set(&[(b"timeout", b"17")]).unwrap();
    let mut engine = Engine::new();
    engine.jobs.rewrite_config(JOB, path.clone(), Box::new(config.clone()), false);
    assert!(matches!(engine.next(), Completion::ConfigRewritten(Ok(()))));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# a comment\nport 7000\n") && text.contains("timeout 17\n"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(dir.path()), ["redis.conf"]);

    engine.jobs.rewrite_config(JOB, "/nonexistent/redis.conf".into(), Box::new(config), false);
    let Completion::ConfigRewritten(Err(error)) = engine.next() else { panic!("there is no such directory") };
    assert!(error.ends_with("No such file or directory"), "{error}");
}

#[test]
fn a_job_that_panics_has_failed() {
    let mut engine = Engine::new();
    engine.jobs.spawn("panics", JOB, None, |text| Completion::Saved(Err(text)), |_| panic!("on purpose"));
    assert!(engine.saved().is_err());
}
