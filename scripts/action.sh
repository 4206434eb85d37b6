#!/usr/bin/env bash
# What action.yml runs: conformance with annotations and a JUnit file, then a load with its baseline. Everything comes in by variables,
# so that no input is ever a part of a command.
set -uo pipefail

program=${SIO_PROGRAM:-}
if [ -z "$program" ]; then program="${RUNNER_TEMP:-/tmp}/sio-bench/bin/sio-bench"; fi
if ! command -v "$program" >/dev/null; then
  echo "there is no program $program; leave \`program\` empty to have it built" >&2
  exit 2
fi
: "${SIO_TARGET:?the input target is missing: the URL of a running server}"
out=${SIO_OUT:-sio-bench-records}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}
worst=0

if [ "${SIO_CONFORM:-true}" = true ]; then
  rm -rf "$out/conform"
  arguments=(conform --target "$SIO_TARGET" --quiet --format github --out "$out/conform" --report "junit=${SIO_JUNIT:-sio-bench-junit.xml}")
  if [ -n "${SIO_AREA:-}" ]; then arguments+=(--area "$SIO_AREA"); fi
  "$program" "${arguments[@]}"
  code=$?
  [ "$code" -gt "$worst" ] && worst=$code
  if [ -d "$out/conform" ]; then "$program" report "$out/conform" --format markdown >>"$summary"; fi
fi

if [ -n "${SIO_SCENARIO:-}" ]; then
  rm -rf "$out/load"
  arguments=(run "$SIO_SCENARIO" --target "$SIO_TARGET" --quiet --out "$out/load" --html "${SIO_HTML:-sio-bench.html}")
  # The first run has nothing to be held against.
  if [ -n "${SIO_BASELINE:-}" ] && [ -d "$SIO_BASELINE" ]; then arguments+=(--baseline "$SIO_BASELINE"); fi
  "$program" "${arguments[@]}"
  code=$?
  [ "$code" -gt "$worst" ] && worst=$code
  if [ -d "$out/load" ]; then "$program" report "$out/load" --format markdown >>"$summary"; fi
fi
exit "$worst"
