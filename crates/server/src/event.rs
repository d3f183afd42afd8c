//! What other threads and tasks tell the engine.

use std::io;
use std::os::fd::OwnedFd;

use node::{Completion, ConnId, JobId};

/// A message to the engine.
pub(crate) enum Event {
    /// Something came of a job.
    Job(JobId, Completion),
    /// A connection that the node asked for stands, or does not.
    Connected(ConnId, io::Result<OwnedFd>),
    /// A signal came, or whoever started the server wants it to end.
    Terminate(node::Signal),
    /// A signal that is only noted.
    Note(&'static str),
}
