"""The page in Debian's WebKitGTK, a relative of Safari: a dropped song is separated, opened, heard and mixed.

`apt install webkit2gtk-driver xvfb pulseaudio gstreamer1.0-pulseaudio`, then `./test -m webkit`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.browser.server import running_server
from tests.e2e.browser.sound_server import PULSEAUDIO, running_sound_server
from tests.e2e.browser.steps_by_script import separate_and_mix
from tests.e2e.browser.webdriver import DRIVER, SCREEN, running_webkit

pytestmark = [
    pytest.mark.webkit,
    pytest.mark.skipif(not DRIVER.exists(), reason="Debian's webkit2gtk-driver is not installed"),
    pytest.mark.skipif(not SCREEN.exists(), reason="Debian's xvfb is not installed"),
    pytest.mark.skipif(not PULSEAUDIO.exists(), reason="Debian's pulseaudio is not installed"),
]


def test_a_dropped_song_is_separated_heard_and_mixed(
    built: None, songs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_NICE", "0")  # other tests would leave it no processor time
    with (
        running_server(tmp_path / "data") as server,
        running_sound_server(tmp_path / "sound") as speaker,
        running_webkit(tmp_path / "webkit", speaker.environment) as tab,
    ):
        separate_and_mix(tab, server.address, songs["other"], speaker)
