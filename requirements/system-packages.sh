# Sourced by ./test: what tests need from Debian's archive, where it is missing and can be had. Where found_python is
# set, an environment is about to be made with it, and what pip needs to build in it has to be there in the end.
optional=
need() { # PACKAGE FILE…: a test says so and skips where none of the files is there
    package=$1
    shift
    for file; do
        if [ -e "$file" ]; then return; fi
    done
    optional="$optional $package"
}
need ffmpeg /usr/bin/ffmpeg # museval refuses to be imported without it
need postgresql /usr/lib/postgresql/*/bin/postgres # sessions of the web app are kept in it
need chromium /usr/bin/chromium # the web app is tested in it
# Speech synthesisers and instruments of the training songs.
need espeak-ng /usr/bin/espeak-ng
need flite /usr/bin/flite
need libfluidsynth3 /usr/lib/*/libfluidsynth.so.3
need timgm6mb-soundfont /usr/share/sounds/sf2/TimGM6mb.sf2
need sonic-pi-samples /usr/share/sonic-pi/samples/*.flac

# pyworld is published as source alone: sets required to what is missing to build it.
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
        # One after the other: one that the archive lacks doesn't keep the rest away. Nothing is asked: it would not be seen.
        for package in $required $optional; do
            $as_root apt-get install -y --no-install-recommends "$package" </dev/null >/dev/null 2>&1 || missing=1
        done
    else
        missing=1
    fi
    find_required
    if [ -n "$required" ]; then
        echo "unbraid: pyworld can't be built without a compiler and Python's headers: sudo apt install$required" >&2
        exit 1
    fi
    if [ -n "${missing:-}" ]; then
        echo "unbraid: could not install all of them; tests that need them are skipped (sudo apt install$optional)" >&2
    fi
fi
