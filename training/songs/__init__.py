"""Multitrack songs made up from nothing: composed, played and mixed, to train and test a separator on.

`render_song(seed, split)` gives the stems of one song; `python -m training.songs OUT_DIR` writes many. A song
is planned by `form` (key, tempo, sections, chords from `harmony`), written by `drum_patterns`, `bass`, `comping`,
`melody`, played by `drum_kits`, `synths`, `soundfonts`, `vocals`, and put together by `mixing` and `mastering`.
"""

from training.songs.render import STEMS, compose, render_song
from training.sound import SAMPLE_RATE

__all__ = ["SAMPLE_RATE", "STEMS", "compose", "render_song"]
