# Sourced by ./unbraid and ./test: sets found_python to the first Python that will do, or says what to do and exits.
# The range is that of `requires-python` in pyproject.toml: from 3.15 on, NumPy and OpenVINO have no builds yet.
found_python=
for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1; then
        found_python=$candidate
        break
    fi
done
if [ -z "$found_python" ]; then
    packages="python3 python3-venv"
    # Where python3 won't do (Ubuntu 22.04 has 3.10), the archive has a newer one under a name of its own.
    if command -v python3 >/dev/null 2>&1; then packages="python3.11 python3.11-venv, or a newer one"; fi
    echo "unbraid: no Python 3.11 to 3.14 found: install one (Debian and Ubuntu: sudo apt install $packages)" >&2
    exit 1
fi
