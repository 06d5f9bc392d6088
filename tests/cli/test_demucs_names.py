"""`unbraid demucs`: file names by `--filename`, and names of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from unbraid.cli.demucs_models import choose_model, list_models
from unbraid.cli.demucs_names import name_files
from unbraid.errors import ModelError, SettingError


def names(template: str, *songs: str, stems: tuple[str, ...] = ("vocals", "drums")) -> list[list[str]]:
    named = name_files(template, [Path(song) for song in songs], stems, "wav")
    return [[str(file) for file in one.files] for one in named]


def test_fills_in_the_template_for_every_song_and_stem() -> None:
    assert names("{track}/{stem}.{ext}", "a/b.c.mp3") == [["b.c/vocals.wav", "b.c/drums.wav"]]
    assert names("{trackext}-{stem}.{ext}", "b.c.mp3", "d") == [
        ["mp3-vocals.wav", "mp3-drums.wav"],
        ["d-vocals.wav", "d-drums.wav"],
    ]


def test_numbers_only_songs_whose_files_would_collide() -> None:
    assert names("{track}.{trackext}/{stem}.wav", "a.mp3", "a.wav", stems=("v",)) == [
        ["a.mp3/v.wav"],
        ["a.wav/v.wav"],
    ]
    assert names("{track}/{stem}.wav", "a.mp3", "A.wav", "x/a.mp3", stems=("v",)) == [
        ["a/v.wav"],
        ["A (2)/v.wav"],
        ["a (3)/v.wav"],
    ]


def test_a_name_of_dots_stays_in_the_output_folder() -> None:
    assert names("{track}/{stem}.wav", ".mp3", "...", stems=("v",)) == [["mp3/v.wav"], ["song/v.wav"]]


@pytest.mark.parametrize(
    ("template", "songs", "word"),
    [
        ("{stem}.wav", ("a.mp3", "b.mp3"), "{track}"),
        ("{track}.wav", ("a.mp3",), "{stem}"),
        ("{0}.wav", ("a.mp3",), "is invalid"),
        ("{track.wav", ("a.mp3",), "is invalid"),
        ("{track.x}.wav", ("a.mp3",), "is invalid"),
        ("{stem}.ogg", ("a.mp3",), ".opus"),
        ("", ("a.mp3",), "an empty name"),
        ("{track}" * 64 + "{stem}.wav", ("song.mp3",), "255"),
    ],
)
def test_rejects_an_invalid_template(template: str, songs: tuple[str, ...], word: str) -> None:
    with pytest.raises(SettingError, match=word.replace("{", r"\{").replace(".", r"\.")):
        names(template, *songs)


def test_lists_the_catalogue_in_the_format_of_demucs() -> None:
    bags, single = list_models(None).split("Single models:\n")
    assert bags.startswith("Bag of models:\n    ")
    assert {"htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx_extra"} <= set(bags.split())
    of_one = {"955717e8", "5c90dfd2", "75fc33f5"}
    of_bags = {"f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d", "e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"}
    quantised = {"83fc094f", "464b36d7", "14fc6a69", "7fd6ef75"}
    assert sorted(single.split()) == sorted(of_one | of_bags | quantised)


def test_lists_a_folder_by_name_and_signature(tmp_path: Path) -> None:
    for name in ("mine.yaml", "0a1b-2c3d4e5f.th", "5e6f.th", "7a8b.safetensors", "notes.txt"):
        (tmp_path / name).write_text("")
    lines = ["Bag of models:", "    mine", "Single models:", "    0a1b", "    5e6f", "    7a8b", ""]
    assert list_models(tmp_path) == "\n".join(lines)
    with pytest.raises(ModelError, match="nowhere"):
        list_models(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "model", "folder"),
    [
        ("htdemucs_ft", "htdemucs_ft", "htdemucs_ft"),
        ("955717e8", "htdemucs", "955717e8"),
        ("hf://htdemucs", "htdemucs", "htdemucs"),
        ("hf://adefossez/htdemucs_6s", "htdemucs_6s", "adefossez_htdemucs_6s"),
        ("a/b", "a/b", "a_b"),
    ],
)
def test_names_the_folder_after_the_model_argument(name: str, model: str, folder: str) -> None:
    assert choose_model(name, None) == (model, folder)
