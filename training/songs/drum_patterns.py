"""Write drum parts: patterns by style, fills, ghost notes, and human timing."""

import numpy as np

from training.songs.form import Plan, Section
from training.songs.score import Hit, chance, pick

Pattern = dict[str, list[tuple[float, float]]]
"""Kind of drum -> (position in the bar in quarter notes, velocity) of its hits"""


def _every(
    step: float, bar: float, velocity: float, accent: float = 0.0, start: float = 0.0
) -> list[tuple[float, float]]:
    count = int(np.ceil((bar - start) / step - 1e-9))
    return [
        (start + i * step, velocity + (accent if abs((start + i * step) % 1.0) < 1e-6 else 0.0))
        for i in range(count)
    ]


def _at(velocity: float, *positions: float) -> list[tuple[float, float]]:
    return [(position, velocity) for position in positions]


def _kicks(rng: np.random.Generator, bar: float, density: float) -> list[tuple[float, float]]:
    """Draw kicks: one on the first beat, others on eighths and sixteenths away from the snare."""
    hits = [(0.0, 0.95)]
    for position in np.arange(0.5, bar, 0.25):
        on_snare = bar == 4.0 and position in (1.0, 3.0)
        weight = 0.9 if position == 2.0 else 0.35 if position % 0.5 == 0 else 0.16
        if not on_snare and chance(rng, weight * density):
            hits.append((float(position), float(rng.uniform(0.7, 0.95))))
    return hits


def _timekeeper(rng: np.random.Generator, bar: float, energy: float) -> Pattern:
    where = pick(
        rng,
        {"hat": 5.0 - 2 * energy, "ride": 1 + energy, "open": 0.3 + energy, "shaker": 0.4, "tambourine": 0.3},
    )
    step = float(pick(rng, {0.5: 6, 0.25: 2, 1.0: 1.5}))
    return {where: _every(step, bar, 0.5, 0.15)}


def _backbeat(bar: float) -> list[tuple[float, float]]:
    return _at(0.9, 1.0, 3.0) if bar == 4.0 else _at(0.85, 1.5) if bar == 3.0 else _at(0.9, bar / 2)


