//! The form of one line.

use std::fmt::Write;

use config::LogLevel;
use tracing::{Level, level_filters::LevelFilter};

use crate::sys::local_time;

/// How much a line matters, in Redis's four steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Severity {
    Debug = 0,
    Verbose = 1,
    Notice = 2,
    Warning = 3,
}

/// A threshold no line reaches.
const SILENCE: u8 = Severity::Warning as u8 + 1;

impl Severity {
    /// The least severity that a `loglevel` lets through, as a number.
    pub fn threshold(level: LogLevel) -> u8 {
        match level {
            LogLevel::Debug => Severity::Debug as u8,
            LogLevel::Verbose => Severity::Verbose as u8,
            LogLevel::Notice => Severity::Notice as u8,
            LogLevel::Warning => Severity::Warning as u8,
            LogLevel::Nothing => SILENCE,
        }
    }

    pub fn of(level: &Level) -> Severity {
        match *level {
            Level::TRACE => Severity::Debug,
            Level::DEBUG => Severity::Verbose,
            Level::INFO => Severity::Notice,
            _ => Severity::Warning,
        }
    }

    /// What [`tracing`] need not even ask about at such a threshold.
    pub fn filter(threshold: u8) -> LevelFilter {
        match threshold {
            0 => LevelFilter::TRACE,
            1 => LevelFilter::DEBUG,
            2 => LevelFilter::INFO,
            3 => LevelFilter::WARN,
            _ => LevelFilter::OFF,
        }
    }

    fn sign(self) -> char {
        match self {
            Severity::Debug => '.',
            Severity::Verbose => '-',
            Severity::Notice => '*',
            Severity::Warning => '#',
        }
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Appends one whole line.
pub(super) fn write_line(
    out: &mut String,
    pid: u32,
    role: char,
    unix_ms: u64,
    severity: Severity,
    message: &str,
) {
    let time = local_time((unix_ms / 1000) as i64);
    let _ = write!(
        out,
        "{pid}:{role} {:02} {} {} {:02}:{:02}:{:02}.{:03} {} ",
        time.day,
        MONTHS[time.month],
        time.year,
        time.hour,
        time.minute,
        time.second,
        unix_ms % 1000,
        severity.sign()
    );
    for c in message.chars() {
        // Messages quote what peers sent: it must not be able to begin a line of its own, nor to steer a terminal.
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push('\t'),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form() {
        let mut line = String::new();
        write_line(&mut line, 4711, 'M', 1_795_413_732_007, Severity::Notice, "Ready");
        let (head, tail) = line.split_at("4711:M 23 Nov 2026 06:02:12.007".len());
        assert!(
            head.starts_with("4711:M 2") && head.contains(" Nov 2026 ") && head.ends_with(":12.007"),
            "{head}"
        );
        assert_eq!(tail, " * Ready\n");
    }
}
