#!/usr/bin/env bash
# Mutants of the tester (docs/mutants.md): changes the code that judges, one place at a time, and looks whether its tests
# notice.
#
#   scripts/mutants.sh PART [--minutes N] [--seed K] [--shards N] [--out FOLDER]
#
# PART is `protocol`, `oracle` or `judging` (what judges a load, in harness/src/load). What is committed is tried. Without
# --minutes the whole part is tried; with it, shard after shard until the time is over, beginning with shard K. Ends with 0 if
# at least 95 of 100 mutants that compile were noticed, with 1 if not, and with 2 if nothing could be tried.
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
[ "$minutes" != 0 ] || shards=1 seed=0
build=() tests=()
# Each line is a turn: what survives one is tried in the next. First what is quick, then all, at last as the tests run usually.
case $part in
    protocol)
        package=sio-protocol select=(-p sio-protocol)
        stages=("PROPTEST_CASES=32" "PROPTEST_CASES=256")
        ;;
    oracle)
        package=sio-oracle select=(-p sio-oracle)
        stages=("SIO_HISTORIES=400 tests:: answers by_hand ends goals instants joint nodes second_opinion turns words"
            "SIO_HISTORIES=400 proofs coarse edits::a_swap soundness::each soundness::a_fan soundness::a_correct"
            "SIO_HISTORIES=4000 PROPTEST_CASES=32"
            "SIO_HISTORIES=100000")
        ;;
    judging)
        package=sio-bench select=(-p sio-bench)
        for file in load/evidence load/outages load/signs load/slo vocab/stamp; do select+=(-f "harness/src/$file.rs"); done
        select+=(-f 'harness/src/load/evidence/*.rs' -f harness/src/load/session/settle.rs)
        # Its own tests: those from end to end take minutes.
        build=(--cargo --lib)
        stages=("PROPTEST_CASES=32 load::evidence load::outages load::session load::signs load::slo vocab::stamp"
            "PROPTEST_CASES=256 load:: vocab::")
        ;;
    *) echo "mutants.sh: no part $part; expected protocol, oracle or judging" >&2; exit 2 ;;
esac
command -v cargo-mutants > /dev/null || { echo "mutants.sh: cargo install cargo-mutants --locked" >&2; exit 2; }

export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_TERM_COLOR=never
mkdir -p "$out"
out=$(cd "$out" && pwd)
folder=$out/$part tree=$out/$part/tree
rm -rf "$folder"
mkdir -p "$tree"
git archive HEAD | tar x -C "$tree"
export CARGO_TARGET_DIR=$out/target
cargo build --quiet --manifest-path scripts/mutants/Cargo.toml
tool=$CARGO_TARGET_DIR/debug/sio-mutants
cargo mutants --list --json "${select[@]}" > "$folder/list.json"
for list in caught missed timeout unviable left; do : > "$folder/$list"; done

end=$((SECONDS + minutes * 60))
for ((turn = 0; turn < shards; turn++)); do
    [ "$minutes" = 0 ] || [ "$SECONDS" -lt "$end" ] || break
    shard=$(((seed + turn) % shards))
    echo "mutants.sh: shard $shard/$shards"
    # The tool rewrites what it is given.
    git archive HEAD | tar x -C "$tree"
    nice -n 10 "$tool" --list "$folder/list.json" --root "$tree" --package "$package" --out "$folder/run" \
        --shard "$shard/$shards" "${build[@]}" "${stages[@]/#/--stage=}" "${tests[@]}"
    for list in caught missed timeout unviable left; do cat "$folder/run/$list" >> "$folder/$list"; done
done

# What cannot be written into one build is tried by cargo-mutants, in a tree of its own each.
if [ -s "$folder/left" ]; then
    again=()
    while IFS= read -r line; do
        again+=(--re "^$(printf '%s' "$line" | sed 's/[][\.*^$(){}?+|/]/\\&/g')\$")
    done < "$folder/left"
    only=(); [ "$part" = judging ] && only=(-- --lib -- load:: vocab::)
    PROPTEST_CASES=64 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 SIO_HISTORIES=4000 \
        nice -n 10 cargo mutants --no-shuffle -j 1 --colors never --timeout 1200 \
        "${select[@]}" "${again[@]}" -o "$folder/left.run" "${only[@]}" || true
    for list in caught missed timeout unviable; do
        cat "$folder/left.run/mutants.out/$list.txt" >> "$folder/$list" 2> /dev/null || true
    done
fi

count() { sort -u "$folder/$1" | wc -l; }
killed=$(($(count caught) + $(count timeout)))
viable=$((killed + $(count missed)))
echo "mutants.sh: $part: $killed of $viable noticed, $(count missed) survive, $(count unviable) do not compile"
cat "$folder/missed"
[ "$viable" -gt 0 ] || exit 2
[ $((killed * 100)) -ge $((viable * 95)) ]
