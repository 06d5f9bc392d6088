"""Find the engine that computes a network on this processor, and disable the native library to measure OpenVINO."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from unbraid.models import Model
from unbraid.separation.runtimes.native import native_template
from unbraid.separation.runtimes.native_mdx import native_layers

NATIVE = "native, int16"
NATIVE_FLOATS = "native, float32"
OPENVINO = "OpenVINO, float32"
PYTORCH = "PyTorch, float32"
TENSORFLOW = "TensorFlow, float32"

# Code to run first in another process, so that it uses OpenVINO as if the native library were not built.
WITHOUT_NATIVE = """
from unbraid.native import library
library.native_library = lambda: None
"""


def engine_of(model: Model) -> str:
    """Return the engine that computes `model`, or all networks of a bag, on this processor."""
    networks = [member.model for member in model.members] or [model]
    if all(map(native_layers, networks)):
        return NATIVE_FLOATS
    return NATIVE if all(map(native_template, networks)) else OPENVINO


@contextmanager
def only_openvino() -> Iterator[None]:
    """Load networks in this context as on a machine without the native library."""
    with (
        mock.patch("unbraid.separation.runtimes.native.native_library", lambda: None),
        mock.patch("unbraid.separation.runtimes.native_mdx.native_library", lambda: None),
    ):
        yield
