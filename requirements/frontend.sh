#!/bin/sh
# Build the web page from frontend/ into src/unbraid/web/static/ if its sources have changed:
#   requirements/frontend.sh           for `./unbraid serve` and the wheel
#   requirements/frontend.sh --check   also check types, lint and unit tests, and fail if they fail
# Without Node.js there is no page, and the API still works.
set -eu
cd "$(dirname "$0")/.."
if ! [ -d frontend ]; then exit 0; fi # a source distribution contains the built page
cd frontend
static=../src/unbraid/web/static

say() { echo "unbraid: $*" >&2; }

# Checksum of the names and contents of all sources.
sources=$({ find src public plugins worker -type f ! -name '*.test.ts'; ls index.html package.json package-lock.json vite.config.ts; } |
    sort | xargs cksum | cksum)
build_key="$sources ${VITE_API_URL:-}"
built() { [ -f $static/index.html ] && [ "$(cat $static/.built 2>/dev/null)" = "$build_key" ]; }

if [ "${1:-}" != --check ] && built; then exit 0; fi

oldest=$(sed -n 's/.*"node": ">=\([0-9.]*\)".*/\1/p' package.json)
new_enough() {
    node -e '
        const [have, oldest] = [process.versions.node, process.argv[1]].map((version) => version.split(".").map(Number));
        process.exit(have[0] > oldest[0] || (have[0] === oldest[0] && have[1] >= oldest[1]) ? 0 : 1);
    ' "$oldest"
}
if ! command -v npm >/dev/null 2>&1 || ! new_enough; then
    state="there is no page: the API works without it"
    if [ -f $static/index.html ]; then state="the page stays as last built"; fi
    say "Node.js $oldest or newer with npm is missing, so $state (https://nodejs.org)"
    exit 0
fi

# One process at a time, if the system has flock.
mkdir -p node_modules
if command -v flock >/dev/null 2>&1; then
    exec 9>node_modules/.lock
    flock 9
fi

lock=$(cksum <package-lock.json)
if [ "${1:-}" = --check ]; then packages=all; else packages=run; fi
installed=$(cat node_modules/.installed 2>/dev/null || true)
if [ "$installed" != "$lock all" ] && [ "$installed" != "$lock $packages" ]; then
    say "installing the build tools of the web page"
    omit=
    if [ $packages = run ]; then omit=--omit=dev; fi
    if ! npm ci --no-audit --no-fund --loglevel=error $omit >/dev/null; then
        say "npm could not install the build tools of the web page; the API works without a page"
        if [ $packages = all ]; then exit 1; fi
        exit 0
    fi
    echo "$lock $packages" >node_modules/.installed
fi

if ! built; then
    say "building the web page"
    # Build next to the old page and replace it when complete: a server may be reading the old one.
    new=$static-$$
    trap 'rm -rf "$new"' EXIT
    if ! npm run --silent build -- --outDir "$new" --emptyOutDir --logLevel warn >&2; then
        say "the web page could not be built; see the messages above"
        exit 1
    fi
    echo "$build_key" >"$new/.built"
    rm -rf $static
    mv "$new" $static
fi

if [ "${1:-}" = --check ]; then npm run --silent check; fi
