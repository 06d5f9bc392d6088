"""One deployment that all tests of this folder share, each with songs of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.e2e.aws.client import Client
from tests.e2e.aws.serving import free_port
from tests.e2e.aws.template import Template
from tests.e2e.aws.world import World
from tests.infra.conftest import PAGE, synth

__all__ = ["synth"]

BUILT = {"ImageTag": "built"}
"""The parameters of the stack once there is an image."""


@pytest.fixture(scope="package")
def world(synth: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The application, deployed."""
    with deployed(Template(synth(site=PAGE), BUILT), tmp_path_factory.mktemp("deployed")) as world:
        assert world.endpoint is not None
        world.endpoint.scaling.suspended = True  # a container takes seconds to start
        yield world


@contextmanager
def deployed(template: Template, folder: Path, issuer: str | None = None) -> Iterator[World]:
    """The application of a template. No role is ever refused what it asks for."""
    site = f"http://localhost:{free_port()}"  # another origin than 127.0.0.1, where the APIs are
    template.addresses[PAGE] = site
    with World(template, folder, site, issuer) as world:
        yield world
    assert world.door.denied == []


@pytest.fixture
def client(world: World) -> Client:
    """The original's client."""
    return Client(world)


@pytest.fixture(scope="package")
def song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song of three seconds."""
    return write_wave(tmp_path_factory.mktemp("songs") / "song.wav", 3.0)


@pytest.fixture(scope="package")
def by_command_line(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its stems as `unbraid separate` writes them."""
    folder = tmp_path_factory.mktemp("separated")
    command = [sys.executable, "-m", "unbraid", "separate", "-q", "-m", "lite", "-o", folder, song]
    subprocess.run(command, check=True)
    return folder / song.stem
