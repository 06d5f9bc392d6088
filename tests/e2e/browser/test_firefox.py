"""The page in Debian's Firefox: a dropped song is separated, opened, heard and mixed.

`apt install firefox-esr pulseaudio`, then `./test -m firefox`. Firefox needs a sound card or a sound server,
which this test starts.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.browser.bidi import running_firefox
from tests.e2e.browser.server import running_server
from tests.e2e.browser.sound_server import PULSEAUDIO, running_sound_server
from tests.e2e.browser.steps_by_script import separate_and_mix

FIREFOX = Path("/usr/bin/firefox-esr")
pytestmark = [
    pytest.mark.firefox,
    pytest.mark.skipif(not FIREFOX.exists(), reason="Debian's firefox-esr is not installed"),
    pytest.mark.skipif(not PULSEAUDIO.exists(), reason="Debian's pulseaudio is not installed"),
]


def test_a_dropped_song_is_separated_heard_and_mixed(
    built: None, songs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_NICE", "0")  # other tests would leave it no processor time
    with (
        running_server(tmp_path / "data") as server,
        running_sound_server(tmp_path / "sound") as speaker,
        running_firefox(FIREFOX, tmp_path / "profile", speaker.environment) as tab,
    ):
        separate_and_mix(tab, server.address, songs["other"], speaker)
        assert tab.wait("navigator.serviceWorker.ready.then((ready) => ready.active.state === 'activated')")
