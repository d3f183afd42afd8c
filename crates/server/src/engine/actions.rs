//! Carrying out what the node wants.

use std::time::Duration;

use node::{Action, ConnId, Signal};

use super::Engine;
use crate::clock;
use crate::event::{Connected, Event};
use crate::files::reason;
use crate::jobs::spill::Task;
use crate::net::{connect, peer_of};
use crate::tls::with_master;

/// An interrupt so soon after another means that the operator does not want to wait.
const IMPATIENT_US: u64 = 30_000_000;

impl Engine {
    /// Takes in what another thread or task has to say.
    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Job(id, what) => {
                if self.jobs.note(id, &what) {
                    self.node.complete(self.now, id, what);
                } else {
                    // Of a job that was given up. It may be a whole dataset.
                    self.jobs.free(Box::new(what));
                }
            }
            Event::Aof(event) => self.node.aof_event(self.now, event),
            Event::Connected(id, result) => {
                // Unless it was given up meanwhile.
                if let Some(at) = self.connects.iter().position(|(other, _)| *other == id) {
                    self.connects.swap_remove(at);
                    self.connected(id, result);
                }
            }
            Event::LookedUp(trial) => self.finish_trial(trial),
            Event::Shaken(arrived) => self.arrived(*arrived),
            Event::TlsReloaded(result) => self.tls_reloaded(result),
            Event::Terminate(signal) => self.terminate(signal),
            Event::Note(text) => tracing::warn!("{text}"),
        }
    }

    fn connected(&mut self, id: ConnId, result: std::io::Result<Connected>) {
        match result {
            Ok(connected) => {
                let (fd, tls) = match connected {
                    Connected::Plain(fd) => (fd, None),
                    Connected::Encrypted(secured) => (secured.fd, Some(Box::new(secured.session))),
                };
                let peer = peer_of(&fd, None, None);
                self.node.connected(self.now, id, Ok(peer));
                self.take_in(id, fd, tls);
            }
            Err(error) => self.node.connected(self.now, id, Err(reason(&error))),
        }
    }

    fn terminate(&mut self, signal: Signal) {
        let last = self.interrupted_us.replace(self.now.mono_us);
        if signal == Signal::Int && last.is_some_and(|last| self.now.mono_us - last < IMPATIENT_US) {
            tracing::warn!("Interrupted a second time: exiting now, without saving.");
            self.exit = Some(1);
            return;
        }
        self.node.terminate(self.now, signal);
    }

    /// Carries out all that the node has asked for so far.
    pub(super) fn carry_out(&mut self) {
        while self.node.has_actions() {
            let mut actions = std::mem::take(&mut self.actions);
            self.node.take_actions(&mut actions);
            for action in actions.drain(..) {
                self.act(action);
            }
            self.actions = actions;
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { conn, host, port, timeout_ms, bind_source, tls } => {
                self.connect(conn, host, port, Duration::from_millis(timeout_ms), bind_source, tls);
            }
            Action::Close(conn) => self.close(conn),
            Action::PauseReading(conn) => self.read_from(conn, false),
            Action::ResumeReading(conn) => self.read_from(conn, true),
            Action::Aof(work) => self.jobs.aof(work),
            Action::Save(job) => {
                let incremental = match job.header.aof_base {
                    true => self.settings.aof_rewrite_incremental_fsync,
                    false => self.settings.rdb_save_incremental_fsync,
                };
                self.jobs.save(*job, incremental);
            }
            Action::SendFile { job, path } => self.jobs.send_file(job, path),
            Action::Credit { job, chunks } => self.jobs.credit(job, chunks),
            Action::BeginSpill { job, dir } => self.jobs.begin_spill(job, dir),
            Action::Spill { job, piece } => self.jobs.spill(job, Task::Write(piece)),
            Action::ReadSpill { job, conn, from, len } => {
                self.jobs.spill(job, Task::Read { conn, from, len });
            }
            Action::TrimSpill { job, before } => self.jobs.spill(job, Task::Trim(before)),
            Action::ReadAof(read) => self.jobs.read_aof(read),
            Action::EndAofReads { job, conn } => self.jobs.end_aof_reads(job, conn),
            Action::Load(job) => self.jobs.load(*job),
            Action::LoadChunk { job, bytes } => self.jobs.chunk(job, bytes),
            Action::LoadEnd(job) => self.jobs.end(job),
            Action::Cancel(job) => self.jobs.cancel(job),
            Action::RewriteConfig { job, path, config, everything } => {
                self.jobs.rewrite_config(job, path, config, everything);
            }
            Action::ReplaceFile { job, path, text } => self.jobs.replace_file(job, path, text),
            Action::SaveAcl { job, path, text } => self.jobs.save_acl(job, path, text),
            Action::ReadAcl { job, path } => self.jobs.read_acl(job, path),
            Action::TrySettings { job, names, settings } => self.try_settings(job, names, settings),
            Action::Settings(names) => self.settings_changed(&names),
            Action::Free(what) => self.jobs.free(what),
            Action::RemoveFile(path) => self.jobs.free(Box::new(crate::files::Removal(path))),
            Action::Purge => self.jobs.free(Box::new(crate::memory::Purge)),
            Action::Sleep { us } => {
                std::thread::sleep(Duration::from_micros(us));
                self.now = clock::now();
            }
            Action::Exit { code } => self.exit = Some(code),
        }
    }

    fn connect(
        &mut self,
        conn: ConnId,
        host: String,
        port: u16,
        timeout: Duration,
        bind_source: Option<String>,
        tls: bool,
    ) {
        let keepalive = self.settings.tcp_keepalive;
        let events = self.events_sender.clone();
        let plain = connect(host.clone(), port, timeout, bind_source, keepalive);
        let task = match (tls, &self.tls, &self.handshakes) {
            (false, ..) => tokio::spawn(async move {
                events.send(Event::Connected(conn, plain.await.map(Connected::Plain)));
            })
            .abort_handle(),
            (true, Some(context), Some(handshakes)) => {
                let context = context.clone();
                handshakes.spawn(async move {
                    let result = match plain.await {
                        Ok(fd) => with_master(&context, fd, &host).await,
                        Err(error) => Err(error),
                    };
                    let result = result.map(|secured| Connected::Encrypted(Box::new(secured)));
                    events.send(Event::Connected(conn, result));
                })
            }
            (true, ..) => tokio::spawn(async move {
                let error = std::io::Error::other("TLS is not configured");
                events.send(Event::Connected(conn, Err(error)));
            })
            .abort_handle(),
        };
        self.connects.push((conn, task));
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(socket) = self.sockets.remove(conn) {
            self.part_from(socket);
        } else if let Some(at) = self.connects.iter().position(|(other, _)| *other == conn) {
            self.connects.swap_remove(at).1.abort();
        }
    }

    fn settings_changed(&mut self, names: &[&'static str]) {
        self.settings = self.node.config().settings().clone();
        let changed = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
        if changed(&["loglevel"]) {
            self.logger.set_level(self.settings.loglevel);
        }
        if changed(&["bind", "port", "tls-port", "proc-title-template"]) {
            self.show_title();
        }
        if changed(&["tcp-keepalive"]) {
            self.listeners.set_keepalive(self.settings.tcp_keepalive);
        }
        if changed(&["maxclients"]) {
            crate::process::raise_descriptor_limit(self.settings.maxclients);
        }
    }
}
