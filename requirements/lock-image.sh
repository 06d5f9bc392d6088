#!/bin/sh
# Makes image.lock and image-gpu.lock anew, with the versions of run.lock: `pip install uv`, then
# requirements/lock-image.sh [--upgrade]. For the image's one platform, with the hashes of its builds.
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
# shellcheck disable=SC2046  # an option for each package that is in image.lock already
lock image-gpu.in --constraints "$versions" --output-file image-gpu.lock "${1:---quiet}" \
    $(sed 's/==.*//; s/^/--no-emit-package /' "$versions")
