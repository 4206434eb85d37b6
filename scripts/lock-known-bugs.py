#!/usr/bin/env python3
"""Writes targets/known-bugs-locks anew: what exactly is installed for each release of targets/known-bugs.toml, with checksums.

Asks the registries of npm and PyPI; needs npm, and pip-compile (pip-tools) for the releases in Python. Names of releases as arguments
do only those, and releases that are locked already are left alone.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TARGETS = Path(__file__).resolve().parent.parent / "targets"
LOCKS = TARGETS / "known-bugs-locks"


def slug(name):
    return "".join(c if c.isalnum() or c == "." else "-" for c in name)


def package_json(packages):
    """As harness/src/conform/known_bugs.rs writes it; a test there compares."""
    dependencies = json.loads((TARGETS / "node/package.json").read_text())["dependencies"]
    overrides = {}
    for package, version in sorted(packages.items()):
        if package in dependencies:
            dependencies[package] = version
        elif package == "socket.io-parser":
            overrides["socket.io"] = {"socket.io-parser": version}
        else:
            overrides[package] = version
    return {"name": "sio-bench-known-bugs", "private": True, "dependencies": dependencies, "overrides": overrides}


def lock_node(packages, lock):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "package.json").write_text(json.dumps(package_json(packages)))
        command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
                   "--omit-lockfile-registry-resolved"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        lock.write_text((Path(folder) / "package-lock.json").read_text())


def lock_python(packages, lock):
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.in"
        wanted.write_text("".join(f"{package}=={version}\n" for package, version in packages.items()))
        command = ["pip-compile", "-q", "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-options", "--strip-extras",
                   "-o", str(wanted.with_suffix(".txt")), str(wanted)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # What they need besides is in the base's own list.
        blocks = re.split(r"\n(?=\S)", wanted.with_suffix(".txt").read_text())
        lock.write_text("".join(f"{block.strip()}\n" for block in blocks if block.split("==")[0] in packages))


for bug in tomllib.loads((TARGETS / "known-bugs.toml").read_text())["bug"]:
    if len(sys.argv) > 1 and bug["name"] not in sys.argv[1:]:
        continue
    LOCKS.mkdir(exist_ok=True)
    for which in ("broken", "fixed"):
        node = bug["base"] == "node"
        lock = LOCKS / f"{slug(bug['name'])}-{which}.{'json' if node else 'txt'}"
        if not lock.exists():
            print(lock.name, flush=True)
            (lock_node if node else lock_python)(bug[which], lock)
