"""Choose the precompressed copy of a file that a browser accepts (RFC 9110, section 12.5.3)."""

from __future__ import annotations

EXTENSIONS = {"br": ".br", "gzip": ".gz"}
"""Extension of the copy in each content coding, smallest copy first."""


def accepted_codings(header: str) -> list[str]:
    """Return the known codings that the `Accept-Encoding` header accepts, smallest copy first."""
    weights = dict(_weight(item) for item in header.lower().split(",") if item.strip())
    return [coding for coding in EXTENSIONS if weights.get(coding, weights.get("*", 0)) > 0]


def _weight(item: str) -> tuple[str, float]:
    coding, *parameters = (part.strip() for part in item.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return coding, float(value)
            except ValueError:
                return coding, 0
    return coding, 1
