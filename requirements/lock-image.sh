#!/bin/sh
# Update image.lock and image-gpu.lock with the versions of run.lock: `pip install uv`, then
# requirements/lock-image.sh [--upgrade]. The locks are for the image's platform only, with the hashes of its builds.
set -eu
cd "$(dirname "$0")"
# openvino-telemetry: see lock.sh.
lock() {
    uv pip compile --quiet --python-platform x86_64-manylinux_2_28 --python-version 3.11 --only-binary :all: \
        --generate-hashes --no-header --no-annotate --no-emit-package openvino-telemetry "$@"
}
versions=$(mktemp)
trap 'rm -f "$versions"' EXIT
lock ../pyproject.toml --extra aws image.in --constraints run.lock --output-file image.lock "${1:---quiet}"
sed -n 's/^\([a-z0-9].*==[^ ;]*\).*/\1/p' image.lock >"$versions"
# shellcheck disable=SC2046  # one option for each package in image.lock
lock image-gpu.in --constraints "$versions" --output-file image-gpu.lock "${1:---quiet}" \
    $(sed 's/==.*//; s/^/--no-emit-package /' "$versions")
