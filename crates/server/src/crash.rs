//! A panic ends the server.

use std::cell::Cell;

use crate::log::Logger;

thread_local! {
    static ENGINE: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as the one whose panic leaves nothing to go on with.
pub(crate) fn this_thread_is_the_engine() {
    ENGINE.set(true);
}

/// From now on a panic goes to the log. One on the engine thread ends the process with SIGABRT: what the panic left half done
/// must neither be served nor saved. One of a job is that job's failure.
pub(crate) fn report_panics_to(logger: Logger) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        logger.warning("=== BUG REPORT: please report what follows, and what the server was doing ===");
        logger.warning(&format!("The thread '{name}' failed: {}", describe(panic)));
        for line in std::backtrace::Backtrace::force_capture().to_string().lines() {
            logger.warning(line);
        }
        logger.warning("=== END OF BUG REPORT ===");
        if ENGINE.get() {
            logger.warning("Ending: the engine cannot go on after that.");
            std::process::abort();
        }
    }));
}

fn describe(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
    let payload = panic.payload();
    let text =
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    match text {
        Some(text) => format!("{text} ({place})"),
        None => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::LogLevel;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    const ROLE: &str = "TANDEM_TEST_PANIC_ON";

    /// Runs this very test again in a process of its own, which panics.
    fn panic_on(thread: &str) -> (std::process::ExitStatus, String) {
        let test = format!("{}::a_panic_is_reported", module_path!().split_once("::").unwrap().1);
        let output = Command::new(std::env::current_exe().unwrap())
            .args([test.as_str(), "--exact", "--nocapture"])
            .env(ROLE, thread)
            .output()
            .unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn a_panic_is_reported() {
        if let Some(role) = std::env::var_os(ROLE) {
            report_panics_to(Logger::stdout(LogLevel::Notice));
            if role == "engine" {
                this_thread_is_the_engine();
            }
            panic!("nobody thought of this");
        }
        let (status, log) = panic_on("engine");
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{log}");
        assert!(log.contains(" # === BUG REPORT") && log.contains("=== END OF BUG REPORT"), "{log}");
        assert!(log.contains("nobody thought of this (crates/server/src/crash.rs:"), "{log}");
        let (status, log) = panic_on("job");
        assert_eq!(status.signal(), None, "the panic of another thread is that thread's own affair: {log}");
        assert!(log.contains(" # === BUG REPORT"), "{log}");
    }
}
