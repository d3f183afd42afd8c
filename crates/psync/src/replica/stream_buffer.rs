//! The stream that came while the payload before it was still on its way.

use std::collections::VecDeque;

/// Pieces are collected into blocks of this size, so that many small ones cost little more than their bytes.
const BLOCK: usize = 64 * 1024;

/// Pieces of the stream in order, kept until the payload that they follow has been loaded.
#[derive(Debug, Default)]
pub struct StreamBuffer {
    blocks: VecDeque<Vec<u8>>,
    len: usize,
    peak: usize,
}

impl StreamBuffer {
    /// Keeps a piece. How much is kept is the caller's to limit: he stops to read.
    pub fn push(&mut self, mut piece: &[u8]) {
        self.len += piece.len();
        self.peak = self.peak.max(self.len);
        while !piece.is_empty() {
            let full = self.blocks.back().is_none_or(|block| block.len() >= BLOCK);
            if full {
                self.blocks.push_back(Vec::new());
            }
            let Some(block) = self.blocks.back_mut() else { return };
            let (now, rest) = piece.split_at(piece.len().min(BLOCK - block.len()));
            block.extend_from_slice(now);
            piece = rest;
        }
    }

    /// Takes out the oldest bytes, a block at most.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let block = self.blocks.pop_front()?;
        self.len -= block.len();
        Some(block)
    }

    /// Bytes that are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Most bytes that were ever kept at once.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Forgets everything that is kept, and gives it back to be freed.
    pub fn take(&mut self) -> StreamBuffer {
        let peak = self.peak;
        std::mem::replace(self, StreamBuffer { peak, ..StreamBuffer::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_whole() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut buffer, mut before, mut after) = (StreamBuffer::default(), Vec::new(), Vec::new());
        for _ in 0..2000 {
            if rng.u8(..3) > 0 {
                let most = [10, 1000, 200_000][rng.usize(..3)];
                let piece: Vec<u8> = (0..rng.usize(..most)).map(|_| rng.u8(..)).collect();
                buffer.push(&piece);
                before.extend_from_slice(&piece);
            } else if let Some(block) = buffer.pop() {
                assert!(!block.is_empty() && block.len() <= BLOCK);
                after.extend_from_slice(&block);
            }
            assert_eq!(buffer.len(), before.len() - after.len());
            assert!(buffer.peak() >= buffer.len());
        }
        while let Some(block) = buffer.pop() {
            after.extend_from_slice(&block);
        }
        assert!(before == after && buffer.is_empty());
    }

    #[test]
    fn small_pieces_share_blocks_and_the_peak_stays() {
        let mut buffer = StreamBuffer::default();
        for _ in 0..BLOCK {
            buffer.push(b"x");
        }
        assert_eq!(buffer.blocks.len(), 1);
        buffer.push(b"y");
        let dropped = buffer.take();
        assert_eq!((dropped.len(), buffer.len(), buffer.peak()), (BLOCK + 1, 0, BLOCK + 1));
        assert_eq!(buffer.pop(), None);
    }
}
