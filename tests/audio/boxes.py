"""Edit the boxes of M4A files whose header is last, as `Encoder` writes them (ISO/IEC 14496-12)."""

from __future__ import annotations

# Offset of the length field after the box type, for version 0 of both boxes.
_LENGTHS = {b"mdhd": 20, b"elst": 12}


def with_length(m4a: bytes, kind: bytes, length: int) -> bytes:
    """Change the length in the media header ("mdhd", in samples) or in the edit list ("elst")."""
    at = m4a.index(kind) + _LENGTHS[kind]
    return m4a[:at] + length.to_bytes(4, "big") + m4a[at + 4 :]


def without_edit_list(m4a: bytes) -> bytes:
    """Remove the edit list, as in files by older encoders."""
    return m4a.replace(b"edts", b"free")


def with_gapless_tag(m4a: bytes, value: str) -> bytes:
    """Add iTunes' tag iTunSMPB."""
    data = bytes([0, 0, 0, 1, 0, 0, 0, 0]) + value.encode()
    tag = _box(
        b"----",
        _box(b"mean", bytes(4) + b"com.apple.iTunes")
        + _box(b"name", bytes(4) + b"iTunSMPB")
        + _box(b"data", data),
    )
    changed = bytearray(m4a)
    end = 0
    for kind in (b"moov", b"udta", b"meta", b"ilst"):  # each box contains the next
        at = changed.index(kind, end and changed.index(b"moov")) - 4
        size = int.from_bytes(changed[at : at + 4], "big")
        end = at + size
        changed[at : at + 4] = (size + len(tag)).to_bytes(4, "big")
    return bytes(changed[:end]) + tag + bytes(changed[end:])


def gapless(length: int, delay: int = 1024, padding: int = 0) -> str:
    """Format the value of iTunSMPB: delay, padding and length in samples, and zeros."""
    return f" 00000000 {delay:08X} {padding:08X} {length:016X} " + " ".join(["00000000"] * 8)


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content
