//! Writes the append only file: a thread of its own, and one more that flushes.
//!
//! The engine hands over what is to be written and hears what has become of it. What has gathered while the thread was busy is written
//! with one call and, if that is wanted, flushed with one.

mod flusher;
mod writer;

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use node::{AofEvent, AofWork};
use tracing::Dispatch;

use crate::event::{Event, EventSender};
use writer::Writer;

/// The way to the writer. Its thread is started with the first thing to do, and ends when this is dropped, with everything done.
pub(crate) struct AofThread {
    queue: Option<Sender<AofWork>>,
    thread: Option<JoinHandle<()>>,
    events: EventSender,
    dispatch: Dispatch,
}

impl AofThread {
    pub fn new(events: EventSender, dispatch: Dispatch) -> AofThread {
        AofThread { queue: None, thread: None, events, dispatch }
    }

    /// Hands something over.
    pub fn ask(&mut self, work: AofWork) {
        if self.queue.is_none() {
            self.start();
        }
        if let Some(queue) = &self.queue {
            // It ends on a bug only, and has said so then.
            let _ = queue.send(work);
        }
    }

    fn start(&mut self) {
        let (sender, receiver) = channel();
        let (events, dispatch) = (self.events.clone(), self.dispatch.clone());
        let spawned = std::thread::Builder::new().name("aof".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let told = events.clone();
                Writer::new(Box::new(move |event| told.send(Event::Aof(event))), dispatch.clone())
                    .run(&receiver);
                crate::memory::publish();
            });
        });
        match spawned {
            Ok(thread) => (self.queue, self.thread) = (Some(sender), Some(thread)),
            Err(error) => {
                let error = format!("cannot start a thread: {}", crate::files::reason(&error));
                self.events.send(Event::Aof(AofEvent::Opened(Err(error))));
            }
        }
    }
}

impl Drop for AofThread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Unless it has failed, it is done in a moment.
            let _ = thread.join();
        }
    }
}
