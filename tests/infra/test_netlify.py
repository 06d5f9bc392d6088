"""The page on Netlify: the build of netlify.toml works, and the page may call only its API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from unbraid.api.headers import ALWAYS, HSTS, page_policy

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "netlify.toml").read_text("utf-8"))
BUILD = SETTINGS["build"]
HEADERS = "src/unbraid/api/page_headers.json"

API = "https://api123.execute-api.eu-west-1.amazonaws.com"
SOCKET = "wss://socket456.execute-api.eu-west-1.amazonaws.com"
FILES = "https://bucket-of-songs.s3.eu-west-1.amazonaws.com"
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com"
TOKENS = "https://music.auth.eu-west-1.amazoncognito.com"


def build(place: Path, **variables: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the build as Netlify does, in a copy of the files it reads. Return the process and the published folder."""
    base = place / BUILD["base"]
    (place / HEADERS).parent.mkdir(parents=True)
    shutil.copy(ROOT / HEADERS, place / HEADERS)
    shutil.copytree(ROOT / BUILD["base"], base, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (base / "node_modules").symlink_to(ROOT / BUILD["base"] / "node_modules")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UNBRAID_", "VITE_"))}
    ran = subprocess.run(
        BUILD["command"],
        shell=True,
        cwd=base,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran, base / BUILD["publish"]


def headers_in(file: Path) -> dict[str, dict[str, str]]:
    """Parse a `_headers` file as Netlify does: headers by path."""
    rules: dict[str, dict[str, str]] = {}
    for line in filter(str.strip, file.read_text("utf-8").splitlines()):
        if line[0] == "/":
            rules[line] = {}
        else:
            name, value = line.strip().split(": ", 1)
            rules[list(rules)[-1]][name.lower()] = value
    return rules


@pytest.fixture(scope="module")
def page_builder() -> None:
    """Install the page's build tools, which need Node.js."""
    subprocess.run([ROOT / "requirements" / "frontend.sh"], check=True)
    if not (ROOT / "frontend" / "node_modules" / "vite").exists():
        pytest.skip("building the page needs Node.js (requirements/frontend.sh)")


@pytest.fixture(scope="module")
def published(page_builder: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the page for an application with sign-in."""
    ran, folder = build(
        tmp_path_factory.mktemp("netlify"),
        UNBRAID_API_URL=API,
        UNBRAID_SOCKET_URL=f"{SOCKET}/live",
        UNBRAID_FILES_URL=FILES,
        UNBRAID_SIGN_IN_URLS=f"{ISSUER}/eu-west-1_Pool {TOKENS}",
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_publishes_the_page_with_the_url_of_the_api(published: Path) -> None:
    assert '<div id="app">' in (published / "index.html").read_text("utf-8")
    assert json.loads((published / "config.json").read_text("utf-8")) == {"apiUrl": f"{API}/"}


def test_the_page_has_the_web_apps_headers_and_may_call_only_these_origins(
    published: Path,
) -> None:
    expected = {
        **ALWAYS,
        "strict-transport-security": HSTS,
        "content-security-policy": page_policy((API, SOCKET, FILES, ISSUER, TOKENS)),
    }
    assert headers_in(published / "_headers")["/*"] == expected


def test_hashed_assets_are_cached_forever_and_no_header_is_set_twice(
    published: Path,
) -> None:
    rules = headers_in(published / "_headers")
    assert rules["/assets/*"] == {"cache-control": "public, max-age=31536000, immutable"}
    assert (published / "assets").is_dir()
    assert not rules["/*"].keys() & rules["/assets/*"].keys()  # Netlify would send both values
    assert "headers" not in SETTINGS  # headers live in the built _headers file only


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "UNBRAID_API_URL is missing"),
        ({"UNBRAID_API_URL": "api.example.org"}, "UNBRAID_API_URL must be an address"),
        ({"UNBRAID_API_URL": "http://api.example.org"}, "begins with https:"),
        ({"UNBRAID_API_URL": API, "UNBRAID_SOCKET_URL": "https://socket"}, "begins with wss:"),
        (
            {"UNBRAID_API_URL": API, "UNBRAID_SIGN_IN_URLS": "'unsafe-inline'"},
            "UNBRAID_SIGN_IN_URLS must be",
        ),
    ],
)
def test_publishes_nothing_with_invalid_urls_and_says_why(
    page_builder: None, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    ran, folder = build(tmp_path, **variables)
    assert ran.returncode != 0
    assert words in ran.stderr
    assert not folder.exists()


def test_unknown_paths_redirect_to_the_page_but_missing_assets_are_404() -> None:
    rules = [(rule["from"], rule["to"], rule["status"]) for rule in SETTINGS["redirects"]]
    assert rules == [("/assets/*", "/index.html", 404), ("/*", "/", 302)]


def test_netlify_toml_holds_no_unknown_keys_urls_or_secrets() -> None:
    assert set(SETTINGS) == {"build", "redirects"}
    assert set(BUILD) == {"base", "command", "publish", "environment"}
    assert set(BUILD["environment"]) == {"NODE_VERSION", "NPM_FLAGS"}
    assert "://" not in (ROOT / "netlify.toml").read_text("utf-8")
