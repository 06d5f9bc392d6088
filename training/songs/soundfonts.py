"""Play General MIDI instruments with FluidSynth. Each soundfont is loaded once per process."""

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from training.songs.score import Note
from training.sound import SAMPLE_RATE, Audio

BLOCK = 64
"""Block length of FluidSynth. Events take effect only at block boundaries, so rendering uses whole blocks."""

BEND_RANGE = 24
"""Range of the pitch bend in semitones, up and down."""

Event = tuple[int, int, Callable[[], Any]]


class Font:
    """A loaded soundfont.

    Each `render` uses a new synthesiser that shares the font. A reset synthesiser still plays voices of the previous
    render and keeps its filter states, so that the result would depend on more than the arguments.
    """

    def __init__(self, path: Path) -> None:
        library = _library()
        self._keeper = _synthesiser()
        number = self._keeper.sfload(str(path))
        if number < 0:
            raise FileNotFoundError(f"no soundfont at {path}")
        library.fluid_synth_get_sfont_by_id.restype = ctypes.c_void_p
        self._font = ctypes.c_void_p(
            library.fluid_synth_get_sfont_by_id(ctypes.c_void_p(self._keeper.synth), number)
        )

    def render(
        self,
        notes: Sequence[Note],
        total: int,
        program: int,
        bank: int = 0,
        bends: Sequence[tuple[float, float]] = (),
        swells: Sequence[tuple[float, float]] = (),
    ) -> Audio:
        """Play notes: float32 (2, total).

        Bank 128 has the drum kits. `bends` are (seconds, semitones), `swells` are (seconds, expression in 0..1); both
        apply to all notes.
        """
        synth, channel = _synthesiser(), 9 if bank == 128 else 0
        pointer = ctypes.c_void_p(synth.synth)
        number = _library().fluid_synth_add_sfont(pointer, self._font)
        synth.program_select(channel, number, bank, program)
        for control, value in ((101, 0), (100, 0), (6, BEND_RANGE), (38, 0), (7, 127), (91, 0), (93, 0)):
            synth.cc(channel, control, value)
        events: list[Event] = []
        for note in notes:
            key, velocity = round(note.pitch), max(1, min(127, round(127 * note.velocity)))
            events.append((_block(note.start_s), 2, lambda k=key, v=velocity: synth.noteon(channel, k, v)))  # type: ignore[misc]
            end = max(_block(note.end_s), _block(note.start_s) + 8)
            events.append((end, 0, lambda k=key: synth.noteoff(channel, k)))  # type: ignore[misc]
        for second, semitones in bends:
            value = max(-8192, min(8191, round(8192 * semitones / BEND_RANGE)))
            events.append((_block(second), 1, lambda v=value: synth.pitch_bend(channel, v)))  # type: ignore[misc]
        for second, level in swells:
            value = max(1, min(127, round(127 * level)))
            events.append((_block(second), 1, lambda v=value: synth.cc(channel, 11, v)))  # type: ignore[misc]
        events.sort(key=lambda event: event[:2])
        blocks = -(-total // BLOCK)
        out = np.zeros((2, blocks * BLOCK), dtype=np.float32)
        at = 0
        for place, _, act in events:
            if place >= blocks:
                break
            if place > at:
                _write(pointer, out, at, place)
                at = place
            act()
        _write(pointer, out, at, blocks)
        _library().fluid_synth_remove_sfont(pointer, self._font)
        synth.delete()
        return out[:, :total]


@lru_cache(maxsize=1)
def _library() -> Any:
    """Load FluidSynth and disable its warnings: it prints sixteen whenever a font leaves a synthesiser."""
    import fluidsynth

    fluidsynth._fl.fluid_set_log_function(2, None, None)  # 2: FLUID_WARN
    return fluidsynth._fl


def _synthesiser() -> Any:
    """Create a synthesiser without reverb and chorus, which would sound the same in every song."""
    import fluidsynth

    dry = {"synth.reverb.active": 0, "synth.chorus.active": 0}
    return fluidsynth.Synth(gain=0.4, samplerate=float(SAMPLE_RATE), channels=16, **dry)


def _write(synth: ctypes.c_void_p, out: Audio, first: int, last: int) -> None:
    """Render the blocks from `first` up to `last` into `out` (2, samples)."""
    count = (last - first) * BLOCK
    if count <= 0:
        return
    left, right = (ctypes.c_void_p(out[side].ctypes.data + 4 * first * BLOCK) for side in (0, 1))
    _library().fluid_synth_write_float(synth, count, left, 0, 1, right, 0, 1)


def _block(seconds: float) -> int:
    return max(0, round(seconds * SAMPLE_RATE / BLOCK))


@lru_cache(maxsize=5)
def load(path: Path) -> Font:
    return Font(path)
