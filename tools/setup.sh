#!/bin/bash
# Usage: tools/setup.sh [run] [test] [bench]
# Makes .venv from requirements.lock (for test: requirements-test.lock, which has the clouds' SDKs and checkers too), and
# installs the Debian packages of the named purposes that are missing.
# Cheap when nothing is to do: it is run by every make target.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(python3 python3-venv ca-certificates)
for purpose in "$@"; do
    case $purpose in
        run) packages+=(runc nftables iproute2 mmdebstrap uidmap tini) ;;
        test) packages+=(apache2-utils busybox-static chromium cosign crun docker-compose docker-registry e2fsprogs fish git openssl oras podman skopeo
            umoci zsh) ;;
        bench) packages+=(docker.io docker-cli docker-buildx docker-compose docker-registry oras skopeo curl git) ;;
        *) echo "tools/setup.sh: no such purpose: $purpose" >&2; exit 2 ;;
    esac
done

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

install_packages() {
    local missing root=()
    mapfile -t missing < <(missing_packages)
    (( ${#missing[@]} )) || return 0
    if (( EUID != 0 )); then
        if ! command -v sudo >/dev/null; then
            echo "wherry needs these Debian packages: ${missing[*]}" >&2
            echo "as root: apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        root=(sudo)
    fi
    echo "==> apt-get install ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        > .setup-apt.log 2>&1 || { tail -20 .setup-apt.log >&2; return 1; }
    rm -f .setup-apt.log
}

if command -v apt-get >/dev/null; then
    install_packages
else
    # Not Debian: `wherry doctor` says what is missing and what it is for
    echo "no apt-get here: expecting these Debian packages' programs to be installed: ${packages[*]}" >&2
fi

# Debian's own Python first: it starts faster than a pyenv shim, and other users can read it (unit tests run as nobody)
find_python() {
    local candidate
    for candidate in ${PYTHON:-} /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "no Python >= 3.11 with venv found (apt-get install python3-venv, or set PYTHON=/path/to/python3)" >&2
    return 1
}

lock=requirements.lock
[[ " $* " == *" test "* ]] && lock=requirements-test.lock
stamp_of() { echo "$1 $(cat "$1" pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1) $PWD"; }
is_made_from() { [[ -x .venv/bin/python && $(cat .setup-stamp 2>/dev/null) == "$(stamp_of "$1")" ]]; }
# What the tests need serves everything else as well
if ! is_made_from requirements-test.lock && ! is_made_from "$lock"; then
    python=$(find_python)
    echo "==> virtual environment .venv ($("$python" --version)) from $lock"
    .venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    # Start-up time is a feature, and PYTHONDONTWRITEBYTECODE may be set: compile ahead
    .venv/bin/python -m compileall -q -j 0 .venv/lib src || true
    stamp_of "$lock" > .setup-stamp
fi
# wherry's own sources may have changed since: milliseconds when nothing did
.venv/bin/python -m compileall -q src || true
