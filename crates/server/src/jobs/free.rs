//! Frees what takes long to free.

use std::any::Any;
use std::sync::mpsc::{Sender, channel};

use tracing::Dispatch;

/// A thread that drops what it is given, started with the first piece.
pub(super) struct FreeThread {
    queue: Option<Sender<Box<dyn Any + Send>>>,
    dispatch: Dispatch,
}

impl FreeThread {
    pub fn new(dispatch: Dispatch) -> FreeThread {
        FreeThread { queue: None, dispatch }
    }

    pub fn free(&mut self, what: Box<dyn Any + Send>) {
        if self.queue.is_none() {
            self.queue = self.start();
        }
        if let Some(queue) = &self.queue {
            // Should the thread be gone, the value comes back in the error and is dropped here.
            let _ = queue.send(what);
        }
    }

    fn start(&self) -> Option<Sender<Box<dyn Any + Send>>> {
        let (sender, receiver) = channel();
        let dispatch = self.dispatch.clone();
        let spawned = std::thread::Builder::new().name("free".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                receiver.into_iter().for_each(|what| {
                    drop(what);
                    crate::memory::publish();
                });
            });
        });
        match spawned {
            Ok(_) => Some(sender),
            Err(error) => {
                tracing::warn!("Cannot start the thread that frees memory, freeing in place: {error}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tell(Sender<std::thread::ThreadId>);

    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }

    #[test]
    fn drops_elsewhere() {
        let mut thread = FreeThread::new(Dispatch::none());
        let (sender, dropped) = channel();
        thread.free(Box::new(Tell(sender.clone())));
        thread.free(Box::new(Tell(sender)));
        let by = dropped.recv().unwrap();
        assert_ne!(by, std::thread::current().id());
        assert_eq!(dropped.recv(), Ok(by), "one thread for all");
    }
}
