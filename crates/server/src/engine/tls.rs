//! What the engine has to do with TLS beside reading and writing: clients that come, certificates that change.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Engine;
use crate::event::Event;
use crate::files::reason;
use crate::tls::{Context, Handshakes, TlsError};

impl Engine {
    /// Has a client shake hands, elsewhere.
    pub(super) fn shake_hands(&mut self, fd: OwnedFd, remote: Option<SocketAddr>) {
        if let (Some(context), Some(handshakes)) = (&self.tls, &self.handshakes) {
            handshakes.accept(context.clone(), fd, remote);
        }
    }

    /// Makes the connections of now on with this; those that stand stay as they are.
    pub(super) fn use_tls(&mut self, context: Context) {
        if self.handshakes.is_none() {
            match Handshakes::start(self.events_sender.clone()) {
                Ok(handshakes) => self.handshakes = Some(handshakes),
                Err(error) => tracing::warn!("Cannot start the thread for TLS: {}", reason(&error)),
            }
        }
        self.tls = Some(Arc::new(context));
    }

    /// Looks now and then, elsewhere, whether the certificates have been renewed (`tls-auto-reload-interval`).
    pub(super) fn look_for_certificates(&mut self) {
        let Some(context) = self.tls.clone() else { return };
        let interval = self.settings.tls_auto_reload_interval;
        if interval == 0 || self.now.mono_us < self.next_tls_look_us {
            return;
        }
        self.next_tls_look_us = self.now.mono_us + interval * 1_000_000;
        let (events, settings) = (self.events_sender.clone(), self.settings.clone());
        tokio::task::spawn_blocking(move || {
            if context.is_outdated() {
                events.send(Event::TlsReloaded(Context::load(&settings).map(Box::new)));
            }
        });
    }

    pub(super) fn tls_reloaded(&mut self, result: Result<Box<Context>, TlsError>) {
        match result {
            Ok(context) => {
                tracing::info!("The TLS certificates have changed and are in use");
                self.use_tls(*context);
            }
            // They may be half written: the next look tells.
            Err(error) => tracing::warn!("The TLS certificates have changed and cannot be used: {error}"),
        }
    }
}
