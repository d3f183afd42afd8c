#!/usr/bin/env bash
# The tests of the one crate with unsafe code under Miri; where the toolchain has no Miri, under valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
if cargo miri --version >/dev/null 2>&1; then
  exec cargo miri test -p tandem-keyspace --lib
fi
command -v valgrind >/dev/null || { echo "neither Miri nor valgrind is here" >&2; exit 1; }
binary=$(cargo test -p tandem-keyspace --lib --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
# The modules that have unsafe code, and the one that uses them most; with fewer cases for property tests: valgrind makes
# everything thirty times slower.
PROPTEST_CASES="${PROPTEST_CASES:-8}" valgrind --error-exitcode=1 --leak-check=full --show-leak-kinds=definite \
  --errors-for-leak-kinds=none "$binary" --test-threads=1 record:: block:: segment::
