#!/usr/bin/env bash
# Mutants of the tester (docs/mutants.md): changes the code that judges, one place at a time, and looks whether its tests
# notice.
#
#   scripts/mutants.sh PART [--minutes N] [--seed K] [--shards N] [--out FOLDER]
#
# PART is `protocol`, `oracle` or `judging` (what judges a load, in harness/src/load). Without --minutes the whole part is
# tried; with it, shard after shard until the time is over, beginning with shard K. What survives the quick settings is
# tried again with the usual ones. Ends with 0 if at least 95 of 100 mutants that compile were noticed, with 1 if not, and
# with 2 if nothing could be tried.
set -euo pipefail
cd "$(dirname "$0")/.."

part=${1:?which part: protocol, oracle or judging}
shift
minutes=0 seed=0 shards=32 out=runs/mutants
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) minutes=$2 ;;
        --seed) seed=$2 ;;
        --shards) shards=$2 ;;
        --out) out=$2 ;;
        *) echo "mutants.sh: unknown option $1; expected --minutes, --seed, --shards or --out" >&2; exit 2 ;;
    esac
    shift 2
done
tests=()
case $part in
    protocol) select=(-p sio-protocol) ;;
    oracle) select=(-p sio-oracle) ;;
    judging)
        select=(-p sio-bench)
        for file in load/evidence load/outages load/signs load/slo vocab/stamp; do select+=(-f "harness/src/$file.rs"); done
        select+=(-f 'harness/src/load/evidence/*.rs' -f harness/src/load/session/settle.rs)
        # Its own tests: those from end to end take minutes.
        tests=(-- --lib load:: vocab::)
        ;;
    *) echo "mutants.sh: no part $part; expected protocol, oracle or judging" >&2; exit 2 ;;
esac
command -v cargo-mutants > /dev/null || { echo "mutants.sh: cargo install cargo-mutants --locked" >&2; exit 2; }

export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
folder=$out/$part
rm -rf "$folder"
mkdir -p "$folder"
: > "$folder/caught" > "$folder/missed" > "$folder/timeout" > "$folder/unviable"

# One run of cargo-mutants; what came of it is added to the lists.
try() {
    rm -rf "$folder/run"
    mkdir -p "$folder/run"
    nice -n 10 cargo mutants --no-shuffle -j 1 --colors never "${select[@]}" -o "$folder/run" "$@" "${tests[@]}" || true
    for list in caught missed timeout unviable; do
        cat "$folder/run/mutants.out/$list.txt" >> "$folder/$list" 2> /dev/null || true
    done
}

export PROPTEST_CASES=${QUICK_CASES:-64} SIO_HISTORIES=${QUICK_HISTORIES:-4000}
if [ "$minutes" = 0 ]; then
    try
else
    end=$((SECONDS + minutes * 60))
    for ((turn = 0; turn < shards && SECONDS < end; turn++)); do
        shard=$(((seed + turn) % shards))
        echo "mutants.sh: shard $shard/$shards"
        try --sharding round-robin --shard "$shard/$shards"
    done
fi

# What survived is tried once more, with as many cases as the tests have usually.
unset PROPTEST_CASES SIO_HISTORIES
if [ -s "$folder/missed" ]; then
    again=()
    while IFS= read -r line; do
        again+=(--re "^$(printf '%s' "$line" | sed 's/[][\.*^$(){}?+|/]/\\&/g')\$")
    done < "$folder/missed"
    : > "$folder/missed"
    try "${again[@]}"
fi

count() { sort -u "$folder/$1" | wc -l; }
killed=$(($(count caught) + $(count timeout)))
viable=$((killed + $(count missed)))
echo "mutants.sh: $part: $killed of $viable noticed, $(count missed) survive, $(count unviable) do not compile"
cat "$folder/missed"
[ "$viable" -gt 0 ] || exit 2
[ $((killed * 100)) -ge $((viable * 95)) ]
