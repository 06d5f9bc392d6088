"""Singing voices to train a separator on.

    python -m training.voices build --out DIR      # once: analyse the voices of speech synthesisers
    bank = VoiceBank.load(DIR)
    lead = sing_part(notes, rng, "train", bank, total_samples)

A bank has the syllables of each voice as spectral envelopes. `build` records `speakers` and analyses them (`analysis`),
`recordings` does the same with recorded people, and `tract` computes voices. `sing` draws the habits of a `singer`,
stretches syllables onto the notes (`phrase`), adds a pitch contour (`melody`) and renders both (`vocoder`). The splits
share no voice.
"""

from training.sound import Split
from training.voices.bank import VoiceBank
from training.voices.notes import Note
from training.voices.part import Style, sing_part
from training.voices.sing import sing
from training.voices.voice import Voice

__all__ = ["Note", "Split", "Style", "Voice", "VoiceBank", "sing", "sing_part"]
