# Sourced by ./unbraid and ./test: sets found_python to the first Python that is new enough, or says what to do and exits.
found_python=
for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        found_python=$candidate
        break
    fi
done
if [ -z "$found_python" ]; then
    echo "unbraid: no Python 3.11 or newer found: install one (Debian and Ubuntu: sudo apt install python3 python3-venv)" >&2
    exit 1
fi
