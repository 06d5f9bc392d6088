"""Commands in a folder as if it were the whole machine: namespaces of their own for mounts and processes, which end,
with all that is in them, with the process that was started."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DEVICES = ("null", "zero", "full", "random", "urandom")


def debian(folder: Path, release: str) -> None:
    """A minimal system of that release, from the mirror that this machine's own packages come from."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", release, folder, mirror(release)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def mirror(release: str) -> str:
    """Of this machine's sources, the one for that release of Debian; empty: there is none."""
    fields = ["--format", "$(REPO_URI)", f"Codename: {release}", "Label: Debian", "Component: main"]
    asked = subprocess.run(["apt-get", "indextargets", *fields], capture_output=True, text=True, check=False)
    return next(iter(asked.stdout.split()), "")


def entered(
    root: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    user: str = "0:0",
    folder: str = "/",
    brought: Mapping[Path, str] | None = None,
    read_only: bool = False,
) -> list[str]:
    """The command that runs `command` in `root`, as process 1 of its namespace.

    `brought`: files of this machine that are seen there, by their path without the first slash. `read_only`: nothing
    but /tmp can be written, which is empty.
    """
    here = shlex.quote(str(root))
    lines = ["set -e", f"mount --bind {here} {here}", f"mount -t proc proc {here}/proc"]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {here}/dev"]
    for device in DEVICES:
        lines += [f"touch {here}/dev/{device}", f"mount --bind /dev/{device} {here}/dev/{device}"]
    for file, place in (brought or {}).items():
        lines += [f"test -e {here}/{place} || touch {here}/{place}"]
        lines += [f"mount --bind {shlex.quote(str(file.resolve()))} {here}/{place}"]
    if read_only:
        lines += [f"mount -t tmpfs -o mode=1777 tmpfs {here}/tmp", f"mount -o remount,bind,ro {here}"]
    variables = [f"{name}={value}" for name, value in environment.items()]
    inside = ["/usr/bin/env", "--chdir", folder, "--ignore-environment", *variables, *command]
    lines += [f"exec chroot --userspec={user} --groups= {here} {shlex.join(inside)}"]
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    return ["unshare", *namespaces, "/bin/sh", "-c", "\n".join(lines)]
