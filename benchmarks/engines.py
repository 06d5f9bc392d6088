"""Which engine computes a network on this processor, and how to have OpenVINO do it where the native library would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from unbraid.models import Model
from unbraid.separation.runtimes.native import native_template

NATIVE = "native, int16"
OPENVINO = "OpenVINO, float32"
PYTORCH = "PyTorch, float32"

# For programs of a process of their own, before anything else: there the library was never built.
WITHOUT_NATIVE = """
from unbraid.native import library
library.native_library = lambda: None
"""


def engine_of(model: Model) -> str:
    """What `unbraid` computes `model`, or the networks of that bag, with on the processor of this machine."""
    networks = [member.model for member in model.members] or [model]
    return NATIVE if all(map(native_template, networks)) else OPENVINO


@contextmanager
def only_openvino() -> Iterator[None]:
    """What is loaded inside is loaded as on a machine without the native library."""
    with mock.patch("unbraid.separation.runtimes.native.native_library", lambda: None):
        yield
