#!/usr/bin/env bash
# Installs what the tests with foreign clients, a real browser and a real balancer use, on Debian and its kin. Without it those tests
# say what is missing and pass; with CI set they fail.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }
need node nodejs
need npm npm
need python3 python3 python3-venv
need haproxy haproxy
need nginx nginx
need redis-server redis-server
need nats-server nats-server
need shellcheck shellcheck
# Debian has its programs in a folder of their own, and starts a server with the package that nobody here needs.
compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || need postgres postgresql
need pkg-config pkg-config
need chromium chromium
need chromedriver chromium-driver
pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ "${#missing[@]}" -eq 0 ]; then
  echo "everything is here"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -qq
as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "installed: ${missing[*]}"
