#!/bin/sh
# Makes run.lock anew from pyproject.toml, test.lock from that and test.in, and the locks of deploying and of the compiler
# from their own lists: `pip install uv`, then requirements/lock.sh [--upgrade]. One set of versions for all Pythons that pyproject.toml names, on Linux and macOS,
# with the hashes of all builds.
set -eu
cd "$(dirname "$0")"
# openvino-telemetry reports its use over the network; OpenVINO works without it, and so do we.
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-header --no-annotate --no-emit-package openvino-telemetry "$@"
}
lock ../pyproject.toml --only-binary :all: --output-file run.lock "${1:---quiet}"
lock ../pyproject.toml test.in --constraints run.lock --output-file test.lock "${1:---quiet}"
# With the versions that are tested.
lock deploy.in --constraints test.lock --output-file deploy.lock "${1:---quiet}"
lock compiler.in --only-binary :all: --output-file compiler.lock "${1:---quiet}"
# boto3's libraries come with Lambda's Python.
lock functions.in --constraints test.lock --only-binary :all: --no-emit-package botocore --no-emit-package jmespath \
    --output-file functions.lock "${1:---quiet}"
