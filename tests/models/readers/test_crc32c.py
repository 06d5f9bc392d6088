"""CRC-32C agrees with published values and with its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbraid.models.readers.crc32c import POLYNOMIAL, crc32c, masked_crc32c


@pytest.mark.parametrize(
    ("content", "expected"),
    [  # RFC 3720, appendix B.4, and the usual check value
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_agrees_with_published_values(content: bytes, expected: int) -> None:
    assert crc32c(content) == expected


def bit_by_bit(content: bytes) -> int:
    crc = 0xFFFF_FFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_agrees_with_its_definition(content: bytes) -> None:
    assert crc32c(content) == bit_by_bit(content)


@pytest.mark.parametrize("size", [4095, 4096, 50_001])
def test_many_parts_agree_with_the_definition(size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    assert crc32c(content) == bit_by_bit(content)


def test_mask_is_that_of_leveldb() -> None:
    # leveldb's crc32c_test.cc: unmasking the mask gives the checksum.
    rotated = (masked_crc32c(b"foo") - 0xA282EAD8) & 0xFFFF_FFFF
    assert (rotated >> 17 | rotated << 15) & 0xFFFF_FFFF == crc32c(b"foo")
