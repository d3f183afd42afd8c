//! How the engine steers a job: credits and an end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared between the engine and one job.
#[derive(Default)]
pub(super) struct Control {
    cancelled: AtomicBool,
    credits: Mutex<u64>,
    changed: Condvar,
}

impl Control {
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Ends every wait of the job, now and in the future.
    pub fn cancel(&self) {
        // Set under the lock: a job that has just looked at it and is about to wait would miss the call otherwise.
        let credits = self.credits();
        self.cancelled.store(true, Ordering::Relaxed);
        drop(credits);
        self.changed.notify_all();
    }

    pub fn add_credits(&self, chunks: u32) {
        *self.credits() += u64::from(chunks);
        self.changed.notify_all();
    }

    /// Waits for a credit and uses it up. `false` if the job was cancelled.
    #[must_use]
    pub fn take_credit(&self) -> bool {
        let mut credits = self.credits();
        while *credits == 0 && !self.is_cancelled() {
            credits = self.changed.wait(credits).unwrap_or_else(PoisonError::into_inner);
        }
        if self.is_cancelled() {
            return false;
        }
        *credits -= 1;
        true
    }

    /// Waits so long. `false` if the job was cancelled, which ends the wait.
    #[must_use]
    pub fn sleep(&self, time: Duration) -> bool {
        if time.is_zero() {
            return !self.is_cancelled();
        }
        let until = Instant::now() + time;
        let mut credits = self.credits();
        while !self.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            credits = self.changed.wait_timeout(credits, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn credits(&self) -> MutexGuard<'_, u64> {
        self.credits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    #[test]
    fn each_credit_is_good_for_one_chunk() {
        let control = Arc::new(Control::default());
        let (sender, chunks) = channel();
        let job = control.clone();
        let thread = std::thread::spawn(move || {
            for n in 0.. {
                if !job.take_credit() {
                    return n;
                }
                sender.send(n).unwrap();
            }
            unreachable!()
        });
        control.add_credits(2);
        assert_eq!((chunks.recv(), chunks.recv()), (Ok(0), Ok(1)));
        assert!(chunks.try_recv().is_err());
        control.add_credits(1);
        assert_eq!(chunks.recv(), Ok(2));
        control.cancel();
        assert_eq!(thread.join().unwrap(), 3);
    }

    #[test]
    fn cancelling_ends_a_sleep() {
        let control = Arc::new(Control::default());
        assert!(control.sleep(Duration::ZERO));
        assert!(control.sleep(Duration::from_micros(1)));
        let sleeper = control.clone();
        let thread = std::thread::spawn(move || sleeper.sleep(Duration::from_secs(3600)));
        control.cancel();
        assert!(!thread.join().unwrap());
        assert!(!control.sleep(Duration::ZERO), "and every later one");
        control.add_credits(1);
        assert!(!control.take_credit());
    }
}
