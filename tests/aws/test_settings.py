"""Settings come from the environment of the deployment; invalid ones are reported at the start, by name."""

from __future__ import annotations

import os

import pytest

from unbraid.aws.settings import Settings
from unbraid.errors import SettingError
from unbraid.jobs.limits import Limits


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UNBRAID_")]:
        monkeypatch.delenv(name)


def test_reads_all_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "bucket": "songs",
        "table": "sessions",
        "connections": "sockets",
        "endpoint": "unbraid-songs",
        "topic": "arn:aws:sns:eu-central-1:123456789012:ended",
        "sender": "Unbraid <songs@example.org>",
        "site": "https://songs.example.org",
        "socket_url": "wss://sockets.example.org/live",
        "socket_api": "https://sockets.example.org/live",
        "oidc_issuer": "https://accounts.example.org",
        "oidc_client_id": "page",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"UNBRAID_{name.upper()}", value)
    settings = Settings.load()
    assert {name: getattr(settings, name) for name in values} == values
    assert settings.signs_in
    assert settings.notify_rights.sends_email


def test_limits_equal_the_apps_except_for_a_longer_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().limits == Limits(lease_s=60)
    monkeypatch.setenv("UNBRAID_MODELS", "lite, htdemucs")
    monkeypatch.setenv("UNBRAID_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("UNBRAID_PER_OWNER_ACTIVE", "2")
    limits = Settings.load().limits
    assert (limits.models, limits.max_attempts, limits.per_owner_active) == (("lite", "htdemucs"), 5, 2)


def test_songs_per_hour_must_be_at_least_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_SONGS_PER_HOUR", "99")
    with pytest.raises(SettingError, match="UNBRAID_SONGS_PER_HOUR must be at least UNBRAID_MAX_BATCH"):
        Settings.load()


def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENDER", "ENDPOINT", "QUEUE_URL", "MODELS", "PER_OWNER_ACTIVE", "OIDC_ISSUER", "LINK_S"):
        monkeypatch.setenv(f"UNBRAID_{name}", "")
    assert Settings.load() == Settings()


def test_sends_no_email_without_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_SENDER", "songs@example.org")
    assert not Settings.load().notify_rights.sends_email


@pytest.mark.parametrize(
    "variables",
    [
        {"UNBRAID_LINK_S": "an hour"},
        {"UNBRAID_MAX_BYTES": str(6 << 30)},
        {"UNBRAID_SITE": "https://songs.example.org/page"},
        {"UNBRAID_OIDC_ISSUER": "https://accounts.example.org"},
        {"UNBRAID_ENDPOINT": "songs", "UNBRAID_QUEUE_URL": "https://sqs.example.org/songs"},
    ],
)
def test_rejects_invalid_value_and_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        Settings.load()
    assert all(name in caught.value.message for name in variables)
    assert "\n" not in caught.value.message
