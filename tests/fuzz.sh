#!/usr/bin/env bash
# Fuzzes every parser of outside bytes for SECONDS_EACH (60) seconds. Needs cargo-fuzz; installs it if it is missing. The
# sanitizer's flags are unstable, so a stable compiler is told to accept them.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
for dir in crates/*/fuzz; do
  crate=$(dirname "$dir")
  for target in "$dir"/fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    echo "== $crate: $name"
    (cd "$crate" && cargo fuzz run "$name" -- -max_total_time="${SECONDS_EACH:-60}" -rss_limit_mb=4096)
  done
done
