//! The log: one line an event, in the form that tools for Redis read.
//!
//! ```text
//! 4711:M 23 Nov 2026 06:02:52.123 * Ready to accept connections
//! ```
//!
//! Process id, role (`M` master, `S` replica, `C` while neither is known yet), local time, a sign for the level, the message.
//! Code logs through [`tracing`]; a [`LogLayer`] writes what comes:
//!
//! | tracing | `loglevel` | sign |
//! |---|---|---|
//! | `TRACE` | `debug` | `.` |
//! | `DEBUG` | `verbose` | `-` |
//! | `INFO` | `notice` | `*` |
//! | `WARN`, `ERROR` | `warning` | `#` |

mod layer;
mod line;
mod sink;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use config::LogLevel;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

pub use layer::LogLayer;
use line::{Severity, write_line};
use sink::Sink;

/// Writes log lines. Clones write to the same place.
#[derive(Clone)]
pub struct Logger {
    shared: Arc<Shared>,
}

struct Shared {
    role: AtomicU8,
    threshold: AtomicU8,
    sink: Mutex<Sink>,
}

impl Logger {
    /// A logger to the standard output.
    pub fn stdout(level: LogLevel) -> Logger {
        Logger::new(Sink::Stdout, level)
    }

    /// A logger that appends to a file. The file may be renamed meanwhile: a new one is then begun within a second.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn file(path: &Path, level: LogLevel) -> std::io::Result<Logger> {
        Ok(Logger::new(Sink::file(path)?, level))
    }

    /// A logger to anything else.
    pub fn writer(writer: Box<dyn Write + Send>, level: LogLevel) -> Logger {
        Logger::new(Sink::Writer(writer), level)
    }

    fn new(sink: Sink, level: LogLevel) -> Logger {
        let shared = Shared {
            role: AtomicU8::new(b'C'),
            threshold: AtomicU8::new(Severity::threshold(level)),
            sink: Mutex::new(sink),
        };
        Logger { shared: Arc::new(shared) }
    }

    /// Sets the letter that says which role the instance plays.
    pub fn set_role(&self, letter: char) {
        let letter = u8::try_from(letter).unwrap_or(b'?');
        if self.shared.role.load(Ordering::Relaxed) != letter {
            self.shared.role.store(letter, Ordering::Relaxed);
        }
    }

    /// Sets how much is logged from now on.
    pub fn set_level(&self, level: LogLevel) {
        self.shared.threshold.store(Severity::threshold(level), Ordering::Relaxed);
        // Each place that logs remembers whether it is wanted.
        tracing::callsite::rebuild_interest_cache();
    }

    /// A dispatcher for [`tracing`] that ends here.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(tracing_subscriber::registry().with(LogLayer::new(self.clone())))
    }

    /// Writes text that is no log line, such as the banner, as it is.
    pub fn raw(&self, text: &str) {
        self.sink(|sink| sink.write(text.as_bytes()));
    }

    /// Logs a warning without the detour through [`tracing`]: for a panic, which may have happened inside it.
    pub fn warning(&self, message: &str) {
        self.log(Severity::Warning, message);
    }

    fn wants(&self, severity: Severity) -> bool {
        severity as u8 >= self.shared.threshold.load(Ordering::Relaxed)
    }

    fn log(&self, severity: Severity, message: &str) {
        if !self.wants(severity) {
            return;
        }
        let mut line = String::with_capacity(48 + message.len());
        let role = char::from(self.shared.role.load(Ordering::Relaxed));
        write_line(
            &mut line,
            std::process::id(),
            role,
            crate::clock::now().unix_us / 1000,
            severity,
            message,
        );
        self.sink(|sink| sink.write(line.as_bytes()));
    }

    fn sink(&self, act: impl FnOnce(&mut Sink)) {
        // A thread that panicked while it logged has left at worst half a line behind.
        act(&mut self.shared.sink.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    struct Lines(Sender<String>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a logger at `level` writes while `act` runs, without the time.
    fn logged(level: LogLevel, act: impl FnOnce(&Logger)) -> Vec<String> {
        let (sender, receiver) = channel();
        let logger = Logger::writer(Box::new(Lines(sender)), level);
        tracing::dispatcher::with_default(&logger.dispatch(), || act(&logger));
        drop(logger);
        receiver.iter().map(|line| strip_time(&line)).collect()
    }

    fn strip_time(line: &str) -> String {
        let mut words: Vec<_> = line.split(' ').collect();
        if words.len() > 6 {
            words.drain(1..5);
        }
        words.join(" ").replace(&std::process::id().to_string(), "PID")
    }

    #[test]
    fn levels_have_signs() {
        let all = |_: &Logger| {
            tracing::trace!("a trace");
            tracing::debug!("a detail");
            tracing::info!("an event");
            tracing::warn!("a warning");
            tracing::error!("an error");
        };
        assert_eq!(
            logged(LogLevel::Debug, all),
            [
                "PID:C . a trace\n",
                "PID:C - a detail\n",
                "PID:C * an event\n",
                "PID:C # a warning\n",
                "PID:C # an error\n"
            ]
        );
        assert_eq!(logged(LogLevel::Notice, all).len(), 3);
        assert_eq!(logged(LogLevel::Warning, all).len(), 2);
        assert_eq!(logged(LogLevel::Nothing, all).len(), 0);
    }

    #[test]
    fn level_and_role_change_at_run_time() {
        let once = || tracing::debug!("a detail");
        let lines = logged(LogLevel::Notice, |logger| {
            once();
            logger.set_level(LogLevel::Verbose);
            logger.set_role('S');
            once();
            logger.set_level(LogLevel::Notice);
            once();
        });
        assert_eq!(lines, ["PID:S - a detail\n"]);
    }

    #[test]
    fn fields_follow_the_message() {
        let lines = logged(LogLevel::Notice, |_| tracing::info!(conn = 7, name = "x y", "closed"));
        assert_eq!(lines, ["PID:C * closed conn=7 name=\"x y\"\n"]);
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let lines = logged(LogLevel::Notice, |_| tracing::info!("name {}", "a\r\n1:M forged\x1b[2J\tend"));
        assert_eq!(lines, ["PID:C * name a\\r\\n1:M forged\\x1b[2J\tend\n"]);
    }

    #[test]
    fn raw_text_is_left_alone() {
        let lines = logged(LogLevel::Nothing, |logger| logger.raw("one\ntwo\n"));
        assert_eq!(lines, ["one\ntwo\n"]);
    }

    #[test]
    fn a_file_is_appended_to_and_begun_anew_once_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        let logger = Logger::file(&path, LogLevel::Notice).unwrap();
        logger.warning("first");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with(" # first\n"), "{text}");

        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        logger.sink(Sink::forget_last_look);
        logger.warning("second");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" # second\n") && !text.contains("first"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Logger::file(&dir.path().join("none/log"), LogLevel::Notice).is_err());
    }
}
