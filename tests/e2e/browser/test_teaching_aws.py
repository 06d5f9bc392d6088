"""Teach a model in AWS from the page: the choice, its price, the start and the end, in a simulated account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.aws.training.conftest import SimulatedAccount, account, aws, moto_url
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server, running_server
from tests.e2e.browser.test_teaching import assert_accessible, drop_folder
from tests.finetuning.synthetic import write_songs, write_tiny_model

__all__ = ["account", "aws", "moto_url"]


@pytest.fixture
def server(
    account: SimulatedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: None
) -> Iterator[Server]:
    """A server on a machine with credentials for the account, and a tiny model to begin with."""
    monkeypatch.setenv("UNBRAID_NICE", "0")  # other tests would leave it no processor time
    account.jobs.waits = True  # no machine is free
    write_tiny_model(tmp_path / "models" / "tiny")
    with running_server(tmp_path / "data") as server:
        yield server


def test_says_what_it_costs_in_aws_before_it_starts_there(
    server: Server, account: SimulatedAccount, visit: OpenVisit, tmp_path: Path
) -> None:
    visited = visit(server.address)
    page = visited.page
    page.get_by_text("Teach it", exact=True).click()
    drop_folder(page, write_songs(tmp_path / "songs", ("low", "high")))
    form = page.get_by_role("form", name="Teach it")
    place = form.get_by_label("Where")
    expect(place.get_by_role("option")).to_have_text(
        ["On this computer (about 60 minutes)", "In AWS (you see the price first)"]
    )
    place.select_option("In AWS (you see the price first)")
    form.get_by_label("Name of the new model").fill("my-band")
    form.get_by_label("Begin with").fill("tiny")
    assert_accessible(page)
    form.get_by_role("button", name="Show the price").click()

    offer = page.get_by_role("region", name="Price in AWS")
    expect(offer).to_contain_text("Teach it in AWS, for at most 1.46 dollars?")
    expect(offer).to_contain_text("account 123456789012, region eu-central-1")
    assert account.keys() == [] and account.jobs.jobs == {}
    assert_accessible(page)
    offer.get_by_role("button", name="Start in AWS").click()

    teaching = page.get_by_role("region", name="Teaching my-band")
    expect(teaching).to_contain_text(re.compile(r"AWS (prepares the training|looks for a free machine)\."))
    expect(teaching.get_by_role("button", name="Pause")).to_be_hidden()
    assert len(account.jobs.jobs) == 1
    assert_accessible(page)
    teaching.get_by_role("button", name="Stop and delete").click()
    expect(page.get_by_text("Stopping it, and deleting your songs in AWS …")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a folder")).to_be_visible()
    assert account.keys() == [] and not (tmp_path / "data" / "teaching").exists()
    assert visited.errors == []
