"""A user's steps by scripts in the page, for browsers that Playwright can't drive."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tests.e2e.browser.sound_server import SoundServer

DROP = """(() => {
  const bytes = Uint8Array.from(atob('%s'), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], 'A song.wav', { type: 'audio/wav' }));
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.querySelector('main').dispatchEvent(
      new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  return true;
})()"""
BUTTON = (
    "[...document.querySelectorAll('button')].find((one) => (one.ariaLabel ?? one.textContent.trim()) === %s)"
)
LOUD, SILENT = 0.01, 1e-4  # root mean square, 0 to 1; that of the song is 0.1
PATIENCE = 3  # times two minutes
SETTLING_S = 1.0  # until the buffers of browser and sink are played


class Tab(Protocol):
    """A tab of a browser."""

    def open(self, url: str) -> None: ...

    def evaluate(self, expression: str) -> Any: ...

    def wait(self, expression: str) -> Any: ...

    def click(self, expression: str) -> None: ...


def button(name: str) -> str:
    """Expression for the button of this name."""
    return BUTTON % json.dumps(name)


def click(tab: Tab, name: str) -> None:
    """Wait for a button, and click it."""
    assert tab.wait(f"{button(name)} !== undefined"), name
    tab.click(button(name))


def heard(speaker: SoundServer) -> float:
    """Root mean square of the sink's sound in the next second."""
    time.sleep(SETTLING_S)
    return float(np.sqrt(np.mean(np.square(speaker.record(1.0), dtype=np.float64))))


def separate_and_mix(tab: Tab, address: str, song: Path, speaker: SoundServer) -> None:
    """Drop a song, and hear its stems, without any of them, without the voice, and paused."""
    tab.open(address)
    assert tab.wait("document.querySelector('main')?.textContent.includes('per minute') ?? false")
    assert heard(speaker) < SILENT
    assert tab.evaluate(DROP % base64.b64encode(song.read_bytes()).decode())
    # The player of the finished stems. A worker yields to all other programs.
    is_done = any(tab.wait(f"{button('Mute Click')} !== undefined") for _ in range(PATIENCE))
    assert is_done, tab.evaluate("document.querySelector('main').textContent")
    assert tab.evaluate("document.querySelector('.problem')?.textContent ?? ''") == ""
    click(tab, "Loop")  # so that the song doesn't end
    if tab.evaluate(f"{button('Play')} !== undefined"):
        click(tab, "Play")
    assert tab.wait(f"{button('Pause')} !== undefined")
    assert heard(speaker) > LOUD
    click(tab, "Mute Vocals")
    click(tab, "Mute Accompaniment")
    assert heard(speaker) < SILENT
    click(tab, "Karaoke")
    assert tab.wait(f"{button('Mute Vocals')}.ariaPressed === 'true'")
    assert heard(speaker) > LOUD
    click(tab, "Pause")
    assert heard(speaker) < SILENT
