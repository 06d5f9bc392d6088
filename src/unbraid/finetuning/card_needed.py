"""Refuse to teach a network that learns on a graphics card on a machine without one, unless the user asks for it."""

from __future__ import annotations

from unbraid.errors import SettingError
from unbraid.finetuning.teachable import class_of
from unbraid.models import find_model, roformer
from unbraid.models.catalog import Speed, find_entry
from unbraid.models.speed import scale, speed_of
from unbraid.models.templates import template_of

# Seconds of music that are separated in the time of a step. An estimate: a step computes its batch forwards, again for
# the checkpoints of activations, and backwards, which takes twice as long: 4 x 4 x 7.8 s, or 4 x 2 x 8 s. A separation
# computes each second 1.33 times, or twice, because segments overlap.
STEPS = {"HTDemucs": 94.0, roformer.CLASS_NAME: 32.0}


def check_card(base: str, device: str) -> None:
    """Raise SettingError if the model `base` needs a graphics card, `device` is `auto`, and PyTorch finds no card.

    Nothing is downloaded. Raises ModelError for a folder that can't be read.
    """
    if device != "auto" or _has_card():
        return
    entry = find_entry(base)
    class_name, speed = _of_folder(base) if entry is None else (class_of(entry), entry.speed)
    if class_name in STEPS:
        raise SettingError(
            f"{base} learns on a graphics card, and PyTorch finds none.{_expectation(class_name, speed)} "
            "Use --from lite or --from spleeter, or try it with --device cpu"
        )


def _has_card() -> bool:
    from unbraid.training.run import choose_device

    return choose_device("auto").type != "cpu"


def _of_folder(base: str) -> tuple[str, Speed | None]:
    model = find_model(base)
    template = template_of(model.networks[0])
    return "" if template is None else template.class_name, speed_of(model)


def _expectation(class_name: str, speed: Speed | None) -> str:
    if speed is None:
        return ""
    steps = 3600 / (STEPS[class_name] * speed.all_stems * scale())
    return f" In an hour, this processor would make about {steps:.0f} steps of the thousands that it needs."
