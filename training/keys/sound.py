"""The pitches of a song's sound, as `unbraid.analysis.key.Pitches` hears them. Rendering takes 2 s a song."""

from __future__ import annotations

import numpy as np

from training.keys.chords import chords_at
from training.keys.notes import MINOR, Example
from training.songs.render import render
from training.sound import SAMPLE_RATE, Split
from unbraid.analysis.key import Pitches


def sound_example(seed: int, split: Split = "train") -> Example:
    """Return the pitches, the key and the chords of a song, from the sound of its bass and other."""
    song = render(seed, split, parts=("bass", "other"))
    pitches = Pitches(SAMPLE_RATE)
    pitches.push(song.stems["bass"].mean(axis=0) + song.stems["other"].mean(axis=0))
    pitches.push(np.zeros(0, np.float32), last=True)
    plan, times_s = song.score.plan, pitches.times_s()
    chords = chords_at(plan, times_s)
    return Example(pitches.classes(), times_s, plan.key.tonic, plan.key.mode in MINOR, chords)
