"""The header that makes a browser save a file."""

from __future__ import annotations

import re
from urllib.parse import quote

_NOT_IN_QUOTES = re.compile(
    r'[^ -~]|["\\%]'
)  # % because some browsers decode it there (RFC 6266, appendix D)
_ATTR_CHAR = "!#$&+^`|~"  # RFC 5987, in addition to the characters that `quote` keeps


def attachment(filename: str) -> str:
    """The Content-Disposition header that makes a browser save a file as `filename` (RFC 6266).

    Old clients get an ASCII name, with _ for every other character; the rest get the name in UTF-8 (RFC 5987).
    """
    plain = _NOT_IN_QUOTES.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    return header if plain == filename else f"{header}; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR)}"
