"""Write and render the vocals: lead, backing voices and their effects."""

import numpy as np

from training import voices
from training.songs import effects
from training.songs.form import Plan, Section
from training.songs.melody import MelodyStyle, write_melody
from training.songs.score import Note, chance, gain, pick
from training.sound import Audio, Split
from training.voices import Style, VoiceBank

LOWEST, HIGHEST = 43, 81
"""G2 to A5: from low notes of a bass to high notes of a soprano. Each singer transposes a melody by octaves."""


def write_vocals(rng: np.random.Generator, plan: Plan) -> tuple[list[Note], list[Section]]:
    """Write the lead melody. Returns its notes and the sections with vocals; both are empty for an instrumental."""
    sections = [section for section in plan.sections if "vocals" in section.parts]
    if plan.vocals == "none" or not sections:
        return [], []
    rap = plan.vocals == "rap"
    bottom = float(rng.uniform(LOWEST + 3, 62))
    style = MelodyStyle(
        low=bottom, high=min(HIGHEST, bottom + float(rng.uniform(9, 17))),
        busy=float(rng.uniform(0.6, 1.0) if rap else rng.uniform(0.1, 0.9)),
        rest=float(rng.uniform(0.05, 0.2) if rap else rng.uniform(0.12, 0.5)),
        step=0.8 if rap else float(rng.uniform(1.5, 3.6)), held=0.1 if rap else 0.75,
        sixteenths=rap or plan.clock.tempo_bpm < 80 or chance(rng, 0.25),
    )  # fmt: skip
    return write_melody(rng, plan, sections, style), sections


def _within(notes: list[Note], plan: Plan, sections: list[Section]) -> list[Note]:
    times = [(plan.clock.seconds(s.start), plan.clock.seconds(s.end)) for s in sections]
    return [note for note in notes if any(a - 1e-3 <= note.start_s < b - 1e-3 for a, b in times)]


def _chops(rng: np.random.Generator, plan: Plan, notes: list[Note]) -> list[Note]:
    """Repeat short notes on the grid, like vocal chops in dance music."""
    step = 0.25 * 60.0 / plan.clock.tempo_bpm
    chops: list[Note] = []
    for note in notes:
        if chance(rng, 0.5):
            chops.extend(
                Note(note.start_s + i * 2 * step, 1.5 * step, note.pitch, note.velocity)
                for i in range(int(rng.integers(1, 4)))
            )
    return chops


def render_vocals(
    rng: np.random.Generator, plan: Plan, notes: list[Note], total: int, split: Split, bank: VoiceBank
) -> tuple[Audio, list[str]]:
    """Render all voices with effects. Returns the stem (2, total) and the styles of the voices."""
    mix = np.zeros((2, total), dtype=np.float32)
    if not notes:
        return mix, []

    def part(line: list[Note], style: Style) -> Audio:
        words = [voices.Note(n.start_s, n.duration_s, n.pitch, n.velocity) for n in line]
        return np.asarray(voices.sing_part(words, rng, split, bank, total, style), dtype=np.float32)

    styles: list[str] = []
    sections = [section for section in plan.sections if "vocals" in section.parts]
    loud = [section for section in sections if section.energy > 0.65]
    if plan.vocals == "chops":
        notes = _chops(rng, plan, notes) or notes
    main: Style = "rap" if plan.vocals == "rap" else pick(rng, {"lead": 0.78, "double": 0.17, "choir": 0.05})
    if plan.vocals == "rap" and loud and chance(rng, 0.4):
        hook = _within(notes, plan, loud)
        spoken = [note for note in notes if note not in hook]
        lines: list[tuple[list[Note], Style]] = [(spoken, "rap"), (hook, pick(rng, ["lead", "double"]))]
    else:
        lines = [(notes, main)]
    for line, style in lines:
        if line:
            mix += process_voice(rng, plan, part(line, style), lead=True)
            styles.append(style)
    backing = _within(notes, plan, loud) if loud and chance(rng, 0.8) else []
    if backing and plan.vocals == "sung" and chance(rng, 0.38):
        mix += gain(float(rng.uniform(-13, -3))) * process_voice(
            rng, plan, part(backing, "harmony"), lead=False
        )
        styles.append("harmony")
    if backing and chance(rng, 0.1) and main != "choir":
        mix += gain(float(rng.uniform(-12, -4))) * process_voice(
            rng, plan, part(backing, "choir"), lead=False
        )
        styles.append("choir")
    if plan.vocals == "rap" and chance(rng, 0.35):
        shouts = [note for note in notes if chance(rng, 0.25)]
        if shouts:
            mix += gain(float(rng.uniform(-12, -5))) * effects.panned(
                part(shouts, "rap"), float(rng.uniform(-0.8, 0.8)), 1.0
            )
            styles.append("ad libs")
    return mix, styles


def process_voice(rng: np.random.Generator, plan: Plan, dry: Audio, lead: bool) -> Audio:
    """Process a voice: low cut, EQ, compression, sometimes saturation or a telephone band, echo and reverb."""
    sound = effects.filtered(dry, float(rng.uniform(70, 160) if lead else rng.uniform(120, 300)), "high", 2)
    sound = effects.equalised(rng, sound, 2.0)
    if chance(rng, 0.85):
        sound = effects.compressed(
            sound,
            float(rng.uniform(-28, -14)),
            float(rng.uniform(2, 6)),
            float(rng.uniform(1, 20)),
            float(rng.uniform(40, 250)),
        )
    if chance(rng, 0.2):
        sound = effects.saturated(rng, sound)
    if chance(rng, 0.04):
        sound = effects.filtered(
            sound, (float(rng.uniform(300, 500)), float(rng.uniform(2500, 4000))), "band"
        )
    if chance(rng, 0.06):
        sound = effects.chorus(rng, sound)
    wet = np.zeros_like(sound)
    if chance(rng, 0.4):
        beats = float(pick(rng, [0.25, 0.5, 0.75, 1.0]))
        wet += gain(float(rng.uniform(-20, -8))) * effects.echo(sound, beats * 60 / plan.clock.tempo_bpm,
            float(rng.uniform(0.2, 0.55)), float(rng.uniform(1500, 7000)), chance(rng, 0.4))  # fmt: skip
    if chance(rng, 0.88):
        size = pick(rng, {"room": 3, "plate": 5, "hall": 2})
        tail = effects.filtered(effects.reverb(rng, sound, size), float(rng.uniform(120, 500)), "high", 1)
        level = float(np.sqrt(np.mean(sound**2))) / max(1e-6, float(np.sqrt(np.mean(tail**2))))
        wet += tail * level * gain(float(rng.uniform(-26, -8)) + (0.0 if plan.genre.dryness > 0.3 else 4.0))
    return sound + wet
