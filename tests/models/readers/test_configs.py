"""Configs beside checkpoints are read as plain lists, texts and numbers, or rejected with one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from unbraid.errors import ModelError
from unbraid.models.readers.configs import LONGEST, read_config


def written(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_tuple_is_a_list(tmp_path: Path) -> None:
    text = "model:\n  bands: !!python/tuple\n  - 2\n  - 4\n  lr: 1.0e-05\ntraining:\n  names: [a, b]\n"
    assert read_config(written(tmp_path, text)) == {
        "model": {"bands": [2, 4], "lr": 1e-5},
        "training": {"names": ["a", "b"]},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: !!python/object/apply:os.system ['true']", "python/object/apply:os.system"),
        ("a: !!python/name:os.system ''", "python/name:os.system"),
        ("a: !own 1", "!own"),
        ("a: &x [1]\nb: *x", "references"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "references"),
        ("- a\n- b", "isn't a list of names with values"),
        ("1: {a: 2}", "isn't a list of names with values"),
        ("a: [1", "it is not YAML"),
        ("\0", "it is not YAML"),
        ("a: 2020-99-99", "it is not YAML"),
        ("a: " + "[" * 9 + "]" * 9, "nested too deeply"),
        ("[" * LONGEST, "nested too deeply"),
        ("#" * (LONGEST + 1), "too long"),
    ],
)
def test_rejects_what_settings_do_not_need(tmp_path: Path, text: str, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(ModelError) as raised:
        read_config(written(tmp_path, text))
    message = str(raised.value)
    assert reason in message and "\n" not in message and str(tmp_path / "model.yaml") in message
    assert time.process_time() - started < 5


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"can't be read"):
        read_config(tmp_path / "none.yaml")
