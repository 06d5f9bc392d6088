"""Check numbers that the caller sets."""

from __future__ import annotations

import numbers

from unbraid.errors import SettingError

# Hz; four times the rate of DSD512. Far higher ones keep the resampler busy for minutes.
HIGHEST_RATE = 100_000_000


def whole_number(value: object, what: str, least: int | None = None) -> int:
    """Return `value` as an int; 44100.0 counts. Raises SettingError for other values and below `least`."""
    number: int | None = None
    if isinstance(value, bool):
        pass
    elif isinstance(value, numbers.Integral):
        number = int(value)
    elif isinstance(value, numbers.Real) and float(value).is_integer():
        number = int(float(value))
    if number is None or (least is not None and number < least):
        limit = "" if least is None else f" of {least} or more"
        raise SettingError(f"{what} must be a whole number{limit}, not {value!r}.")
    return number


def sample_rate_hz(value: object) -> int:
    """Return the sample rate `value`. Raises SettingError."""
    rate = whole_number(value, "The sample rate (Hz)", 1)
    if rate > HIGHEST_RATE:
        raise SettingError(f"The sample rate is at most {HIGHEST_RATE} Hz, not {rate}.")
    return rate


def real_number(value: object, what: str) -> float:
    """Return `value` as a float. Raises SettingError for other types."""
    if not isinstance(value, numbers.Real):
        raise SettingError(f"{what} must be a number, not {value!r}.")
    return float(value)
