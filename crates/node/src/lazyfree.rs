//! What is freed away from the engine thread, and how much of that is still to be done.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyspace::Garbage;

use crate::action::Action;
use crate::node::Node;

/// How much is on its way to be freed. Shared with what is: it says so itself when it is gone.
#[derive(Default)]
pub(crate) struct LazyFree {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    pending_objects: AtomicU64,
    pending_bytes: AtomicU64,
    freed_objects: AtomicU64,
}

/// Something on its way, which counts as long as it is there.
struct Burden {
    what: Option<Box<dyn Any + Send>>,
    objects: u64,
    bytes: u64,
    counts: Arc<Counts>,
}

impl Drop for Burden {
    fn drop(&mut self) {
        drop(self.what.take());
        self.counts.pending_objects.fetch_sub(self.objects, Ordering::Relaxed);
        self.counts.pending_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts.freed_objects.fetch_add(self.objects, Ordering::Relaxed);
    }
}

impl LazyFree {
    /// Keys whose values are still to be freed.
    pub fn pending_objects(&self) -> u64 {
        self.counts.pending_objects.load(Ordering::Relaxed)
    }

    /// About how many bytes that will be.
    pub fn pending_bytes(&self) -> u64 {
        self.counts.pending_bytes.load(Ordering::Relaxed)
    }

    /// Keys whose values were freed this way.
    pub fn freed_objects(&self) -> u64 {
        self.counts.freed_objects.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.counts.freed_objects.store(0, Ordering::Relaxed);
    }

    fn take_up(&self, what: Box<dyn Any + Send>, objects: u64, bytes: u64) -> Burden {
        self.counts.pending_objects.fetch_add(objects, Ordering::Relaxed);
        self.counts.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        Burden { what: Some(what), objects, bytes, counts: self.counts.clone() }
    }
}

impl Node {
    /// Has a stream that was kept for nothing freed elsewhere.
    pub(crate) fn free_stream(&mut self, stream: psync::replica::StreamBuffer) {
        let bytes = stream.len() as u64;
        let burden = self.lazyfree.take_up(Box::new(stream), 1, bytes);
        self.actions.push(Action::Free(Box::new(burden)));
    }

    /// Has values freed elsewhere.
    pub(crate) fn free_garbage(&mut self, garbage: Vec<Garbage>) {
        let objects = garbage.iter().map(Garbage::objects).sum::<usize>() as u64;
        let bytes = garbage.iter().map(Garbage::bytes).sum::<usize>() as u64;
        let burden = self.lazyfree.take_up(Box::new(garbage), objects, bytes);
        self.actions.push(Action::Free(Box::new(burden)));
    }

    /// Has a whole dataset freed elsewhere.
    pub(crate) fn free_keyspace(&mut self, mut keyspace: keyspace::Keyspace) {
        let garbage = keyspace.flush();
        self.free_garbage(vec![garbage]);
    }
}

#[cfg(test)]
mod tests {
    use crate::action::Action;
    use crate::testing::Fixture;

    #[test]
    fn what_is_on_its_way_counts_until_it_is_gone() {
        let mut node = Fixture::new();
        let members: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
        for key in ["a", "b"] {
            let mut words = vec!["SADD", key];
            words.extend(members.iter().map(String::as_str));
            node.run(&words);
        }
        node.run(&["SET", "small", "1"]);
        assert_eq!(node.run(&["UNLINK", "a", "b", "small"]), ":3\r\n");
        let freeing: Vec<Action> =
            node.actions().into_iter().filter(|action| matches!(action, Action::Free(_))).collect();
        let report = node.run(&["INFO", "memory"]);
        assert!(report.contains("lazyfree_pending_objects:2\r\n"), "{report}");
        assert!(report.contains("lazyfreed_objects:0\r\n"), "{report}");
        assert!(node.node.lazyfree.pending_bytes() > 2 * 5000 * 2);
        drop(freeing);
        let report = node.run(&["INFO", "memory"]);
        assert!(report.contains("lazyfree_pending_objects:0\r\n"), "{report}");
        assert!(report.contains("lazyfreed_objects:2\r\n"), "{report}");
        assert_eq!(node.node.lazyfree.pending_bytes(), 0);
        node.run(&["CONFIG", "RESETSTAT"]);
        assert!(node.run(&["INFO", "memory"]).contains("lazyfreed_objects:0\r\n"));
    }

    #[test]
    fn a_flush_counts_its_keys() {
        let mut node = Fixture::new();
        for number in 0..10 {
            node.run(&["SET", &number.to_string(), "v"]);
        }
        node.run(&["FLUSHALL", "ASYNC"]);
        assert!(node.run(&["INFO", "memory"]).contains("lazyfree_pending_objects:10\r\n"));
        drop(node.actions());
        assert!(node.run(&["INFO", "memory"]).contains("lazyfreed_objects:10\r\n"));
    }
}
