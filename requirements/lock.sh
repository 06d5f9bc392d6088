#!/bin/sh
# Makes run.lock and test.lock anew from run.in and test.in: `pip install uv`, then requirements/lock.sh [--upgrade].
# One set of versions for Python 3.11 and newer on Linux and macOS, with the hashes of all builds.
set -eu
cd "$(dirname "$0")"
# openvino-telemetry reports its use over the network; OpenVINO works without it, and so do we.
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-header --no-annotate --no-emit-package openvino-telemetry "$@"
}
lock run.in --only-binary :all: --output-file run.lock "${1:---quiet}"
lock test.in --constraints run.lock --output-file test.lock "${1:---quiet}"
