"""Singing voices to train a separator on.

    python -m training.voices build --out DIR      once: speech synthesisers become a bank of voices
    bank = VoiceBank.load(DIR)
    lead = sing_part(notes, rng, "train", bank, total_samples)

A bank holds, per voice, short syllables as spectral envelopes (`bank`, built by `analysis` from `speakers`,
or computed by `tract`). `sing` draws a character (`singer`), stretches syllables onto the notes (`phrase`),
writes the pitch (`melody`) and renders both (`vocoder`). Voices for training and for testing are never the
same.
"""

from training.sound import Split
from training.voices.bank import VoiceBank
from training.voices.notes import Note
from training.voices.part import Style, sing_part
from training.voices.sing import sing
from training.voices.voice import Voice

__all__ = ["Note", "Split", "Style", "Voice", "VoiceBank", "sing", "sing_part"]
