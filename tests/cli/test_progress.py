"""Progress: a bar that fits its terminal with any song name, and lines of text elsewhere."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbraid.cli import ordered_display, progress
from unbraid.cli.messages import about, clock, printable
from unbraid.cli.ordered_display import OrderedDisplay
from unbraid.cli.progress import Bar, Lines, Silence, choose_display, shorten, width
from unbraid.errors import Cancelled, InputError, OutputError, UnbraidError
from unbraid.separation.progress import Progress


class Terminal(io.StringIO):
    """A stream that reports to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    """A fake clock."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


def drawn(stream: io.StringIO) -> str:
    """Return the last drawn line, without colours."""
    return re.sub(r"\x1b\[[0-9]*[mK]", "", stream.getvalue().rpartition("\r")[2])


@pytest.mark.parametrize("columns", [30, 50, 80, 200])
@pytest.mark.parametrize(
    "name", ["a.mp3", "夜に駆ける 世界が終わるまで—YOASOBI.wav", "x" * 300, "e\u0301te\u0301.ogg"]
)
def test_the_bar_never_wraps(
    columns: int, name: str, fake_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_columns", lambda stream: columns)
    stream = Terminal()
    bar = Bar(stream, colour=True)
    bar.start(name, 12, 345)
    assert width(drawn(stream)) < columns
    for fraction in (0.0, 0.1, 0.5, 1.0):
        fake_clock.now += 1000.0
        bar.update(Progress(fraction, 0.0, 36000.0, "separating"))
        assert width(drawn(stream)) < columns


def test_the_bar_shows_song_percent_time_left_and_speed(
    fake_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_columns", lambda stream: 80)
    stream = Terminal()
    bar = Bar(stream, colour=False)
    bar.start("song.mp3", 2, 3)
    fake_clock.now += 10.0
    bar.update(Progress(0.25, 45.0, 200.0, "separating"))
    assert re.fullmatch(r"2/3 song\.mp3 ━+─+  25%   0:30 left    5\.0×", drawn(stream))
    assert "\x1b[3" not in stream.getvalue()


def test_shows_the_computed_one_of_overlapping_songs(
    fake_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_columns", lambda stream: 80)
    stream = Terminal()
    drawn_during_messages = []
    monkeypatch.setattr(ordered_display, "say", lambda _: drawn_during_messages.append(drawn(stream)))
    display = OrderedDisplay(Bar(stream, colour=False), 2, ["one.mp3", "two.mp3"])
    display.update("one.mp3", Progress(0.01, 50.0, 200.0, "analysing"))
    assert drawn(stream).startswith("1/2 one.mp3")
    display.update("two.mp3", Progress(0.02, 100.0, 200.0, "analysing"))
    assert drawn(stream).startswith("1/2 one.mp3")
    display.update("two.mp3", Progress(0.2, 0.0, 200.0, "separating"))
    display.update("one.mp3", Progress(0.99, 150.0, 200.0, "writing"))
    assert re.fullmatch(r"2/2 two\.mp3 ━+─+  20% +", drawn(stream))
    fake_clock.now += 4.0
    display.update("two.mp3", Progress(0.6, 120.0, 200.0, "separating"))
    assert re.fullmatch(r"2/2 two\.mp3 ━+─+  60%   0:04 left   20\.0×", drawn(stream))
    display.finish("one.mp3", InputError("is damaged."))
    assert drawn_during_messages == [""]
    assert drawn(stream).startswith("2/2 two.mp3")
    display.finish("two.mp3", InputError("is damaged."))
    assert drawn(stream) == ""


def test_numbers_a_file_that_is_given_twice(fake_clock: Clock) -> None:
    stream = io.StringIO()
    display = OrderedDisplay(Lines(stream), 2, ["one.mp3", "one.mp3"])
    for _ in range(2):
        display.update("one.mp3", Progress(0.2, 0.0, 200.0, "separating"))
        display.finish("one.mp3", Cancelled())
    assert stream.getvalue().splitlines() == [f"one.mp3: started, song {number} of 2" for number in (1, 2)]


def test_the_bar_is_ascii_on_a_terminal_without_unicode(fake_clock: Clock) -> None:
    class Old(Terminal):
        encoding = "latin-1"

    stream = Old()
    bar = Bar(stream, colour=False)
    bar.start("x" * 300, 1, 1)
    fake_clock.now += 10.0
    bar.update(Progress(0.5, 45.0, 200.0, "separating"))
    assert drawn(stream).isascii()


def test_prints_a_line_for_every_tenth_but_few_for_a_short_song(fake_clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("song.mp3", 1, 2)
    for step in range(1001):
        fake_clock.now += 0.03
        lines.update(Progress(step / 1000, step / 5, 200.0, "separating"))
    written = stream.getvalue().splitlines()
    assert written[0] == "song.mp3: started, song 1 of 2"
    assert written[5] == "song.mp3: 50%, 0:15 left, 6.7 x real time"
    assert len(written) == 10
    lines.start("quick.mp3", 2, 2)
    for step in range(11):
        lines.update(Progress(step / 10, step, 10.0, "separating"))
    assert stream.getvalue().splitlines()[10:] == ["quick.mp3: started, song 2 of 2"]


def test_chooses_the_display_by_terminal_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(choose_display(quiet=True), Silence)
    coloured = choose_display(quiet=False)
    assert isinstance(coloured, Bar)
    assert coloured._colour
    monkeypatch.setenv("NO_COLOR", "1")
    plain = choose_display(quiet=False)
    assert isinstance(plain, Bar)
    assert not plain._colour
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_display(quiet=False), Lines)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(choose_display(quiet=False), Lines)


@given(st.text(), st.integers(2, 60))
def test_shortened_names_fit_and_keep_both_ends(text: str, columns: int) -> None:
    short = shorten(text, columns)
    assert width(short) <= columns
    if short != text:
        front, back = short.split("…", 1) if "…" not in text else (short[:1], short[-1:])
        assert text.startswith(front.rstrip("…"))
        assert text.endswith(back.lstrip("…"))


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()


def test_formats_times_as_a_clock() -> None:
    assert [clock(s) for s in (0, 7.4, 59.6, 750, 3723)] == ["0:00", "0:07", "1:00", "12:30", "1:02:03"]


@pytest.mark.parametrize("subject", ["a.mp3", "in/a.mp3"])
def test_a_message_names_its_song_once(subject: str) -> None:
    empty = InputError("is empty. Copy it again.", subject=subject)
    assert about("in/a.mp3", empty) == "in/a.mp3: is empty. Copy it again."
    full = OutputError("is full.", path=Path("out"), advice="Free some space{option}.")
    assert about("in/a.mp3", full) == "in/a.mp3: out is full. Free some space (-o)."
    assert about("in/a.mp3", UnbraidError("Out of memory.")) == "in/a.mp3: Out of memory."
    assert about("", InputError("A song has no name.")) == "'': A song has no name."
