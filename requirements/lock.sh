#!/bin/sh
# Update run.lock from pyproject.toml, test.lock and image-test.lock from pyproject.toml and their .in files, and
# deploy.lock, compiler.lock and functions.lock from their .in files: `pip install uv`, then requirements/lock.sh [--upgrade]. Each lock has one version
# of a package for all Pythons that pyproject.toml allows, on Linux and macOS, with the hashes of all builds.
set -eu
cd "$(dirname "$0")"
# openvino-telemetry sends usage data over the network, and OpenVINO works without it.
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-header --no-annotate --no-emit-package openvino-telemetry "$@"
}
lock ../pyproject.toml --only-binary :all: --output-file run.lock "${1:---quiet}"
lock ../pyproject.toml test.in --constraints run.lock --output-file test.lock "${1:---quiet}"
# The same versions as in the tests.
lock ../pyproject.toml image-test.in --constraints test.lock --only-binary :all: --output-file image-test.lock \
    "${1:---quiet}"
lock deploy.in --constraints test.lock --output-file deploy.lock "${1:---quiet}"
lock compiler.in --only-binary :all: --output-file compiler.lock "${1:---quiet}"
# Lambda's Python includes boto3 and its libraries.
lock functions.in --constraints test.lock --only-binary :all: --no-emit-package botocore --no-emit-package jmespath \
    --output-file functions.lock "${1:---quiet}"
