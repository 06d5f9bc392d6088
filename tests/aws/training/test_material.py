"""The upload: the stems that the check can use, sample for sample, under numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.finetuning.synthetic import RATE

from unbraid.audio.decode import decode_all
from unbraid.audio.encode import Encoder
from unbraid.aws.training.material import decoded_bytes, model_files, song_files
from unbraid.finetuning.check import check_songs
from unbraid.models import find_model


def write(path: Path, subtype: str = "16", seconds: float = 8, **options: str) -> None:
    """Write noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.3 * np.random.default_rng(len(path.name)).standard_normal((2, int(seconds * RATE)))
    with Encoder(path, sample_rate=RATE, channels=2, subtype=subtype, **options) as encoder:
        encoder.write(sound.clip(-1, 1).astype(np.float32))


def test_songs_get_numbers_and_only_what_is_learnt_is_uploaded(tmp_path: Path) -> None:
    for song in ("A secret title", "Another one"):
        write(tmp_path / "songs" / song / "Vocals.wav")
        write(tmp_path / "songs" / song / "drums.mp3", format="mp3")
    (tmp_path / "songs" / "Broken").mkdir()
    (tmp_path / "songs" / "Broken" / "vocals.wav").write_bytes(b"no sound")
    write(tmp_path / "songs" / "Another one" / "no_vocals.wav")  # the sum of other stems
    check = check_songs(tmp_path / "songs")
    files = song_files(check)
    assert [file.key for file in files] == [
        "songs/song-0001/drums.mp3",
        "songs/song-0001/vocals.flac",
        "songs/song-0002/drums.mp3",
        "songs/song-0002/vocals.flac",
    ]
    assert decoded_bytes(check) == pytest.approx(4 * 8 * RATE * 4, rel=0.01)


@pytest.mark.parametrize("subtype", ["16", "24"])
def test_flac_has_the_samples_of_the_file(tmp_path: Path, subtype: str) -> None:
    write(tmp_path / "song" / "a.wav", subtype)
    write(tmp_path / "song" / "b.wav", "float")
    first, second = song_files(check_songs(tmp_path / "song"))
    encoded = first.encoded(tmp_path)
    assert encoded.stat().st_size < first.size
    np.testing.assert_array_equal(decode_all(encoded)[0], decode_all(first.path)[0])
    assert second.encoded(tmp_path) == second.path  # FLAC has no float


def test_model_to_begin_with(tiny: Path) -> None:
    name, files = model_files(str(tiny), find_model(str(tiny)))
    assert name == "tiny"
    assert [file.key for file in files] == [
        f"models/tiny/{file}" for file in ("graph.onnx", "model.json", "weights.bin")
    ]
    assert model_files("lite", find_model("lite")) == ("lite", [])  # it is in every image
