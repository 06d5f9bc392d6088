"""Every error has one exit code and one HTTP status, and importing the package is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest

import unbraid
from unbraid.cli.messages import about
from unbraid.errors import (
    EXIT_CODES,
    HTTP_STATUS,
    Busy,
    Cancelled,
    Fault,
    Forbidden,
    InputError,
    JobError,
    LimitReached,
    ModelError,
    OutOfMemory,
    OutputError,
    SessionNotFound,
    SettingError,
    SongWarning,
    StorageFull,
    TooLarge,
    Unavailable,
    UnbraidError,
    UnsupportedMedia,
    UploadMissing,
    exit_code,
    http_status,
)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (UnbraidError("x"), 1, 500),
        (InputError("x"), 1, 400),
        (OutputError("x"), 1, 507),
        (ModelError("x"), 1, 422),
        (OutOfMemory("x"), 1, 500),
        (SettingError("x"), 2, 422),
        (Cancelled(), 130, 499),
        (SessionNotFound("x"), 1, 404),
        (Forbidden("x"), 1, 403),
        (UploadMissing("x"), 1, 409),
        (Busy("x"), 1, 409),
        (LimitReached("x", 60), 1, 429),
        (TooLarge("x"), 1, 413),
        (UnsupportedMedia("x"), 1, 415),
        (StorageFull("x"), 1, 507),
    ],
)
def test_each_error_has_its_exit_code_and_status(error: UnbraidError, code: int, status: int) -> None:
    assert (exit_code(error), http_status(error)) == (code, status)


def test_errors_say_whether_the_same_request_may_succeed_later() -> None:
    later = [UnbraidError, OutputError, OutOfMemory, StorageFull, Unavailable, Busy, UploadMissing]
    never = [InputError, ModelError, SettingError, SessionNotFound, Forbidden, TooLarge, UnsupportedMedia]
    assert {kind: kind("x").can_retry for kind in (*later, *never)} == {
        **dict.fromkeys(later, True),
        **dict.fromkeys(never, False),
    }
    assert LimitReached("x", 60).can_retry
    assert InputError("x", fault=Fault.OURS).can_retry


def test_tables_cover_all_errors() -> None:
    kinds = {kind for kind in UnbraidError.__subclasses__() if kind.__module__ == UnbraidError.__module__}
    assert set(EXIT_CODES) == {UnbraidError, *kinds}
    # A JobError has a status of its own. The command line has no sessions, so one exit code is enough.
    assert set(HTTP_STATUS) == {UnbraidError, *kinds, *JobError.__subclasses__()}


def test_subclass_has_the_codes_of_its_base() -> None:
    class SilentSongError(InputError):
        pass

    assert exit_code(SilentSongError("x")) == 1
    assert http_status(SilentSongError("x")) == 400


def test_message_equals_str() -> None:
    assert (
        InputError("song.mp3 is empty").message == str(InputError("song.mp3 is empty")) == "song.mp3 is empty"
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, unbraid; print(*[m for m in ('numpy', 'av', 'openvino', 'soxr') if m in sys.modules])"
    source = str(Path(unbraid.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == []


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Joiner'"):
        unbraid.Joiner  # noqa: B018


def test_dir_lists_every_name_and_each_can_be_loaded() -> None:
    program = (
        "import unbraid; names = dir(unbraid); assert set(unbraid.__all__) <= set(names), names;"
        "missing = [name for name in names if not hasattr(unbraid, name)]; assert not missing, missing;"
        "print(*(name for name in names if not name.startswith('_')))"
    )
    source = str(Path(unbraid.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source},
        check=True,
        capture_output=True,
        text=True,
    )
    errors = {
        "Cancelled",
        "InputError",
        "ModelError",
        "OutOfMemory",
        "OutputError",
        "SettingError",
        "UnbraidError",
    }
    assert set(found.stdout.split()) == {"Separator", "Stems", "Result", "Progress", "SongWarning", *errors}


def test_message_may_use_another_name_for_the_song() -> None:
    error = InputError("is empty.", subject="abc123.mp3")
    assert error.message_about("My Song.mp3") == "My Song.mp3 is empty."
    assert UnbraidError("Out of memory.").message_about("My Song.mp3") == "Out of memory."
    assert SongWarning("abc123.mp3", "is cut off.").message_about("My Song.mp3") == "My Song.mp3 is cut off."
    assert str(SongWarning("abc123.mp3", "is cut off.")) == "abc123.mp3 is cut off."


def test_message_about_a_model_or_an_output_never_names_the_song() -> None:
    assert ModelError("is damaged.", subject="lite").message_about("My Song.mp3") == "lite is damaged."
    assert OutputError("is full.", path=Path("out")).message_about("My Song.mp3") == "out is full."


def test_advice_of_a_warning_is_for_the_command_line_and_python() -> None:
    warning = SongWarning("a.mkv", "has 2 audio streams.", "Choose another with --audio-stream.")
    assert str(warning) == "a.mkv has 2 audio streams. Choose another with --audio-stream."
    assert (
        about("music/a.mkv", warning)
        == "music/a.mkv: has 2 audio streams. Choose another with --audio-stream."
    )
    assert warning.message_about("My Video") == "My Video has 2 audio streams."
