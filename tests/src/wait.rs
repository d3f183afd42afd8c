//! Waiting for something to become true, with a deadline.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; who waits so long waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `look` finds something.
///
/// # Panics
///
/// With `what` was waited for, when [`PATIENCE`] is over.
pub fn wait_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_some_for(PATIENCE, what, look)
}

/// Looks until `look` finds something, but no longer than `patience`.
///
/// # Panics
///
/// With `what` was waited for, when the time is over.
pub fn wait_some_for<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Looks until `look` says yes.
///
/// # Panics
///
/// With `what` was waited for, when [`PATIENCE`] is over.
pub fn wait(what: &str, mut look: impl FnMut() -> bool) {
    wait_some(what, || look().then_some(()));
}

/// Looks until `look` is content; what it has seen at last is part of the message if it never is.
///
/// # Panics
///
/// With what was seen last, when [`PATIENCE`] is over.
pub fn wait_seeing<T: std::fmt::Debug>(what: &str, mut look: impl FnMut() -> Result<(), T>) {
    let started = Instant::now();
    while let Err(seen) = look() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}; last seen: {seen:#?}");
        std::thread::sleep(PAUSE);
    }
}

/// Looks until `look` answers `expected`.
///
/// # Panics
///
/// With the last answer, when [`PATIENCE`] is over.
pub fn wait_eq<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug + ?Sized>(
    expected: &U,
    mut look: impl FnMut() -> T,
) {
    wait_seeing(&format!("{expected:?}"), || {
        let found = look();
        if found == *expected { Ok(()) } else { Err(found) }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_it_sees() {
        let mut looks = 0;
        wait("the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
        let mut next = 0..;
        wait_eq(&4, || next.next().unwrap());
    }

    #[test]
    #[should_panic(expected = "in vain: a miracle")]
    fn it_gives_up() {
        wait_some_for(Duration::from_millis(20), "a miracle", || None::<()>);
    }
}
