"""Synthetic multitrack songs to train and test a separator on.

`render_song(seed, split)` returns the stems of one song; `python -m training.songs OUT_DIR` writes many. Rendering has
four steps: `form` plans key, tempo, sections and chords (`harmony`). `drum_patterns`, `bass`, `comping` and `melody`
write the notes. `drum_kits`, `synths`, `soundfonts` and `vocals` play them. `mixing` and `mastering` combine the stems.
"""

from training.songs.render import STEMS, compose, render_song
from training.sound import SAMPLE_RATE

__all__ = ["SAMPLE_RATE", "STEMS", "compose", "render_song"]
