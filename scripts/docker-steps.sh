#!/usr/bin/env bash
# Runs the steps of the Dockerfile without a container engine: the files that would be copied, the same build command, and the program
# started in an empty folder with nothing of the repository beside it. It does not check the base images or the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(sed -n 's/^RUN \(cargo build .*\)$/\1/p' Dockerfile)
program=$(sed -n 's/^COPY --from=build \/src\/\([^ ]*\) .*$/\1/p' Dockerfile)
[ -n "$build" ] && [ -n "$program" ] || { echo "the Dockerfile has no build step that this script knows" >&2; exit 1; }

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/src" "$place/work" "$place/bin"
# What is in the repository, as a clean clone has it.
git ls-files -z | xargs -0 tar -cf - 2>/dev/null | tar -xf - -C "$place/src"
(cd "$place/src" && env -u CARGO_TARGET_DIR bash -c "$build")
cp "$place/src/$program" "$place/bin/sio-bench"
rm -rf "$place/src"
cd "$place/work"
ls -l "$place/bin/sio-bench"
ldd "$place/bin/sio-bench" || true
"$place/bin/sio-bench" --version
"$place/bin/sio-bench" conform --area rooms --quiet | tail -2
"$place/bin/sio-bench" list targets | head -5
