//! The process as a whole: background, process id file, limits.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::files::reason;
use crate::sys::{Fork, fork};

/// Descriptors for everything but clients: listeners, files, the connection to the master, the runtime.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Where a background process writes its id unless told otherwise.
const DEFAULT_PIDFILE: &str = "/var/run/redis.pid";

/// Goes to the background: the process that was started ends at once, and the one that goes on belongs to no terminal and
/// has no standard streams. Must come before the first thread.
pub(crate) fn go_to_background() -> io::Result<()> {
    if let Fork::Parent = fork()? {
        std::process::exit(0);
    }
    rustix::process::setsid()?;
    // The leader of a session would get a terminal by opening one. Its child leads nothing.
    if let Fork::Parent = fork()? {
        std::process::exit(0);
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// The file that holds the process id for as long as the process runs.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file where one is wanted: where `pidfile` says, and for a background process in any case. Not being able to
    /// is no reason not to run.
    pub fn write(configured: Option<&str>, background: bool) -> Option<PidFile> {
        let path = match configured {
            Some(path) if !path.is_empty() => path,
            _ if background => DEFAULT_PIDFILE,
            _ => return None,
        };
        let written = std::path::absolute(path).and_then(|path| {
            std::fs::File::create(&path)?.write_all(format!("{}\n", std::process::id()).as_bytes())?;
            Ok(path)
        });
        match written {
            Ok(path) => Some(PidFile { path }),
            Err(error) => {
                tracing::warn!("Failed to write PID file {path}: {}", reason(&error));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes room for that many clients, and answers for how many there is.
pub(crate) fn raise_descriptor_limit(maxclients: u32) -> u32 {
    let wanted = u64::from(maxclients) + RESERVED_DESCRIPTORS;
    let current = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(current.current) {
        return maxclients;
    }
    // Only the administrator may raise the hard limit; everyone else gets as far as it goes.
    let raised = if enough(current.maximum) { current.maximum } else { Some(wanted) };
    if setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: raised }).is_ok() {
        return maxclients;
    }
    let best = Rlimit { current: current.maximum, maximum: current.maximum };
    let _ = setrlimit(Resource::Nofile, best);
    let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(RESERVED_DESCRIPTORS);
    let room = u32::try_from(room).unwrap_or(u32::MAX).clamp(1, maxclients);
    tracing::warn!(
        "{maxclients} clients need {wanted} file descriptors, more than the system allows this process: \
         maxclients is {room} now. Raise the limit with 'ulimit -n' for more."
    );
    room
}

/// Warns when the kernel keeps a shorter queue of connections than is asked for.
pub(crate) fn check_backlog(tcp_backlog: u32) {
    let path = "/proc/sys/net/core/somaxconn";
    let allowed = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(allowed) = allowed.filter(|&allowed| allowed < tcp_backlog) {
        tracing::warn!(
            "The TCP backlog of {tcp_backlog} is cut down to {allowed} by the kernel, see {path}."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_lives_as_long_as_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tandem.pid");
        let file = PidFile::write(path.to_str(), false).unwrap();
        assert_eq!(file.path(), path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        assert!(PidFile::write(None, false).is_none());
        assert!(PidFile::write(Some(""), false).is_none());
        assert!(PidFile::write(Some("/nonexistent/tandem.pid"), true).is_none(), "and no panic");
    }

    #[test]
    fn room_for_clients() {
        assert_eq!(raise_descriptor_limit(1), 1);
        let before = getrlimit(Resource::Nofile);
        let wanted = before.maximum.map_or(u32::MAX, |max| u32::try_from(max).unwrap_or(u32::MAX));
        let room = raise_descriptor_limit(wanted);
        assert!(room <= wanted && room > 0);
        let after = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(after >= before.current.unwrap_or(u64::MAX), "never lowered");
    }
}
