"""Build hook of the wheel: adds the built web page and the native library."""

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
"""glibc version of a library without versioned symbols: the oldest that wheel tags name today."""


class Build(BuildHookInterface[Any]):
    """Runs requirements/frontend.sh and src/unbraid/native/build.py. If either fails, the build warns and goes on."""

    def dependencies(self) -> list[str]:
        """Require ziglang if there is no suitable compiler, or if `CC="python -m ziglang cc"` selects it."""
        native = _native(Path(self.root))
        if self.target_name != "wheel" or not native.platform_supported():
            return []
        if "ziglang" in os.environ.get("CC", ""):
            return [ZIG]
        try:
            native.choose_compiler(native.find_compilers())
        except native.BuildError:
            return [ZIG] if native.processor_supported() else []
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page and the library before files are packed."""
        root = Path(self.root)
        script = root / "requirements" / "frontend.sh"
        if script.is_file():
            subprocess.run([script], check=True)
        if not (root / "src/unbraid/web/static/index.html").is_file():
            self.app.display_warning(
                "This build has no web page, so `unbraid serve` has only its API. Install Node.js and build again."
            )
        if self.target_name == "wheel":
            self._library(version, build_data)

    def _library(self, version: str, build_data: dict[str, Any]) -> None:
        native = _native(Path(self.root))
        if not native.platform_supported():
            return
        if not native.is_current():
            zig = [[sys.executable, "-m", "ziglang", "cc"]] if find_spec("ziglang") else []
            try:
                native.build(native.choose_compiler([*native.find_compilers(), *zig]))
            except native.BuildError as error:
                self.app.display_warning(f"This build has no native library: {error}.")
                return
        if version != "editable":
            build_data["artifacts"].append(f"/{native.library_path().relative_to(self.root)}")
            build_data["pure_python"] = False
            # ctypes loads the library, so it works with every Python version.
            build_data["tag"] = f"py3-none-{_platform(native.library_path())}"


def _platform(library: Path) -> str:
    """Return the platform tag: the newest glibc version among the symbols of the library."""
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return "linux_x86_64"
    content = library.read_bytes()
    versions = [(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)]
    if b"\0GLIBC_ABI_DT_RELR" in content:  # a relocation format that needs glibc 2.36
        versions.append((2, 36))
    major, minor = max([OLDEST_GLIBC, *versions])
    return f"manylinux_{major}_{minor}_x86_64"


def _native(root: Path) -> ModuleType:
    """Load src/unbraid/native/build.py without the package around it, whose dependencies aren't installed here."""
    spec = spec_from_file_location("unbraid_native_build", root / "src" / "unbraid" / "native" / "build.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # data classes look it up there
    spec.loader.exec_module(module)
    return module
