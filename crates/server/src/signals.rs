//! Signals, as messages to the engine.

use node::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::event::{Event, EventSender};
use crate::files::reason;

/// Listens for signals from now on. Must be called inside the engine's runtime.
pub(crate) fn listen(events: &EventSender) {
    forward(SignalKind::terminate(), events, || Some(Event::Terminate(Signal::Term)));
    forward(SignalKind::interrupt(), events, || Some(Event::Terminate(Signal::Int)));
    // The terminal is gone: that is nothing to a server.
    forward(SignalKind::hangup(), events, || None);
    forward(SignalKind::alarm(), events, || Some(Event::Note("Received SIGALRM")));
    // SIGPIPE is ignored by the standard library already.
}

fn forward(kind: SignalKind, events: &EventSender, message: fn() -> Option<Event>) {
    let mut signals = match signal(kind) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!("Cannot listen for the signal {}: {}", kind.as_raw_value(), reason(&error));
            return;
        }
    };
    let events = events.clone();
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            if let Some(event) = message() {
                events.send(event);
            }
        }
    });
}
