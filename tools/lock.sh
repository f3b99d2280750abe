#!/bin/bash
# Writes requirements.lock: run time, development and build backend, universal for Python >= 3.11, every file by hash.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv
# The build backend and what an editable install imports: pip takes neither from pyproject.toml with --no-build-isolation
printf 'hatchling>=1.27\neditables\n' > "$work/build.in"
{
    echo "# Written by \`make lock\`. Do not edit."
    "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --index-url https://pypi.org/simple --no-emit-index-url --group dev pyproject.toml "$work/build.in"
} > "$work/lock"
mv "$work/lock" requirements.lock
chmod 644 requirements.lock
