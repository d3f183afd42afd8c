//! Sockets: where to listen, what to accept, how to connect.

mod bind;
mod connect;
mod listener;
mod peer;
mod poller;

pub(crate) use bind::BindAddress;
pub(crate) use connect::connect;
pub(crate) use listener::{Incoming, ListenError, Listeners};
pub(crate) use peer::peer_of;
pub(crate) use poller::{Poller, Readiness, Token, Waited, Watch};
