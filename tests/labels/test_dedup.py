"""Leaders stand for what is near to them, and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.labels import dedup
from reelabel.labels.dedup import find_duplicates, hash_duplicates


def plain(rows, threshold, priority):
    """Return each row's leader by the definition, one row after the other."""
    leader = np.arange(len(rows))
    kept: list[int] = []
    for i in np.argsort(-priority, kind="stable"):
        near = [k for k in kept if rows[i].astype(np.float64) @ rows[k] >= threshold]
        if near:
            leader[i] = near[0]
        else:
            kept.append(int(i))
    return leader


def unit(rows):
    """Return float32 rows of length 1."""
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(n, d, seed, noise=0.005):
    """Return rows of which a third are near copies of others."""
    rng = np.random.default_rng(seed)
    rows = unit(rng.standard_normal((n, d)))
    copies = rng.choice(n, n // 3, replace=False)
    rows[copies] = rows[rng.integers(0, n, n // 3)] + noise * rng.standard_normal((n // 3, d))
    return unit(rows), rng.integers(0, 5, n)


@settings(max_examples=25)
@given(
    n=st.integers(0, 700),
    d=st.sampled_from([3, 40, 128]),
    threshold=st.sampled_from([0.3, 0.9, 0.99]),
    seed=st.integers(0, 99),
)
def test_equals_definition(n, d, threshold, seed):
    """Bounds, blocks and chunks change nothing: the leaders are those of the plain loop."""
    rows, priority = planted(n, d, seed) if n else (np.zeros((0, d), np.float32), np.zeros(0))
    assert (
        find_duplicates(rows, threshold, priority).leader == plain(rows, threshold, priority)
    ).all()


def test_short_rows_bound_the_whole_ones():
    """The product of shortened rows is never below the cosine, and rows do get shorter."""
    rows, _ = planted(1500, 512, 1)
    short = dedup._shortened(rows, 0.95)
    assert short.shape[1] < 200
    assert ((short @ short.T) - rows @ rows.T).min() > -dedup._SLACK


def test_several_chunks_of_leaders(monkeypatch):
    """Small blocks and chunks find the same leaders as large ones."""
    rows, priority = planted(600, 64, 2)
    expected = find_duplicates(rows, 0.9, priority)
    for name in ("_BLOCK", "_LEADERS_AT_ONCE", "_PAIRS_AT_ONCE"):
        monkeypatch.setattr(dedup, name, 37)
    found = find_duplicates(rows, 0.9, priority)
    assert (found.leader == expected.leader).all()
    assert np.allclose(found.similarity, expected.similarity, atol=1e-12)


def test_no_chaining():
    """With a ~ b ~ c but a !~ c, a takes b and c stays."""
    angles = np.radians([0, 15, 30, 45, 60])
    rows = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert find_duplicates(rows, np.cos(np.radians(20))).leader.tolist() == [0, 0, 2, 2, 4]


def test_priority_decides_and_ties_go_by_position():
    """The sharpest of equal pictures is kept; of equally sharp ones the first."""
    rows = unit(np.ones((4, 8)))
    assert find_duplicates(rows, 0.99, np.array([1, 3, 3, 2])).leader.tolist() == [1, 1, 1, 1]
    unsigned = np.array([1, 3, 3, 2], np.uint8)
    assert find_duplicates(rows, 0.99, unsigned).leader.tolist() == [1, 1, 1, 1]


def test_every_follower_is_near_its_kept_leader():
    """A leader is kept itself, and the similarity is the true cosine to it."""
    rows, priority = planted(900, 96, 3)
    found = find_duplicates(rows, 0.9, priority)
    assert found.kept[found.leader].all()
    cosine = (rows.astype(np.float64) * rows[found.leader]).sum(axis=1)
    assert np.allclose(found.similarity[~found.kept], cosine[~found.kept], atol=1e-12)
    assert (found.similarity[~found.kept] >= 0.9).all()
    assert (found.similarity[found.kept] == 1).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 4)), np.full((2, 4), np.nan), np.ones((2, 4)), np.ones(3)]
)
def test_rows_must_have_length_one(bad):
    """Zeros, NaN, rows that were not normalised and wrong shapes are refused."""
    with pytest.raises(ValueError, match="embeddings must be"):
        find_duplicates(bad.astype(np.float32), 0.9)


def test_wrong_priority_and_threshold_are_refused():
    """A priority of another length or with NaN and a threshold beyond 1 are refused."""
    rows = unit(np.ones((2, 4)))
    for priority in (np.ones(3), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="priority"):
            find_duplicates(rows, 0.9, priority)
    with pytest.raises(ValueError, match="cosine"):
        find_duplicates(rows, 1.5)


@settings(max_examples=50)
@given(
    hashes=st.lists(st.integers(0, 255) | st.integers(2**64 - 256, 2**64 - 1), max_size=40),
    most=st.integers(0, 6),
)
def test_hashes_equal_definition(hashes, most):
    """Each hash follows the first kept one within the distance."""
    leader = list(range(len(hashes)))
    kept: list[int] = []
    for i, row in enumerate(hashes):
        near = [k for k in kept if (hashes[k] ^ row).bit_count() <= most]
        if near:
            leader[i] = near[0]
        else:
            kept.append(i)
    found = hash_duplicates(np.array(hashes, np.uint64), most)
    assert found.leader.tolist() == leader
    apart = [(hashes[i] ^ hashes[k]).bit_count() for i, k in enumerate(leader)]
    assert np.allclose(found.similarity, 1 - np.array(apart) / 64)


def test_hash_distance_is_checked():
    """A distance beyond 64 bits is refused."""
    with pytest.raises(ValueError, match="distance"):
        hash_duplicates(np.zeros(2, np.uint64), 65)
