"""What the wheel has besides the repository's files: the page of the web app, and the native library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ZIG = "ziglang>=0.17,<0.18"
OLDEST_GLIBC = (2, 17)
"""What a library that names no version of a symbol is said to need; the oldest that wheels are named for today."""


class Build(BuildHookInterface[Any]):
    """Runs requirements/frontend.sh and src/unbraid/native/build.py; either may be missing, in words."""

    def dependencies(self) -> list[str]:
        """A compiler, where there is none that will do, or where `CC="python -m ziglang cc"` asks for this one."""
        native = _native(Path(self.root))
        if self.target_name != "wheel" or not native.possible():
            return []
        if "ziglang" in os.environ.get("CC", ""):
            return [ZIG]
        try:
            native.usable(native.candidates())
        except native.BuildError:
            return [ZIG] if native.useful() else []
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before anything is packed."""
        root = Path(self.root)
        script = root / "requirements" / "frontend.sh"
        if script.is_file():
            subprocess.run([script], check=True)
        if not (root / "src/unbraid/web/static/index.html").is_file():
            self.app.display_warning(
                "This build has no page: `unbraid serve` will answer as an API alone. It takes Node.js."
            )
        if self.target_name == "wheel":
            self._library(version, build_data)

    def _library(self, version: str, build_data: dict[str, Any]) -> None:
        native = _native(Path(self.root))
        if not native.possible():
            return
        if not native.current():
            zig = [[sys.executable, "-m", "ziglang", "cc"]] if find_spec("ziglang") else []
            try:
                native.build(native.usable([*native.candidates(), *zig]))
            except native.BuildError as error:
                self.app.display_warning(f"This build has no native library: {error}.")
                return
        if version != "editable":
            build_data["artifacts"].append(f"/{native.library().relative_to(self.root)}")
            build_data["pure_python"] = False
            # It is called through ctypes, by whatever Python.
            build_data["tag"] = f"py3-none-{_platform(native.library())}"


def _platform(library: Path) -> str:
    """The tag for machines that it runs on: those with the newest glibc whose symbols it asks for."""
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return "linux_x86_64"
    content = library.read_bytes()
    asked = [(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)]
    if (
        b"\0GLIBC_ABI_DT_RELR" in content
    ):  # a way of writing relocations, which says so by a name instead of a number
        asked.append((2, 36))
    major, minor = max([OLDEST_GLIBC, *asked])
    return f"manylinux_{major}_{minor}_x86_64"


def _native(root: Path) -> ModuleType:
    """src/unbraid/native/build.py; the package around it needs what is not installed here."""
    spec = spec_from_file_location("build", root / "src" / "unbraid" / "native" / "build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
