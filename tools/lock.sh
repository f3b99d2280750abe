#!/bin/bash
# Writes requirements.lock: run time, development and build backend, universal for Python >= 3.11, every file by hash;
# and requirements-test.lock: the same with the clouds' SDKs and what integration tests hold wherry against.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv
# The build backend and what an editable install imports: pip takes neither from pyproject.toml with --no-build-isolation
printf 'hatchling>=1.27\neditables\n' > "$work/build.in"
lock() {  # FILE OPTIONS-OF-UV...
    local name=$1
    shift
    {
        echo "# Written by \`make lock\`. Do not edit."
        "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
            --index-url https://pypi.org/simple --no-emit-index-url "$@" pyproject.toml "$work/build.in"
    } > "$work/$name"
}
# The larger first, so that what both name has one version
lock requirements-test.lock --group dev --group test --all-extras
lock requirements.lock --group dev --constraint "$work/requirements-test.lock"
for name in requirements.lock requirements-test.lock; do
    mv "$work/$name" "$name"
    chmod 644 "$name"
done
