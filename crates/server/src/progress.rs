//! How far a load has come, for somebody who watches the start at a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A load that is over sooner is not worth a line.
const PATIENCE: Duration = Duration::from_millis(300);
/// The line changes this often at most.
const REFRESH: Duration = Duration::from_millis(100);

/// A line that is written over again and again, and wiped out at the end. Lines of the log go over it.
pub(crate) struct ProgressLine<W: Write> {
    out: W,
    begun: Instant,
    shown: Option<Instant>,
}

impl ProgressLine<std::io::Stderr> {
    /// A line on the standard error; `None` if that is no terminal: nothing is to be seen in a pipe or a file.
    pub fn for_terminal() -> Option<Self> {
        let stderr = std::io::stderr();
        stderr.is_terminal().then(|| ProgressLine::new(stderr, Instant::now()))
    }
}

impl<W: Write> ProgressLine<W> {
    fn new(out: W, begun: Instant) -> Self {
        ProgressLine { out, begun, shown: None }
    }

    /// Shows so many bytes of all of them, if it is time to.
    pub fn show(&mut self, bytes: u64, total: u64) {
        self.show_at(Instant::now(), bytes, total);
    }

    fn show_at(&mut self, now: Instant, bytes: u64, total: u64) {
        let elapsed = now.saturating_duration_since(self.begun);
        if elapsed < PATIENCE || self.shown.is_some_and(|shown| now < shown + REFRESH) {
            return;
        }
        self.shown = Some(now);
        let text = text(elapsed, bytes, total);
        // Back at its beginning, so that what somebody else prints goes over it. Nobody needs the line, so nobody hears if it fails.
        let _ = write!(self.out, "\x1b[K{text}\r").and_then(|()| self.out.flush());
    }
}

impl<W: Write> Drop for ProgressLine<W> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = self.out.write_all(b"\x1b[K").and_then(|()| self.out.flush());
        }
    }
}

fn text(elapsed: Duration, bytes: u64, total: u64) -> String {
    const MIB: f64 = (1 << 20) as f64;
    let loaded = format!("Loading: {:.1} MiB", bytes as f64 / MIB);
    if total == 0 || bytes == 0 {
        return loaded;
    }
    let left_s = elapsed.as_secs_f64() * total.saturating_sub(bytes) as f64 / bytes as f64;
    format!("{loaded} of {:.1}, {} %, {:.0} s left", total as f64 / MIB, 100 * bytes / total, left_s.ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_and_how_long() {
        let line = |bytes, total| text(Duration::from_secs(3), bytes, total);
        assert_eq!(line(1 << 20, 4 << 20), "Loading: 1.0 MiB of 4.0, 25 %, 9 s left");
        assert_eq!(line(4 << 20, 4 << 20), "Loading: 4.0 MiB of 4.0, 100 %, 0 s left");
        assert_eq!(line(3 << 19, 0), "Loading: 1.5 MiB");
        assert_eq!(line(0, 100), "Loading: 0.0 MiB");
    }

    #[test]
    fn only_what_takes_long_is_shown_and_not_too_often() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut out = Vec::new();
        let mut line = ProgressLine::new(&mut out, begun);
        for ms in [0, 100, 299, 300, 350, 399, 400] {
            line.show_at(at(ms), 1 << 20, 4 << 20);
        }
        drop(line);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("Loading").count(), 2, "{text:?}");
        assert!(text.ends_with("\r\x1b[K"), "{text:?}");

        let mut out = Vec::new();
        drop(ProgressLine::new(&mut out, begun));
        assert!(out.is_empty(), "nothing was shown, so there is nothing to wipe out");
    }
}