def draw_pattern(rng: np.random.Generator, style: str, bar: float, energy: float) -> Pattern:
    """Draw one bar of a style. A bar of three quarters is a waltz or a 6/8 with the sounds of the style."""
    pattern: Pattern = {}
    back = "clap" if style in ("four", "trap", "reggaeton") and chance(rng, 0.6) else "snare"
    if bar != 4.0:
        pattern = {"kick": _at(0.9, 0.0), **_timekeeper(rng, bar, energy)}
        pattern["rim" if style in ("brushes", "bossa") else "snare"] = (
            _at(0.8, 1.5) if chance(rng, 0.6) else _at(0.7, 1.0, 2.0)
        )
        if style in ("jazz", "brushes"):
            pattern["ride"], pattern["pedal"] = _at(0.6, 0.0, 1.0, 1.5, 2.0), _at(0.4, 1.0)
        return pattern
    if style in ("rock", "pop"):
        pattern = {"kick": _kicks(rng, bar, 0.7), back: _backbeat(bar), **_timekeeper(rng, bar, energy)}
        if chance(rng, 0.3):
            pattern.setdefault("tambourine" if chance(rng, 0.5) else "shaker", []).extend(
                _every(0.5, bar, 0.35, 0.1)
            )
    elif style == "half":
        pattern = {"kick": _kicks(rng, bar, 0.5), back: _at(0.95, 2.0), **_timekeeper(rng, bar, energy)}
    elif style == "punk":
        pattern = {
            "kick": _at(0.95, 0.0, 1.0, 2.0, 3.0),
            "snare": _at(0.9, 0.5, 1.5, 2.5, 3.5),
            "hat": _every(0.5, bar, 0.6),
        }
        if chance(rng, 0.5):
            pattern = {
                "kick": _at(0.95, 0.0, 1.5, 2.0, 2.5),
                "snare": _backbeat(bar),
                "open": _every(0.5, bar, 0.6),
            }
    elif style == "metal":
        kicks = (
            _every(float(pick(rng, [0.25, 0.5, 0.25])), bar, 0.85)
            if chance(rng, 0.6)
            else _kicks(rng, bar, 1.2)
        )
        snares = _backbeat(bar) if chance(rng, 0.7) else _every(0.5, bar, 0.85, 0.0, 0.25)
        pattern = {
            "kick": kicks,
            "snare": snares,
            pick(rng, ["ride", "open", "crash"]): _every(1.0 if chance(rng, 0.5) else 0.5, bar, 0.6),
        }
    elif style == "four":
        pattern = {"kick": _every(1.0, bar, 0.95), "open": _at(0.6, 0.5, 1.5, 2.5, 3.5)}
        if energy > 0.3:
            pattern[back] = _backbeat(bar)
        if chance(rng, 0.6):
            pattern["hat"] = _every(0.25, bar, 0.35, 0.15)
        if chance(rng, 0.5):
            pattern["perc"] = [(float(x), 0.5) for x in np.arange(0, 4, 0.25) if chance(rng, 0.2)]
    elif style == "trap":
        pattern = {"kick": _kicks(rng, bar, 0.45), back: _at(0.95, 2.0)}
        hats: list[tuple[float, float]] = []
        for beat in np.arange(0.0, bar, 0.5):
            count = int(pick(rng, {1: 2, 2: 7, 3: 1.2, 4: 1, 6: 0.4}))
            hats.extend((float(beat + i * 0.5 / count), float(rng.uniform(0.4, 0.7))) for i in range(count))
        pattern["hat"] = hats
        if chance(rng, 0.5):
            pattern["open"] = _at(0.5, float(pick(rng, [1.5, 3.5, 2.75])))
    elif style == "breakbeat":
        pattern = {
            "kick": _at(0.95, 0.0, 2.5) + ([(1.5, 0.7)] if chance(rng, 0.3) else []),
            "snare": _backbeat(bar),
            "hat": _every(0.5, bar, 0.5, 0.1),
        }
        pattern["snare"] = pattern["snare"] + [(x, 0.3) for x in (1.75, 2.25, 3.75) if chance(rng, 0.5)]
    elif style == "funk":
        pattern = {
            "kick": _kicks(rng, bar, 1.0),
            "snare": _backbeat(bar),
            "hat": _every(0.25, bar, 0.45, 0.2),
        }
        pattern["snare"] = pattern["snare"] + [
            (float(x), 0.22) for x in np.arange(0.25, 4, 0.25) if chance(rng, 0.3) and x not in (1.0, 3.0)
        ]
        if chance(rng, 0.5):
            pattern["open"] = _at(0.6, float(pick(rng, [1.5, 3.5])))
    elif style == "boombap":
        pattern = {"kick": _kicks(rng, bar, 0.8), "snare": _backbeat(bar), "hat": _every(0.5, bar, 0.5, 0.1)}
    elif style == "ballad":
        pattern = {
            "kick": _kicks(rng, bar, 0.3),
            pick(rng, {"snare": 3, "rim": 2}): _backbeat(bar),
            "hat": _every(0.5, bar, 0.4, 0.1),
        }
    elif style == "jazz":
        pattern = {
            "ride": [(x, 0.62 if x % 1 == 0 else 0.45) for x in (0.0, 1.0, 1.5, 2.0, 3.0, 3.5)],
            "pedal": _at(0.5, 1.0, 3.0),
        }
        pattern["kick"] = [(float(x), 0.35) for x in (0.0, 1.0, 2.0, 3.0) if chance(rng, 0.5)]
        pattern["snare"] = [
            (float(x), float(rng.uniform(0.2, 0.5))) for x in np.arange(0.5, 4, 0.5) if chance(rng, 0.25)
        ]
    elif style == "brushes":
        pattern = {
            "brush": _every(1.0, bar, 0.5) + _at(0.35, 1.5, 3.5),
            "pedal": _at(0.4, 1.0, 3.0),
            "kick": _at(0.4, 0.0),
        }
    elif style == "bossa":
        pattern = {"rim": _at(0.6, 0.0, 1.5, 3.0) if chance(rng, 0.5) else _at(0.6, 1.0, 2.5), "hat": _every(0.5,
            bar, 0.4),
             "kick": _at(0.6, 0.0, 1.5, 2.0, 3.5)}  # fmt: skip
    elif style == "shuffle":
        pattern = {
            "kick": _at(0.85, 0.0, 2.0),
            "snare": _backbeat(bar),
            pick(rng, ["hat", "ride"]): _every(0.5, bar, 0.45, 0.2),
        }
    elif style == "train":
        pattern = {
            "snare": _every(0.25, bar, 0.35) + _at(0.75, 0.5, 1.5, 2.5, 3.5),
            "kick": _at(0.8, 0.0, 1.0, 2.0, 3.0),
        }
    elif style == "onedrop":
        pattern = {"kick": _at(0.9, 2.0), "rim": _at(0.85, 2.0), "hat": _every(0.5, bar, 0.5)}
        if chance(rng, 0.35):
            pattern["kick"] = _every(1.0, bar, 0.85)
    elif style == "reggaeton":
        pattern = {
            "kick": _every(1.0, bar, 0.9),
            back: _at(0.85, 0.75, 1.5, 2.75, 3.5),
            "hat": _every(0.5, bar, 0.35),
        }
    elif style == "latin":
        pattern = {"conga_high": _at(0.6, 0.5, 1.5, 2.5) + _at(0.35, 0.0, 2.0), "conga_low": _at(0.75, 3.0, 3.5),
            "cowbell": _at(0.5, 0, 1, 2, 3),
             "rim": _at(0.7, 0.0, 0.75, 1.5, 2.5, 3.0), "kick": _at(0.6, 0.0, 1.5, 3.0),
             "shaker": _every(0.25, bar, 0.3, 0.1)}  # fmt: skip
    else:  # tribal
        pattern = {"tom_low": [(0.0, 0.9)] + [(float(x), 0.7) for x in np.arange(0.5, 4, 0.5) if chance(rng, 0.5)],
             "tom_mid": [(float(x), 0.6) for x in np.arange(0.5, 4, 0.25) if chance(rng, 0.2)],
             "kick": _at(0.9, 0.0, 2.0)}  # fmt: skip
        if chance(rng, 0.6):
            pattern["snare"] = _at(0.85, 3.0)
    return pattern


