//! Makes files durable while others go on writing to them.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use backlog::Offset;
use node::AofEvent;
use tracing::Dispatch;

use super::writer::Tell;
use crate::files::reason;

/// A file to be made durable, with what stands in it.
pub(super) struct Flush {
    pub file: Arc<File>,
    pub epoch: u64,
    pub upto: Offset,
    pub batch: u64,
}

impl Flush {
    pub fn run(self) -> AofEvent {
        let Flush { file, epoch, upto, batch } = self;
        match file.sync_data() {
            Ok(()) => AofEvent::Synced { epoch, upto, batch },
            Err(error) => AofEvent::SyncFailed { epoch, error: reason(&error) },
        }
    }
}

/// A thread that flushes, started with the first file.
pub(super) struct Flusher {
    queue: Option<Sender<Flush>>,
    thread: Option<JoinHandle<()>>,
    tell: Arc<Tell>,
    dispatch: Dispatch,
}

impl Flusher {
    pub fn new(tell: Arc<Tell>, dispatch: Dispatch) -> Flusher {
        Flusher { queue: None, thread: None, tell, dispatch }
    }

    pub fn flush(&mut self, flush: Flush) {
        if self.queue.is_none() {
            self.start();
        }
        let unsent = match &self.queue {
            Some(queue) => queue.send(flush).err().map(|error| error.0),
            None => Some(flush),
        };
        if let Some(flush) = unsent {
            (self.tell)(flush.run());
        }
    }

    fn start(&mut self) {
        let (sender, receiver) = channel::<Flush>();
        let (tell, dispatch) = (Arc::clone(&self.tell), self.dispatch.clone());
        let spawned = std::thread::Builder::new().name("aof-flush".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                receiver.into_iter().for_each(|flush| tell(flush.run()));
            });
        });
        if let Ok(thread) = spawned {
            (self.queue, self.thread) = (Some(sender), Some(thread));
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
