# Sourced by ./test: what tests need from Debian's archive, where it is missing and can be had.
missing=
need() { # PACKAGE FILE…: missing unless one of the files is there
    package=$1
    shift
    for file; do
        if [ -e "$file" ]; then return; fi
    done
    missing="$missing $package"
}
# pyworld is published as source alone.
need g++ /usr/bin/c++
need python3-dev /usr/include/python3*/Python.h
# Speech synthesisers and instruments of the training songs; a test whose program is missing says so and skips.
need espeak-ng /usr/bin/espeak-ng
need flite /usr/bin/flite
need libfluidsynth3 /usr/lib/*/libfluidsynth.so.3
need timgm6mb-soundfont /usr/share/sounds/sf2/TimGM6mb.sf2
need sonic-pi-samples /usr/share/sonic-pi/samples/*.flac

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root='sudo -n'; fi
    echo "unbraid: installing system packages:$missing" >&2
    # shellcheck disable=SC2086  # lists of words
    if ! { command -v apt-get && $as_root apt-get update && $as_root apt-get install -y --no-install-recommends $missing; } >/dev/null 2>&1; then
        echo "unbraid: could not; tests that need them are skipped (sudo apt install$missing)" >&2
    fi
fi
