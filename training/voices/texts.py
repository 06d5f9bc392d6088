"""Texts for the speakers in the spelling of their languages: syllables to sing, and lines to speak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ENGLISH_WORDS = """
love time night day you me see free be the sky high fly way stay heart dark light right fight dream feel real
deal low go know show slow home road cold hold gold soul run sun one come gone song long strong all fall call
wall down town ground sound round through true blue new who do moon soon room rain pain name game flame same
face place space eyes lies fire air care there where hear near fear want what hot stop not rock lost young
stars arms hard last past fast back black that man hand stand world girl burn turn word hurt this kiss wish
live give thing sing bring leave breathe need keep sleep street smile child wild mind find life drive mouth
house voice boy joy choice shake break take make wait late say play good could look took push just much touch
such up luck yeah oh ah hey la na
"""

_ENGLISH_LINES = [
    "I was walking down the street, counting every single light",
    "you never call me back, but I hear it in the sound",
    "keep it moving, keep it moving, never gonna slow it down",
    "tell me what you want from me, and tell me what you need",
    "money in the morning, and the city in the rain",
    "we could stay here forever, just looking at the sky",
    "stop it, drop it, pick it up, and bring it back to town",
    "come on and put your hands up, shake it to the left",
]


@dataclass(frozen=True)
class _Language:
    """Spellings of initial consonants, vowels and final consonants."""

    onsets: Sequence[str]
    vowels: Sequence[str]
    codas: Sequence[str]


_LANGUAGES = {
    "latin": _Language(
        ["", "m", "n", "l", "r", "s", "t", "p", "b", "d", "f", "v", "g", "st", "tr"],
        ["a", "e", "i", "o", "u", "a", "o"],
        ["", "", "", "n", "s", "l", "r"],
    ),
    "es": _Language(
        ["", "m", "n", "l", "r", "s", "t", "p", "d", "f", "ch", "y", "j", "tr", "qu"],
        ["a", "e", "i", "o", "a"],
        ["", "", "n", "s", "l", "r"],
    ),
    "de": _Language(
        ["", "m", "n", "l", "r", "s", "t", "k", "b", "d", "f", "w", "sch", "z", "h", "st"],
        ["a", "e", "i", "o", "u", "ei", "au", "eu", "ü", "ö"],
        ["", "", "n", "s", "l", "cht", "rt", "m"],
    ),
    "fr": _Language(
        ["", "m", "n", "l", "r", "s", "t", "p", "d", "f", "ch", "j", "v", "tr", "fl"],
        ["a", "é", "i", "o", "ou", "eu", "an", "on", "in", "u", "oi"],
        ["", "", "", "r", "lle", "ne", "sse"],
    ),
    "sv": _Language(
        ["", "m", "n", "l", "r", "s", "t", "k", "b", "d", "f", "v", "h", "sj"],
        ["a", "e", "i", "o", "u", "å", "ä", "ö"],
        ["", "", "n", "s", "l", "r", "ng"],
    ),
    "ru": _Language(
        ["", "м", "н", "л", "р", "с", "т", "к", "п", "б", "д", "ф", "в", "ш", "х"],
        ["а", "е", "и", "о", "у", "ы", "я", "ю"],
        ["", "", "н", "с", "л", "р", "т"],
    ),
}
_KANA = """
あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や ゆ よ
ら り る れ ろ わ が ぎ ぐ げ ご ざ じ ず ぜ ぞ だ で ど ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ しゃ ちゃ りょ きみ
"""


def syllables(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """Draw up to `count` different syllables of a language: "en", "ja" or a key of `_LANGUAGES`."""
    if language in ("en", "ja"):
        words = (_ENGLISH_WORDS if language == "en" else _KANA).split()
        return [words[i] for i in sorted(rng.permutation(len(words))[:count])]
    table = _LANGUAGES[language]
    texts: dict[str, None] = {}
    for _ in range(20 * count):
        texts.setdefault("".join(str(rng.choice(part)) for part in (table.onsets, table.vowels, table.codas)))
    return [text for text in texts if len(text) > 1][:count]


def lines(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """Return lines to speak. Except for English, they are random syllables: only the prosody matters."""
    if language == "en":
        return _ENGLISH_LINES[:count]
    texts = []
    for _ in range(count):
        parts = syllables(language, 12, rng)
        words = ["".join(parts[start : start + 2]) for start in range(0, len(parts), 2)]
        texts.append(" ".join(words[:3]) + ", " + " ".join(words[3:]))
    return texts
