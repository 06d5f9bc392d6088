"""A deployment that all tests of this folder share. Each test uploads its own songs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.e2e.aws.client import Client
from tests.infra.conftest import PAGE, synth
from tests.simulators.aws_account import AwsAccount
from tests.simulators.cloudformation import Template
from tests.simulators.local_servers import free_port

__all__ = ["synth"]

BUILT = {"ImageTag": "built"}
"""Parameters of the stack after the image has been built."""


@pytest.fixture(scope="package")
def aws_account(synth: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccount]:
    """The application with its canary, deployed in a simulated account."""
    template = Template(synth(site=PAGE, compute="gpu", canary=True), BUILT)
    with deployed(template, tmp_path_factory.mktemp("deployed")) as aws_account:
        assert aws_account.endpoint is not None
        aws_account.endpoint.scaling.suspended = True  # a container takes seconds to start
        yield aws_account


@contextmanager
def deployed(
    template: Template, folder: Path, issuer: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[AwsAccount]:
    """Deploy the application of a template. Fails at the end if any role was denied an action."""
    page_origin = f"http://localhost:{free_port()}"  # not 127.0.0.1, which is the origin of the APIs
    template.addresses[PAGE] = page_origin
    with AwsAccount(template, folder, page_origin, issuer, environment) as aws_account:
        yield aws_account
    assert aws_account.gateway.denied == []


@pytest.fixture
def client(aws_account: AwsAccount) -> Client:
    """A client without sign-in."""
    return Client(aws_account)


@pytest.fixture(scope="package")
def song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song of 3 s."""
    return write_wave(tmp_path_factory.mktemp("songs") / "song.wav", 3.0)


@pytest.fixture(scope="package")
def command_line_stems(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the stems of `song`, written by `unbraid separate`."""
    folder = tmp_path_factory.mktemp("separated")
    command = [sys.executable, "-m", "unbraid", "separate", "-q", "-m", "lite", "-o", folder, song]
    subprocess.run(command, check=True)
    return folder / song.stem
