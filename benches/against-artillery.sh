#!/usr/bin/env bash
# One core of sio-bench against one core of Artillery 2, in turns, against the same reference server on another core.
#
#   benches/against-artillery.sh [rounds]      a table in Markdown; needs Node.js with npm, taskset and two cores
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet
mkdir -p runs/artillery
if [ ! -x runs/artillery/node_modules/.bin/artillery ]; then
  # Without scripts: one of them downloads browsers.
  (cd runs/artillery && npm install --ignore-scripts --no-audit --no-fund --silent artillery@2.0.21)
fi
python3 benches/artillery/compare.py "${1:-5}"
