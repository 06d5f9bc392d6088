# Sourced by ./unbraid and ./test: sets found_python to the first suitable Python, or prints what to install and exits.
# The versions are those of `requires-python` in pyproject.toml. NumPy and OpenVINO have no builds for 3.15 yet.
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
    # If python3 is too old (3.10 in Ubuntu 22.04), the archive has a newer one with its version in the name.
    if command -v python3 >/dev/null 2>&1; then packages="python3.11 python3.11-venv, or a newer one"; fi
    echo "unbraid: Python 3.11 to 3.14 is missing. Install it (Debian and Ubuntu: sudo apt install $packages)" >&2
    exit 1
fi
