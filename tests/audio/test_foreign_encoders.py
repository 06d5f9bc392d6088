"""Formats that FFmpeg decodes but can't write. The fixtures are `bursts`, encoded by other programs.

HE-AAC: libfdk-aac 2.0.1 at 32 and 24 kbit/s. Monkey's Audio: JMAC 1.74, level "normal".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import as_stored, bursts, lag
from tests.audio.tag_bytes import ape, garbage, id3v2

from unbraid.audio.decode import Decoder

FIXTURES = Path(__file__).parent / "fixtures"
RATE = 44100
SBR_DELAY = 5058  # samples: undeclared in ADTS; libfdk-aac's encoder delay with SBR, and the decoder's


@pytest.mark.parametrize("name", ["he-aac.m4a", "he-aac-v2.m4a"])
def test_he_aac_has_the_length_and_position_of_the_original(name: str) -> None:
    """The core codec has half the rate. Version 2 also makes stereo of mono."""
    with Decoder(FIXTURES / name) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoder.sample_rate == RATE
    assert decoded.shape == (2, RATE)
    assert abs(lag(bursts(RATE, 2, RATE), decoded)) < 1.5
    assert decoder.warnings == []


def test_he_aac_without_a_container_is_decoded_at_the_full_rate(tmp_path: Path) -> None:
    content = (FIXTURES / "he-aac.aac").read_bytes()
    (tmp_path / "song.aac").write_bytes(content + id3v2(garbage(20_000)) + content)
    with Decoder(FIXTURES / "he-aac.aac") as decoder:
        once = np.concatenate(list(decoder), axis=1)
    assert (decoder.sample_rate, once.shape[0]) == (RATE, 2)
    assert abs(lag(bursts(RATE, 2, RATE), once) - SBR_DELAY) < 2
    with Decoder(tmp_path / "song.aac") as decoder:
        twice = np.concatenate(list(decoder), axis=1)
    assert twice.shape[1] == 2 * once.shape[1]
    assert decoder.warnings == []


def test_monkeys_audio_is_decoded_to_the_bit(tmp_path: Path) -> None:
    content = (FIXTURES / "monkey.ape").read_bytes()
    sound = as_stored(bursts(8000, 2, RATE), "s16p") / 2**15
    for name, tagged in (("plain", content), ("tagged", id3v2(b"cover") + content + ape(garbage(100_000)))):
        path = tmp_path / f"{name}.ape"
        path.write_bytes(tagged)
        with Decoder(path) as decoder:
            decoded = np.concatenate(list(decoder), axis=1)
        assert decoded.shape == (2, 8000)
        assert np.abs(decoded - sound).max() <= 2**-15  # the last bit of `bursts` depends on the machine
        assert decoder.warnings == []
