"""The page in Debian's Firefox: a dropped song is separated, opened and mixed.

Not the sound: on machines without a sound card, Firefox's audio context did not run; the likely cause is the missing
card. `apt install firefox-esr`, then `./test -m firefox`.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.e2e.browser.bidi import Tab, running_firefox
from tests.e2e.browser.server import Server

pytestmark = pytest.mark.firefox

FIREFOX = Path("/usr/bin/firefox-esr")
DROP = """(() => {
  const bytes = Uint8Array.from(atob('%s'), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], 'A short song.wav', { type: 'audio/wav' }));
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.querySelector('main').dispatchEvent(
      new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  return true;
})()"""


def click(tab: Tab, selector: str) -> None:
    """Click an element."""
    assert tab.evaluate(f"(document.querySelector({json.dumps(selector)}).click(), true)")


@pytest.mark.skipif(not FIREFOX.exists(), reason="Debian's firefox-esr is not installed")
def test_a_dropped_song_is_opened_and_mixed(
    built: None, server: Server, songs: dict[str, Path], tmp_path: Path
) -> None:
    with running_firefox(FIREFOX, tmp_path / "profile") as tab:
        tab.open(server.address)
        assert tab.wait("document.querySelector('main')?.textContent.includes('per minute')")
        tab.evaluate(DROP % base64.b64encode(songs["short"].read_bytes()).decode())
        assert tab.wait("document.querySelector('button.play') !== null")
        assert tab.evaluate("document.querySelector('.problem')?.textContent ?? ''") == ""
        click(tab, "[aria-label='Mute Vocals']")
        assert tab.wait("document.querySelector('[aria-label=\"Mute Vocals\"]').ariaPressed === 'true'")
        assert tab.wait("navigator.serviceWorker.ready.then((ready) => ready.active.state === 'activated')")
