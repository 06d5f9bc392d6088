"""Names of files that are valid on Windows, macOS and Linux.

The rules are those of "Naming Files, Paths, and Namespaces" in Microsoft's documentation of Win32; those of the other
systems are weaker.
"""

from __future__ import annotations

import re
import unicodedata

from unbraid.files.atomic import LONGEST_NAME
from unbraid.separation.naming import shortened

SUBSTITUTE = "_"
# Characters that Windows refuses, control characters, and halves of characters (undecodable bytes of a file name).
_REFUSED = re.compile('[<>:"/\\\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
# Names of devices, with any extension. Windows also reads superscript digits as digits.
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|\Z)", re.IGNORECASE
)


def safe_text(text: str) -> str:
    """Return `text` for use within a name: composed characters, no separators and no refused characters.

    >>> safe_text("AC/DC: What?")
    'AC_DC_ What_'
    """
    return _REFUSED.sub(SUBSTITUTE, unicodedata.normalize("NFC", text)).strip()


def safe_name(name: str, suffix: str = "") -> str:
    """Return a valid name for a file or folder that ends with `suffix`, such as " (2).wav".

    No spaces or dots at the end, none that hides the file at its start, no device, and not too long.

    >>> safe_name("Con"), safe_name("...And Justice for All..."), safe_name("Con", ".wav")
    ('Con_', '_And Justice for All', 'Con_.wav')
    """
    whole = safe_text(name)
    name = whole.lstrip(". ")
    if len(name) < len(whole):
        name = SUBSTITUTE + name
    name = name if suffix and not suffix.isspace() else name.rstrip(". ")
    name = name.rstrip() or SUBSTITUTE
    if device := _DEVICES.match(name + suffix):
        end = device.end(1)
        name = name[:end] + SUBSTITUTE + name[end:]
    short = shortened(name, suffix, LONGEST_NAME)
    return short if suffix else short.rstrip(". ") or SUBSTITUTE
