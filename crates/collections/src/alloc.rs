//! What the allocator makes of a request.

/// The size that jemalloc, as most allocators, rounds a request up to: four steps to each power of two. Who asks for that much in
/// the first place gets to use it.
pub(crate) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    let step = 1 << ((bytes - 1).ilog2() - 2);
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn classes() {
        for (bytes, class) in [
            (1, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (256, 256),
            (257, 320),
            (1025, 1280),
            (1281, 1536),
            (4096, 4096),
            (4097, 5120),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }
}
