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
    options=(-max_total_time="${SECONDS_EACH:-60}" -rss_limit_mb=4096)
    [[ -f $dir/$name.dict ]] && options+=(-dict="fuzz/$name.dict" -timeout=120)
    (
      cd "$crate"
      if [[ $crate == crates/script ]]; then
        # Scripts run on stacks that the sanitizer knows nothing of, and their errors jump over frames: it watches the heap alone. With
        # clang it watches that of the interpreter as well, and its branches guide the fuzzer.
        export RUSTFLAGS=-Cllvm-args=-asan-stack=0
        command -v clang >/dev/null && export CC=clang CFLAGS="-fsanitize=address,fuzzer-no-link -mllvm -asan-stack=0"
      fi
      cargo fuzz run "$name" -- "${options[@]}"
    )
  done
done
