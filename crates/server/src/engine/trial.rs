//! Trying settings before they hold: listening elsewhere, another working directory.

use std::io;
use std::path::{Path, PathBuf};

use config::{SetError, Settings};
use node::{Completion, JobId};

use super::Engine;
use crate::event::Event;
use crate::files::reason;
use crate::net::BindAddress;
use crate::tls::{Context, TlsError, is_concerned};

/// Settings under trial, with the addresses looked up that they name.
pub(crate) struct Trial {
    job: JobId,
    names: Vec<&'static str>,
    settings: Box<Settings>,
    addresses: Vec<BindAddress>,
    /// What TLS would be made with.
    tls: Option<Result<Context, TlsError>>,
}

impl Trial {
    fn concerns(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    fn moves_listeners(&self) -> bool {
        self.concerns("port") || self.concerns("tls-port") || self.concerns("bind")
    }

    /// Whether files have to be read for TLS.
    fn reads_certificates(&self, has_context: bool) -> bool {
        let concerned = self.names.iter().any(|name| is_concerned(name));
        Context::is_needed(&self.settings) && (concerned || !has_context)
    }

    /// Looks at everything that takes time.
    fn look_up(&mut self, certificates: bool) {
        self.addresses = BindAddress::of(&self.settings);
        self.tls = certificates.then(|| Context::load(&self.settings));
    }
}

impl Engine {
    /// Tries settings, and tells the node what has come of it. The resolver is asked elsewhere.
    pub(super) fn try_settings(&mut self, job: JobId, names: Vec<&'static str>, settings: Box<Settings>) {
        let mut trial = Trial { job, names, settings, addresses: Vec::new(), tls: None };
        let certificates = trial.reads_certificates(self.tls.is_some());
        if certificates || trial.moves_listeners() && BindAddress::are_names(&trial.settings) {
            let events = self.events_sender.clone();
            tokio::task::spawn_blocking(move || {
                trial.look_up(certificates);
                events.send(Event::LookedUp(trial));
            });
        } else {
            trial.look_up(false);
            self.finish_trial(trial);
        }
    }

    pub(super) fn finish_trial(&mut self, mut trial: Trial) {
        let tls = trial.tls.take();
        let result = self.put_to_trial(&trial, tls);
        self.node.complete(self.now, trial.job, Completion::SettingsTried(result));
    }

    /// Does what the settings ask for. What had been done before a failure is undone.
    fn put_to_trial(
        &mut self,
        trial: &Trial,
        tls: Option<Result<Context, TlsError>>,
    ) -> Result<(), SetError> {
        let tls = tls.transpose().map_err(|error| {
            tracing::warn!("Unable to update the TLS configuration: {error}");
            let name = trial.names.iter().find(|name| name.starts_with("tls-")).unwrap_or(&"tls-port");
            SetError::refused(name, "Unable to update TLS configuration. Check server logs.".to_owned())
        })?;
        let left = if trial.concerns("dir") {
            let refused = |error: io::Error| SetError::refused("dir", reason(&error));
            self.enter(Path::new(&trial.settings.dir)).map_err(refused)?
        } else {
            None
        };
        if trial.moves_listeners()
            && let Err(error) = self.listen_anew(trial)
        {
            if let Some(dir) = left
                && let Err(error) = std::env::set_current_dir(&dir)
            {
                tracing::warn!("Can't chdir to '{}': {}", dir.display(), reason(&error));
            }
            return Err(error);
        }
        if let Some(context) = tls {
            self.use_tls(context);
        }
        Ok(())
    }

    /// Enters a directory, or makes sure that it is one; gives the one that was left.
    fn enter(&self, dir: &Path) -> io::Result<Option<PathBuf>> {
        // A relative one is relative to where the process is now, and stays so only if the process stays there.
        if self.owns_process && dir.is_absolute() {
            let left = std::env::current_dir()?;
            std::env::set_current_dir(dir)?;
            return Ok(Some(left));
        }
        if std::fs::metadata(dir)?.is_dir() { Ok(None) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Listeners are watched under their index, so all are taken out of the poller before some of them change.
    fn listen_anew(&mut self, trial: &Trial) -> Result<(), SetError> {
        self.unwatch_listeners();
        self.resting = false;
        let result = self.listeners.move_tcp(&trial.addresses, &trial.settings);
        self.watch_listeners();
        result.map_err(|error| {
            tracing::warn!("{error}");
            let (name, what) = if trial.concerns("port") {
                ("port", "Unable to listen on this port")
            } else if trial.concerns("tls-port") {
                ("tls-port", "Unable to listen on this port")
            } else {
                ("bind", "Failed to bind to specified addresses")
            };
            SetError::refused(name, format!("{what}: {error}"))
        })
    }
}
