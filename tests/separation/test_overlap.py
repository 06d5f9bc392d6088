"""Overlap-add reconstructs the song, and borders are handled as in Demucs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.separation.conftest import noise

from unbraid.separation.overlap import Context, MixtureBuffer, OverlapAdd, plan_segments, triangle, triangles


@settings(max_examples=100, deadline=None)
@given(
    samples=st.integers(1, 5000),
    length=st.integers(4, 1000),
    overlap=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75]),
    shift=st.integers(0, 700),
    context=st.sampled_from(["around", "inside"]),
)
def test_overlap_add_reconstructs_the_song(
    samples: int, length: int, overlap: float, shift: int, context: Context
) -> None:
    song = noise(2, samples)
    buffer = MixtureBuffer(2)
    buffer.append(song)
    overlap_add = OverlapAdd(1, 2, triangles(length), length)
    parts = []
    done = 0
    for segment in plan_segments(samples, length, overlap, shift, context=context):
        read = buffer.read(segment.read_start, length)
        overlap_add.add(segment, read[None, :, segment.inner])
        if segment.next_start > done:
            parts.append(overlap_add.take(segment.next_start))
            done = segment.next_start
    assert np.allclose(np.concatenate(parts, axis=-1)[0], song, atol=1e-6)


def test_segments_start_every_stride_and_the_last_is_centred_in_its_input() -> None:
    segments = list(plan_segments(samples=250, length=100, overlap=0.25))
    assert [segment.start for segment in segments] == [0, 75, 150, 225]
    assert [segment.length for segment in segments] == [100, 100, 100, 25]
    assert [segment.read_start for segment in segments] == [0, 75, 150, 225 - 37]


def test_last_segments_read_the_end_of_the_song() -> None:
    segments = list(plan_segments(samples=250, length=100, overlap=0.25, context="inside"))
    assert [segment.read_start for segment in segments] == [0, 75, 150, 150]
    assert [segment.read_length for segment in segments] == [100] * 4
    assert segments[-1].inner == slice(75, 100)
    (short,) = plan_segments(samples=10, length=100, overlap=0.25, context="inside")
    assert (short.read_start, short.read_length, short.inner) == (0, 100, slice(0, 10))


def test_last_segments_read_nothing_else_without_context() -> None:
    *_, last = plan_segments(samples=250, length=100, overlap=0.25, context="none")
    assert (last.read_start, last.read_length) == (225, 25)


def test_a_short_song_is_padded_with_zeros_on_both_sides() -> None:
    (segment,) = plan_segments(samples=10, length=100, overlap=0.0)
    buffer = MixtureBuffer(1)
    buffer.append(np.ones((1, 10), np.float32))
    read = buffer.read(segment.read_start, 100)
    assert np.array_equal(np.flatnonzero(read[0]), np.arange(45, 55))
    assert np.array_equal(read[:, segment.inner], np.ones((1, 10)))


@pytest.mark.parametrize(
    ("length", "expected"), [(1, [1]), (4, [0.5, 1, 1, 0.5]), (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])]
)
def test_the_weight_is_a_triangle(length: int, expected: list[float]) -> None:
    assert np.allclose(triangle(length), expected)


def test_the_buffer_forgets_only_whole_blocks() -> None:
    buffer = MixtureBuffer(1)
    for start in range(0, 40, 10):
        buffer.append(np.arange(start, start + 10, dtype=np.float32)[None])
    buffer.forget(25)
    assert buffer.stop == 40
    assert np.array_equal(buffer.read(25, 20)[0], [*range(25, 40), 0, 0, 0, 0, 0])
