//! What is asked of a server.

use std::io;

use crate::server::Server;

/// Keys that are asked for.
const KEYS: usize = 500_000;
/// How unevenly: the n-th most popular key is asked for in proportion to 1 / n^SKEW.
const SKEW: f64 = 0.99;
/// Requests before the figures are taken: the cache fills.
const WARM_UP: usize = 1_000_000;
/// Requests while they are taken.
const REQUESTS: usize = 1_500_000;
/// Requests in flight.
const PIPELINE: usize = 32;
/// Bytes of a value.
const VALUE: usize = 100;

/// The sequence of keys.
pub struct Load {
    keys: Vec<u32>,
    value: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub hit_ratio: f64,
    pub micros_per_op: f64,
}

impl Load {
    pub fn new() -> Load {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut sums = Vec::with_capacity(KEYS);
        let mut sum = 0.0;
        for rank in 1..=KEYS {
            sum += (rank as f64).powf(-SKEW);
            sums.push(sum);
        }
        // Which key has which rank says nothing about the time when it is first asked for.
        let mut names: Vec<u32> = (0..KEYS as u32).collect();
        rng.shuffle(&mut names);
        let keys = (0..WARM_UP + REQUESTS)
            .map(|_| {
                let at = rng.f64() * sum;
                names[sums.partition_point(|&up_to| up_to < at).min(KEYS - 1)]
            })
            .collect();
        Load { keys, value: vec![b'v'; VALUE] }
    }

    /// Uses the server as a cache: GET, and SET of what was missing.
    pub fn cache(&self, server: &mut Server) -> io::Result<Outcome> {
        let (warm_up, measured) = self.keys.split_at(WARM_UP);
        self.ask(server, warm_up)?;
        let before = server.processor_micros()?;
        let misses = self.ask(server, measured)?;
        let micros = server.processor_micros()? - before;
        Ok(Outcome {
            hit_ratio: 1.0 - misses as f64 / measured.len() as f64,
            micros_per_op: micros / (measured.len() + misses) as f64,
        })
    }

    /// Asks for keys and sets those that are missing, of which it gives the number.
    fn ask(&self, server: &mut Server, keys: &[u32]) -> io::Result<usize> {
        let mut misses = 0;
        let mut missing = Vec::with_capacity(PIPELINE);
        for batch in keys.chunks(PIPELINE) {
            for key in batch {
                server.request(&[b"GET", &name(*key)]);
            }
            missing.clear();
            let replies = server.replies(batch.len())?;
            for (key, hit) in batch.iter().zip(replies) {
                if !hit && !missing.contains(key) {
                    missing.push(*key);
                }
                misses += usize::from(!hit);
            }
            for key in &missing {
                server.request(&[b"SET", &name(*key), &self.value]);
            }
            server.replies(missing.len())?;
        }
        Ok(misses)
    }

    /// Sets keys that were never there, each with an expiry, to a server that is full: processor time of each, in microseconds.
    pub fn flood(&self, server: &mut Server) -> io::Result<f64> {
        let mut next = 0;
        let mut write = |server: &mut Server, count: usize| -> io::Result<()> {
            for _ in 0..count / PIPELINE {
                for _ in 0..PIPELINE {
                    server.request(&[b"SET", &name(next), &self.value, b"EX", b"100000"]);
                    next += 1;
                }
                server.replies(PIPELINE)?;
            }
            Ok(())
        };
        write(server, WARM_UP)?;
        let before = server.processor_micros()?;
        write(server, REQUESTS)?;
        Ok((server.processor_micros()? - before) / REQUESTS as f64)
    }
}

fn name(key: u32) -> [u8; 16] {
    let mut name = *b"key:000000000000";
    let mut rest = key;
    for digit in name.iter_mut().skip(4).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}
