//! How long things take: the distribution of every command's time, and spikes beyond a threshold.

mod histogram;
mod spikes;

pub(crate) use histogram::{Histogram, bucket_of};
pub(crate) use spikes::{Spike, Spikes};
