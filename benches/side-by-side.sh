#!/usr/bin/env bash
# Measures the reference server and Node side by side and prints the table of reports/side-by-side.md.
# Options are passed on: benches/side-by-side.sh --targets reference,node --rounds 5
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --package sio-bench --package sio-benches
exec ./target/release/side-by-side "$@"