def fill(rng: np.random.Generator, bar: float) -> Pattern:
    """Draw a fill on toms and snare for the end of a bar."""
    start = bar - float(pick(rng, [1.0, 2.0, 1.5, 0.5]))
    pattern: Pattern = {}
    step = float(pick(rng, [0.25, 0.25, 0.5, 1 / 3]))
    positions = np.arange(max(0.0, start), bar - 1e-6, step)
    order = pick(
        rng,
        [("snare",), ("tom_high", "tom_mid", "tom_low"), ("snare", "tom_high", "tom_low"), ("snare", "kick")],
    )
    for index, position in enumerate(positions):
        kind = order[min(len(order) - 1, index * len(order) // max(1, positions.size))]
        pattern.setdefault(kind, []).append((float(position), 0.55 + 0.4 * index / max(1, positions.size)))
    return pattern


def _in_section(
    rng: np.random.Generator, plan: Plan, section: Section, style: str
) -> list[tuple[float, str, float]]:
    pattern = draw_pattern(rng, style, plan.bar, section.energy)
    variation = draw_pattern(rng, style, plan.bar, section.energy) if chance(rng, 0.3) else pattern
    cymbals_only = section.energy < 0.4 and chance(rng, 0.6)
    played: list[tuple[float, str, float]] = []
    fills = chance(rng, 0.6)
    for number in range(section.bars):
        start = section.start + number * plan.bar
        current = variation if number % 4 == 3 else pattern
        ending = (
            fill(rng, plan.bar)
            if fills and (number == section.bars - 1 or (number % 4 == 3 and chance(rng, 0.25)))
            else {}
        )
        cut = min((position for positions in ending.values() for position, _ in positions), default=plan.bar)
        for kind, hits in current.items():
            if cymbals_only and kind in ("kick", "snare", "clap") and style != "four":
                continue
            played.extend((start + position, kind, velocity) for position, velocity in hits if position < cut)
        played.extend(
            (start + position, kind, velocity) for kind, hits in ending.items() for position, velocity in hits
        )
    if section.energy > 0.6 and chance(rng, 0.75):
        played.append((section.start, "crash", 0.85))
    return played


def write_drums(rng: np.random.Generator, plan: Plan) -> list[Hit]:
    """Write all hits of the song in order, with timing deviations and accents."""
    style = pick(rng, plan.genre.drums)
    other = pick(rng, plan.genre.drums)
    timing_s = plan.genre.looseness_s * float(rng.uniform(0.2, 1.0))
    delay_s = {kind: float(rng.normal(0.0, 0.6 * timing_s)) for kind in ("snare", "hat", "clap", "ride")}
    accents = 0.02 if plan.genre.looseness_s < 0.002 else 0.07
    styles: dict[str, str] = {}
    hits: list[Hit] = []
    for section in plan.sections:
        if "drums" not in section.parts:
            continue
        chosen = styles.setdefault(section.kind, style if chance(rng, 0.8) else other)
        loud = 0.75 + 0.3 * section.energy
        for position, kind, velocity in _in_section(rng, plan, section, chosen):
            at = (
                plan.clock.seconds(position)
                + delay_s.get(kind, 0.0)
                + float(np.clip(rng.normal(0.0, timing_s), -0.02, 0.02))
            )
            level = float(np.clip(velocity * loud + rng.normal(0.0, accents), 0.08, 1.0))
            if at < plan.seconds:
                hits.append(Hit(max(0.0, at), kind, level))
    return sorted(hits, key=lambda hit: hit.start_s)
