//! Threads that build a dataset together.
//!
//! One reads the snapshot, decodes it, and hands batches of keys over; any number of others put them into the parts of the dataset
//! that the keys belong to. Whoever reads builds too when the others are behind, so nobody waits while there is work, and without
//! any others it does everything itself, in the order of the snapshot.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keyspace::Part;

use super::batch::Batch;
use crate::action::LoadError;

/// Batches that may wait, for each helper.
const AHEAD: usize = 4;

/// The parts of one database.
pub(super) type Parts = Vec<Mutex<Part>>;

/// A batch and where it goes.
struct Task {
    parts: Arc<Parts>,
    index: usize,
    batch: Batch,
}

impl Task {
    /// Gives the batch back, empty.
    fn run(mut self) -> (Batch, Result<(), LoadError>) {
        let mut part = lock(&self.parts[self.index]);
        let built = self.batch.build(&mut part).map_err(|key| twice(&key));
        drop(part);
        (self.batch, built)
    }
}

#[cold]
fn twice(key: &[u8]) -> LoadError {
    LoadError::Corrupt(format!("the key {} occurs twice", String::from_utf8_lossy(key)))
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    /// Batches to be filled again.
    empty: Vec<Batch>,
    helpers: usize,
    /// Helpers that are building.
    busy: usize,
    /// The load is over, or was given up.
    ended: bool,
    failed: Option<LoadError>,
}

/// See the module's documentation. Shared by the loader and its helpers.
#[derive(Default)]
pub struct Crew {
    state: Mutex<State>,
    /// There is something to do for helpers.
    work: Condvar,
    /// A helper has become idle.
    idle: Condvar,
}

impl Crew {
    /// Helps until the load is over. `after_each` is called after each piece of work.
    pub fn help(&self, after_each: &mut dyn FnMut()) {
        let mut state = lock(&self.state);
        state.helpers += 1;
        while !state.ended {
            let Some(task) = state.waiting.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy += 1;
            drop(state);
            let busy = Busy { crew: self };
            let (batch, built) = task.run();
            after_each();
            state = busy.done(batch, built);
        }
        state.helpers -= 1;
    }

    /// Has a batch built, now or soon; gives one to fill.
    pub(super) fn build(&self, parts: &Arc<Parts>, index: usize, batch: Batch) -> Result<Batch, LoadError> {
        let task = Task { parts: Arc::clone(parts), index, batch };
        let mut state = lock(&self.state);
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let task = if state.helpers == 0 {
            task
        } else {
            state.waiting.push_back(task);
            if state.waiting.len() <= state.helpers * AHEAD {
                let batch = state.empty.pop().unwrap_or_default();
                drop(state);
                self.work.notify_one();
                return Ok(batch);
            }
            // The helpers are behind: the batch that has waited longest is built here.
            state.waiting.pop_front().expect("one has just been added")
        };
        drop(state);
        let (batch, built) = task.run();
        built.map(|()| batch)
    }

    /// Returns when all that was handed over has been built.
    pub(super) fn finish(&self) -> Result<(), LoadError> {
        let mut state = lock(&self.state);
        loop {
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if let Some(task) = state.waiting.pop_front() {
                drop(state);
                task.run().1?;
                state = lock(&self.state);
            } else if state.busy > 0 {
                state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                return Ok(());
            }
        }
    }

    /// Sends the helpers home; what waits is dropped.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        state.waiting.clear();
        drop(state);
        self.work.notify_all();
    }
}

/// A helper that is building. Should that panic, the load fails instead of waiting for ever.
struct Busy<'a> {
    crew: &'a Crew,
}

impl<'a> Busy<'a> {
    fn done(self, batch: Batch, built: Result<(), LoadError>) -> MutexGuard<'a, State> {
        let crew = self.crew;
        std::mem::forget(self);
        let mut state = crew.one_less();
        state.empty.push(batch);
        if let Err(error) = built {
            state.failed.get_or_insert(error);
        }
        state
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.crew.one_less();
        state.helpers -= 1;
        state.failed = Some(LoadError::Io("an internal error, see the log".to_owned()));
    }
}

