#!/usr/bin/env bash
# Renew the hash-pinned locks from pyproject.toml: `make lock` (the only step that needs uv; it is installed aside when missing).
# One lock serves Python 3.11 to 3.13 on every platform: the newest versions that the oldest interpreter takes.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    "${PYTHON:-python3}" -m venv .cache/lock
    .cache/lock/bin/python -m pip install --quiet 'uv>=0.9'
    uv=.cache/lock/bin/uv
fi

compile() { # target, then what differs between the locks
    local target=$1
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --extra build --output-file "$target" "$@"
}

compile packaging/requirements.lock
compile packaging/requirements-dev.lock --extra dev --constraint packaging/requirements.lock
# The peers join the developers' tools in an environment of their own, so they must agree with them.
compile packaging/requirements-peers.lock --extra dev --extra peers --constraint packaging/requirements-dev.lock
# The guided fuzzer joins what rpsd runs on, in an environment of its own; its wheels of that version exist for Python 3.11 to 3.13.
printf 'atheris~=3.0.0\n' | compile packaging/requirements-fuzz.lock - --constraint packaging/requirements.lock
# MLflow's client lives in an environment that holds nothing else: it reads what rpsd exports, and neither imports the other.
printf 'mlflow-skinny>=3,<4\n' | "$uv" pip compile - --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --output-file packaging/requirements-mlflow.lock
grep -c '==' packaging/requirements*.lock
