//! Holds nothing: see the benchmark.
