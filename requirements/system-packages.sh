# Sourced by ./test: installs missing system packages that tests need. Tests skip what remains missing. If found_python is
# set, ./test is about to create an environment with it: then a compiler and Python's headers are required.
optional=
need() { # PACKAGE FILE…: the package is missing if none of the files exists
    package=$1
    shift
    for file; do
        if [ -e "$file" ]; then return; fi
    done
    optional="$optional $package"
}
need ffmpeg /usr/bin/ffmpeg # importing museval fails without it
need postgresql /usr/lib/postgresql/*/bin/postgres # stores sessions of the web app
need chromium /usr/bin/chromium # browser tests of notifications, and all where there is no headless shell
need chromium-headless-shell /usr/bin/chromium-headless-shell # the other browser tests
# Speech synthesisers and instruments of the training songs.
need espeak-ng /usr/bin/espeak-ng
need flite /usr/bin/flite
need libfluidsynth3 /usr/lib/*/libfluidsynth.so.3
need timgm6mb-soundfont /usr/share/sounds/sf2/TimGM6mb.sf2
need sonic-pi-samples /usr/share/sonic-pi/samples/*.flac

# pyworld is published only as source: set required to the missing packages for building it.
find_required() {
    required=
    if [ -z "${found_python:-}" ]; then return; fi
    if ! command -v c++ >/dev/null 2>&1; then required="$required g++"; fi
    if ! [ -e "$("$found_python" -I -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ]; then
        required="$required $("$found_python" -I -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"
    fi
}
find_required

if [ -n "$required$optional" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root='sudo -n'; fi
    echo "unbraid: installing system packages:$required$optional" >&2
    # shellcheck disable=SC2086  # lists of words
    if command -v apt-get >/dev/null 2>&1 && $as_root apt-get update >/dev/null 2>&1; then
        # One by one, so that a package that the archive lacks doesn't block the rest. Questions would be invisible, so stdin is closed.
        for package in $required $optional; do
            $as_root apt-get install -y --no-install-recommends "$package" </dev/null >/dev/null 2>&1 || missing=1
        done
    else
        missing=1
    fi
    find_required
    if [ -n "$required" ]; then
        echo "unbraid: pyworld needs a compiler and Python's headers: sudo apt install$required" >&2
        exit 1
    fi
    if [ -n "${missing:-}" ]; then
        echo "unbraid: some packages could not be installed, and tests that need them are skipped (sudo apt install$optional)" >&2
    fi
fi
