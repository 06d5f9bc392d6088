"""The templates in deploy/ start the app without root's rights, and name only settings that exist."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from unbraid.container.app import DATA, PORT
from unbraid.local.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = ("compose.yaml", "truenas.yaml")
MANUAL = set(
    re.findall(r"^\| `(UNBRAID_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text("utf-8"), re.MULTILINE)
)
# Variables of compose.yaml that are no settings of the app.
OWN = {"UNBRAID_USER", "UNBRAID_FOLDER", "UNBRAID_ADDRESS"}
HARDENED = {
    "read_only": True,
    "tmpfs": ["/tmp"],
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "command": "app",
    "restart": "unless-stopped",
}


def service(file: str) -> dict[str, Any]:
    content = yaml.safe_load((DEPLOY / file).read_text("utf-8"))
    (one,) = content["services"].values()
    return one  # type: ignore[no-any-return]


def expand(text: str, **variables: str) -> str:
    """Replace `${NAME:-DEFAULT}` as Compose does. Raises KeyError for `${NAME:?MESSAGE}` without a value."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        return variables.get(name) or (default if kind == ":-" else variables[name])

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


@pytest.mark.parametrize("file", [*COMPOSE, "compose.nvidia.yaml"])
def test_yamllint_finds_no_problems(file: str) -> None:
    style = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"
    lint = [sys.executable, "-m", "yamllint", "--strict", "-d", style, DEPLOY / file]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("file", COMPOSE)
def test_the_app_has_no_rights_that_it_does_not_need(file: str) -> None:
    app = service(file)
    assert {name: app.get(name) for name in HARDENED} == HARDENED
    user, group = expand(app["user"]).split(":")
    assert int(user) > 0 and int(group) > 0
    [volume], [port] = app["volumes"], app["ports"]
    assert expand(volume).partition(":")[2] == DATA
    assert expand(port) == f"{PORT}:{PORT}"
    assert app.keys().isdisjoint({"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"})


@pytest.mark.parametrize("file", COMPOSE)
def test_the_health_check_is_that_of_the_image(file: str) -> None:
    steps = DockerfileParser(path=str(ROOT / "Dockerfile")).structure
    (line,) = (step["value"] for step in steps if step["instruction"] == "HEALTHCHECK")
    options, _, command = line.partition(" CMD ")
    check = service(file)["healthcheck"]
    assert check.pop("test") == ["CMD", *json.loads(command)]
    named = {f"--{name.replace('_', '-')}={value}" for name, value in check.items()}
    assert named == set(options.split())


def test_templates_name_only_settings_of_the_manual() -> None:
    for file in filter(Path.is_file, DEPLOY.iterdir()):
        named = set(re.findall(r"UNBRAID_[A-Z_]+", file.read_text("utf-8")))
        assert named - OWN <= MANUAL, file.name


@pytest.mark.parametrize("file", COMPOSE)
def test_the_settings_are_valid_once_a_password_is_set(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service(file)["environment"].items():
        if file == "compose.yaml" and name == "UNBRAID_TOKEN":
            with pytest.raises(KeyError):
                expand(value)
        monkeypatch.setenv(name, expand(value or "${UNBRAID_TOKEN:-}", UNBRAID_TOKEN="four words or more"))
    settings = Settings.load(host="0.0.0.0")
    assert settings.token is not None
    assert settings.nice == Settings.model_fields["nice"].default


def test_nvidia_adds_only_the_card_and_its_image() -> None:
    card = service("compose.nvidia.yaml")
    assert card.keys() == {"build", "image", "deploy"}
    assert card["build"]["args"] == {"DEVICE": "gpu"} and service("compose.yaml")["build"]["args"] == {
        "DEVICE": "cpu"
    }
    [device] = card["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_template_of_unraid() -> None:
    template = ElementTree.parse(DEPLOY / "unraid.xml").getroot()
    texts = {child.tag: child.text for child in template if child.tag != "Config"}
    assert (template.tag, template.get("version")) == ("Container", "2")
    assert (texts["PostArgs"], texts["Privileged"], texts["WebUI"]) == (
        "app",
        "false",
        f"http://[IP]:[PORT:{PORT}]/",
    )
    options = shlex.split(texts["ExtraParams"] or "")
    pairs = dict(zip(options, [*options[1:], ""], strict=True))
    assert {"--read-only", "--init"} < set(options)
    assert (pairs["--user"], pairs["--tmpfs"], pairs["--cap-drop"]) == ("99:100", "/tmp", "ALL")
    assert pairs["--security-opt"] == "no-new-privileges:true"
    configs = {config.attrib["Target"]: config for config in template.iter("Config")}
    kinds = {target: config.attrib["Type"] for target, config in configs.items()}
    assert kinds.pop(PORT) == "Port" and kinds.pop(DATA) == "Path"
    assert set(kinds.values()) == {"Variable"} and kinds.keys() <= MANUAL
    token = configs["UNBRAID_TOKEN"].attrib
    assert (token["Required"], token["Mask"], configs["UNBRAID_TOKEN"].text) == ("true", "true", None)
    for name in ("UNBRAID_NICE", "UNBRAID_RESULTS_S"):
        default = str(Settings.model_fields[name.removeprefix("UNBRAID_").lower()].default)
        assert configs[name].attrib["Default"] == configs[name].text == default
