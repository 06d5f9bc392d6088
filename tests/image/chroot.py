"""Run commands in a chroot with its own mount and process namespaces.

The namespaces and all their processes end with the process that was started.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.aws.container.workspace import wait_for

DEVICES = ("null", "zero", "full", "random", "urandom")


def debian(folder: Path, release: str) -> None:
    """Install a minimal Debian of that release into `folder`, from the mirror of this machine's packages."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", release, folder, mirror(release)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def mirror(release: str) -> str:
    """Return the mirror for that release of Debian among this machine's package sources, or an empty string."""
    fields = ["--format", "$(REPO_URI)", f"Codename: {release}", "Label: Debian", "Component: main"]
    targets = subprocess.run(
        ["apt-get", "indextargets", *fields], capture_output=True, text=True, check=False
    )
    return next(iter(targets.stdout.split()), "")


def chroot_command(
    root: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    user: str = "0:0",
    folder: str = "/",
    mounted: Mapping[Path, str] | None = None,
    read_only: bool = False,
) -> list[str]:
    """Return the command line that runs `command` in `root`, as process 1 of its namespace.

    `mounted` maps files of this machine to their paths in `root`, without the leading slash. With `read_only`, only
    /tmp is writable; it is empty.
    """
    base = shlex.quote(str(root))
    lines = ["set -e", f"mount --bind {base} {base}", f"mount -t proc proc {base}/proc"]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {base}/dev"]
    for device in DEVICES:
        lines += [f"touch {base}/dev/{device}", f"mount --bind /dev/{device} {base}/dev/{device}"]
    for file, path in (mounted or {}).items():
        lines += [f"test -e {base}/{path} || touch {base}/{path}"]
        lines += [f"mount --bind {shlex.quote(str(file.resolve()))} {base}/{path}"]
    if read_only:
        lines += [f"mount -t tmpfs -o mode=1777 tmpfs {base}/tmp", f"mount -o remount,bind,ro {base}"]
    variables = [f"{name}={value}" for name, value in environment.items()]
    inside = ["/usr/bin/env", "--chdir", folder, "--ignore-environment", *variables, *command]
    lines += [f"exec chroot --userspec={user} --groups= {base} {shlex.join(inside)}"]
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    return ["unshare", *namespaces, "/bin/sh", "-c", "\n".join(lines)]


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` with its output in `log`; kill it and its children at the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def first_process(process: subprocess.Popen[bytes]) -> int:
    """Return the id, outside the namespace, of process 1 of the namespace."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(wait_for(lambda: children.read_text().split())[0])
