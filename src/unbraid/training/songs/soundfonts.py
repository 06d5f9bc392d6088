"""General MIDI instruments through FluidSynth, one synthesiser per soundfont for the life of the process."""

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from unbraid.training.songs.score import SAMPLE_RATE, Audio, Note

BLOCK = 64
"""FluidSynth's own block: events take effect and state is left over only at its multiples, so we render in them."""

BEND_RANGE = 24
"""Semitones that a full pitch bend moves up or down."""

Event = tuple[int, int, Callable[[], Any]]


class Font:
    """A loaded soundfont. `render` starts from a reset state each time, so its result depends on its arguments alone."""

    def __init__(self, path: Path) -> None:
        import fluidsynth

        self._library = fluidsynth._fl
        self._synth = fluidsynth.Synth(gain=0.4, samplerate=float(SAMPLE_RATE))
        for name in ("synth.reverb.active", "synth.chorus.active"):
            self._synth.setting(name, 0)
        self._number = self._synth.sfload(str(path))
        if self._number < 0:
            raise FileNotFoundError(f"no soundfont at {path}")

    def render(
        self,
        notes: Sequence[Note],
        total: int,
        program: int,
        bank: int = 0,
        bends: Sequence[tuple[float, float]] = (),
        swells: Sequence[tuple[float, float]] = (),
    ) -> Audio:
        """The notes as (2, total) float32.

        bank 128 holds drum kits. bends: (second, semitones) for all notes. swells: (second, expression in 0..1).
        """
        synth, channel = self._synth, 9 if bank == 128 else 0
        synth.system_reset()
        synth.program_select(channel, self._number, bank, program)
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
                self._write(out, at, place)
                at = place
            act()
        self._write(out, at, blocks)
        return out[:, :total]

    def _write(self, out: Audio, first: int, last: int) -> None:
        count = (last - first) * BLOCK
        if count <= 0:
            return
        pointers = [ctypes.c_void_p(out[side].ctypes.data + 4 * first * BLOCK) for side in (0, 1)]
        write = self._library.fluid_synth_write_float
        write(ctypes.c_void_p(self._synth.synth), count, pointers[0], 0, 1, pointers[1], 0, 1)


def _block(seconds: float) -> int:
    return max(0, round(seconds * SAMPLE_RATE / BLOCK))


@lru_cache(maxsize=3)
def load(path: Path) -> Font:
    return Font(path)
