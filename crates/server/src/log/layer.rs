//! From tracing events to log lines.

use std::fmt::{self, Write};
use std::sync::atomic::Ordering;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Logger;
use super::line::Severity;

/// A [`tracing_subscriber`] layer that writes events through a [`Logger`]. Spans are not shown.
#[derive(Clone, Debug)]
pub struct LogLayer {
    logger: Logger,
}

impl LogLayer {
    /// A layer for this logger.
    pub fn new(logger: Logger) -> LogLayer {
        LogLayer { logger }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.logger.wants(Severity::of(metadata.level()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(Severity::filter(self.logger.shared.threshold.load(Ordering::Relaxed)))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        text.message.push_str(&text.fields);
        self.logger.log(Severity::of(event.metadata().level()), &text.message);
    }
}

/// Collects the message, and the other fields as ` name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
