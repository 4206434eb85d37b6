#!/usr/bin/env bash
# Two load generators, one server: the polling scenario with sio-bench's own HTTP client and with goose's, in turns.
#
#   benches/second-ruler.sh [rounds]      a table in Markdown; the records stay in runs/second-ruler
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-5}
cargo build --release --features goose --quiet
folder=runs/second-ruler
rm -rf "$folder"
for round in $(seq "$rounds"); do
  # A B B A: whatever drifts does so for both.
  order="native goose"
  [ $((round % 2)) = 0 ] && order="goose native"
  for driver in $order; do
    target/release/sio-bench run polling --set "driver=$driver" --quiet --out "$folder/$driver-$round" >/dev/null
  done
done

python3 - "$folder" "$rounds" <<'PYTHON'
import json, statistics, sys

folder, rounds = sys.argv[1], int(sys.argv[2])

def load(driver, round):
    with open(f"{folder}/{driver}-{round}/run.jsonl") as lines:
        return next(entry for entry in map(json.loads, lines) if entry["type"] == "load")

loads = {driver: [load(driver, n + 1) for n in range(rounds)] for driver in ("native", "goose")}
print("| Measure | native, median (least to most) | goose, median (least to most) | difference of the medians |")
print("|---|---|---|---|")
for measure in ("delivery", "first", "complete", "ack"):
    for quantile in ("p50", "p99"):
        values = {
            driver: [one["traffic"][0]["latency"][measure][quantile] / 1e6 for one in all]
            for driver, all in loads.items()
        }
        cell = lambda v: f"{statistics.median(v):.2f} ms ({min(v):.2f} to {max(v):.2f})"
        difference = statistics.median(values["goose"]) - statistics.median(values["native"])
        print(f"| tell.{measure} {quantile} | {cell(values['native'])} | {cell(values['goose'])} | {difference:+.2f} ms |")
owed = {driver: sum(one["traffic"][0]["counts"]["owed"] for one in all) for driver, all in loads.items()}
wrong = {
    driver: sum(one["traffic"][0]["counts"][what] for one in all for what in ("missing", "duplicate", "misdelivered", "out_of_order"))
    for driver, all in loads.items()
}
print(f"| owed, and wrong | {owed['native']:,}, {wrong['native']} | {owed['goose']:,}, {wrong['goose']} | |")
PYTHON
