"""Settings: their sources, invalid values, and the manual."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from unbraid.errors import SettingError
from unbraid.jobs.limits import Limits
from unbraid.local.settings import PREFIX, Settings

MANUAL = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset all variables, and use empty current and data folders."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_no_setting_is_required() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data.name == "unbraid"
    assert str(settings.database) == f"sqlite:///{settings.data}/unbraid.db"
    assert settings.worker_count >= 1
    assert settings.limits == Limits()


def test_options_override_the_environment_which_overrides_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(f"UNBRAID_DATA={tmp_path}/data\nUNBRAID_PORT=1\nUNBRAID_LINK_S=11\nOTHER=x\n")
    assert Settings.load().port == 1
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".env").write_text("UNBRAID_PORT=2\n")
    assert Settings.load().port == 2
    monkeypatch.setenv("UNBRAID_PORT", "3")
    assert Settings.load().port == 3
    assert Settings.load(port=4).port == 4
    assert Settings.load(port=None).port == 3
    assert Settings.load().link_s == 11


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_PORT", "")
    assert Settings.load().port == 8000


def test_lists_are_separated_by_spaces_or_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_ORIGINS", "https://A.example.org, http://localhost:5173/")
    monkeypatch.setenv("UNBRAID_MODELS", "lite htdemucs")
    settings = Settings.load()
    assert settings.origins == ("https://a.example.org", "http://localhost:5173")
    assert settings.limits.models == ("lite", "htdemucs")


@pytest.mark.parametrize(
    ("names", "ignored"),
    [
        ("lite htdemucs karaoke", None),
        ("lite, litte", "lists litte, which is no model that can be used here."),
    ],
)
def test_unknown_models_are_named(monkeypatch: pytest.MonkeyPatch, names: str, ignored: str | None) -> None:
    monkeypatch.setenv("UNBRAID_MODELS", names)
    warnings = Settings.load().warnings
    assert [ignored in warning for warning in warnings] == ([True] if ignored else [])


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (" , ", "UNBRAID_MODELS lists no model."),
        ("litte kareoke", "lists litte, kareoke, which are no models"),
    ],
)
def test_a_list_without_any_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, names: str, reason: str
) -> None:
    monkeypatch.setenv("UNBRAID_MODELS", names)
    with pytest.raises(SettingError, match=reason):
        Settings.load()


def test_relative_folders_start_at_the_current_folder(tmp_path: Path) -> None:
    assert Settings.load(data=Path("songs")).data == tmp_path / "here" / "songs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("WORKERS", "-1"),
        ("NICE", "-1"),
        ("NICE", "20"),
        ("LINK_S", "0"),
        ("MAX_BYTES", "2GB"),
        ("PUBLIC_URL", "music.example.org"),
        ("PUBLIC_URL", "https://music.example.org/unbraid"),
        ("ORIGINS", "*"),
        ("ORIGINS", "https://user:pass@example.org"),
        ("OIDC_ISSUER", "http://example.org"),
        ("SMTP_SECURITY", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("RATE", "0"),
    ],
)
def test_rejects_invalid_values_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingError, match=f"^{PREFIX}{name} is invalid: [a-z].*settings.md") as error:
        Settings.load()
    assert "\n" not in error.value.message


def test_error_messages_do_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_ORIGINS", "hunter2")
    with pytest.raises(SettingError) as error:
        Settings.load()
    assert "hunter2" not in error.value.message


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OIDC_ISSUER": "https://accounts.example.org"}, "UNBRAID_OIDC_CLIENT_ID"),
        ({"OIDC_CLIENT_ID": "app"}, "UNBRAID_OIDC_ISSUER"),
        ({"SMTP_HOST": "mail.example.org"}, "UNBRAID_MAIL_FROM"),
        ({"HOST": "0.0.0.0"}, "--insecure"),
        ({"HOST": "192.0.2.1"}, "--insecure"),
        ({"HOST": "::"}, "--insecure"),
    ],
)
def test_names_missing_related_settings(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingError, match=words):
        Settings.load()


def test_network_access_needs_sign_in_or_insecure() -> None:
    assert Settings.load(host="0.0.0.0", insecure=True).on_loopback is False
    signed_in = Settings.load(host="::", oidc_issuer="https://accounts.example.org", oidc_client_id="app")
    assert signed_in.signs_in
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings.load(host=host).on_loopback


def test_child_processes_get_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(
        data=tmp_path,
        origins=["https://a.example.org", "https://b.example.org"],
        insecure=True,
        offline=True,
        models=["lite"],
        database_url="postgresql://unbraid:secret@db/unbraid",
        smtp_host="mail.example.org",
        smtp_password="hunter2",
        mail_from="unbraid@example.org",
        per_owner_active=3,
        rate=2.5,
        cache=tmp_path / "cache",
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_the_number_of_workers_follows_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.local.settings.usable_cores", lambda: 9)
    assert Settings.load().worker_count == 2


def test_repr_hides_secrets() -> None:
    settings = Settings.load(database_url="postgresql://u:hunter2@db/x", smtp_password="hunter2")
    assert "hunter2" not in repr(settings) + str(settings)


def described() -> dict[str, str]:
    """Map each variable in the manual to its default."""
    rows = re.findall(r"^\| `(UNBRAID_[A-Z_]+)` \| (.*?) \|", MANUAL.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a setting is described twice"
    return dict(rows)


def test_the_manual_lists_exactly_the_settings() -> None:
    assert described().keys() == {PREFIX + name.upper() for name in Settings.model_fields}


def test_the_manual_lists_the_defaults() -> None:
    manual = described()
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = manual[PREFIX + name.upper()]
        if isinstance(default, bool):
            assert shown == f"`{int(default)}`", name
        elif isinstance(default, int | float | str) and not isinstance(default, bool):
            assert shown == f"`{default:g}`" if isinstance(default, float) else shown == f"`{default}`", name
        else:  # no default, or one that depends on the machine, described in words
            assert not re.fullmatch("`[^`]*`", shown), name