impl Crew {
    fn one_less(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.busy -= 1;
        self.idle.notify_one();
        state
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use keyspace::Keyspace;

    use super::*;

    /// One part, and a batch with this key for it.
    fn part_and_batch(key: &[u8]) -> (Arc<Parts>, Batch) {
        let keyspace = Keyspace::new(1, 7);
        let parts = keyspace.db(0).parts(0, 0).into_iter().map(Mutex::new).collect();
        (Arc::new(parts), batch(&keyspace, key))
    }

    fn batch(keyspace: &Keyspace, key: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.push_text(keyspace.db(0).hash(key), key, b"text", None);
        batch
    }

    fn wait_for_helpers(crew: &Crew, count: usize) {
        while lock(&crew.state).helpers != count {
            thread::yield_now();
        }
    }

    #[test]
    fn alone_it_builds_at_once() {
        let crew = Crew::default();
        let (parts, batch) = part_and_batch(b"key");
        let back = crew.build(&parts, 0, batch).expect("the key is new");
        assert!(back.is_empty() && lock(&parts[0]).len() == 1);
        assert!(crew.finish().is_ok());
    }

    #[test]
    fn a_helper_builds_what_was_handed_over() {
        let crew = Crew::default();
        let (parts, first) = part_and_batch(b"key");
        let (built, done) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| crew.help(&mut || built.send(thread::current().id()).unwrap()));
            wait_for_helpers(&crew, 1);
            assert!(crew.build(&parts, 0, first).is_ok());
            assert_ne!(done.recv(), Ok(thread::current().id()));
            assert!(crew.finish().is_ok());
            // The same key once more: the helper finds it, whoever comes next hears of it.
            let again = batch(&Keyspace::new(1, 7), b"key");
            assert!(crew.build(&parts, 0, again).is_ok());
            done.recv().unwrap();
            let error = crew.finish().expect_err("the key comes twice");
            assert_eq!(error.to_string(), "the key key occurs twice");
            crew.end();
        });
        assert_eq!(Arc::strong_count(&parts), 1);
    }

    #[test]
    fn helpers_that_are_behind_are_helped() {
        let crew = Crew::default();
        let (parts, _) = part_and_batch(b"key");
        let keyspace = Keyspace::new(1, 7);
        thread::scope(|scope| {
            // The helper can't build as long as the part is locked.
            let locked = lock(&parts[0]);
            scope.spawn(|| crew.help(&mut || ()));
            wait_for_helpers(&crew, 1);
            for number in 0..=AHEAD {
                let batch = batch(&keyspace, format!("key:{number}").as_bytes());
                assert!(crew.build(&parts, 0, batch).is_ok());
                // The helper takes the first one away.
                while number == 0 && lock(&crew.state).busy == 0 {
                    thread::yield_now();
                }
            }
            assert_eq!(lock(&crew.state).waiting.len(), AHEAD);
            drop(locked);
            for number in 100..200 {
                assert!(crew.build(&parts, 0, batch(&keyspace, format!("key:{number}").as_bytes())).is_ok());
                assert!(lock(&crew.state).waiting.len() <= AHEAD);
            }
            assert!(crew.finish().is_ok());
            crew.end();
        });
        assert_eq!(lock(&parts[0]).len(), AHEAD + 1 + 100);
    }

    #[test]
    fn a_helper_that_fails_fails_the_load() {
        let crew = Arc::new(Crew::default());
        let (parts, batch) = part_and_batch(b"key");
        let helper = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.help(&mut || panic!("on purpose"))
        });
        wait_for_helpers(&crew, 1);
        assert!(crew.build(&parts, 0, batch).is_ok());
        assert!(helper.join().is_err());
        let error = crew.finish().expect_err("a helper has failed");
        assert!(error.to_string().contains("internal error"), "{error}");
        assert_eq!(lock(&crew.state).helpers, 0);
    }
}
