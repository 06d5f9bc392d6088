#!/bin/sh
# Builds the page of the web app, frontend/ into src/unbraid/web/static/, when its sources have changed:
#   requirements/frontend.sh           what `./unbraid serve` and the wheel need
#   requirements/frontend.sh --check   also types, lint and unit tests; fails where they do
# Without Node.js there is no page, in words, and the API works all the same.
set -eu
cd "$(dirname "$0")/.."
if ! [ -d frontend ]; then exit 0; fi # a source distribution has the page as it was built
cd frontend
static=../src/unbraid/web/static

say() { echo "unbraid: $*" >&2; }

# Names and contents of all sources, as one number.
sources=$({ find src public -type f ! -name '*.test.ts'; ls index.html package.json package-lock.json vite.config.ts; } |
    sort | xargs cksum | cksum)
wanted="$sources ${VITE_API_URL:-}"
built() { [ -f $static/index.html ] && [ "$(cat $static/.built 2>/dev/null)" = "$wanted" ]; }

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
    if [ -f $static/index.html ]; then state="the page stays as it was last built"; fi
    say "Node.js $oldest or newer with npm is missing, so $state (https://nodejs.org)"
    exit 0
fi

# One at a time, where the system has a way to wait.
mkdir -p node_modules
if command -v flock >/dev/null 2>&1; then
    exec 9>node_modules/.lock
    flock 9
fi

lock=$(cksum <package-lock.json)
if [ "${1:-}" = --check ]; then extent=all; else extent=run; fi
have=$(cat node_modules/.installed 2>/dev/null || true)
if [ "$have" != "$lock all" ] && [ "$have" != "$lock $extent" ]; then
    say "installing what the page is built with"
    omit=
    if [ $extent = run ]; then omit=--omit=dev; fi
    if ! npm ci --no-audit --no-fund --loglevel=error $omit >/dev/null; then
        say "npm could not install what the page is built with; the API works without a page"
        if [ $extent = all ]; then exit 1; fi
        exit 0
    fi
    echo "$lock $extent" >node_modules/.installed
fi

if ! built; then
    say "building the page"
    # Beside its place, and moved there when it is whole: somebody may be reading the old one.
    new=$static-$$
    trap 'rm -rf "$new"' EXIT
    if ! npm run --silent build -- --outDir "$new" --emptyOutDir --logLevel warn >&2; then
        say "the page could not be built"
        exit 1
    fi
    echo "$wanted" >"$new/.built"
    rm -rf $static
    mv "$new" $static
fi

if [ "${1:-}" = --check ]; then npm run --silent check; fi
