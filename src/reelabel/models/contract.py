"""The contract of detectors, classifiers and embedders, as checks that plug-ins can run on theirs.

from reelabel.models.contract import detector_faults

def test_contract():
    assert detector_faults(my_detector) == []
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.models.base import Classifier, Classify, Detector, Embedder, Image, Predict, Window

_TOLERANCE_PX = 0.01
_TOLERANCE_SCORE = 1e-3
_TOLERANCE_UNIT = 1e-3


def sample_pictures(size_wh: tuple[int, int] = (96, 64), seed: int = 0) -> list[Image]:
    """Return four pictures of one size: a bright disc that moves over a fixed noisy ground.

    Args:
        size_wh: of each picture.
        seed: of the ground.
    """
    w, h = size_wh
    ground = np.random.default_rng(seed).integers(0, 120, (h, w, 3), dtype=np.uint8)
    y, x = np.mgrid[:h, :w]
    pictures = []
    for step in range(4):
        picture = ground.copy()
        picture[(x - w * (step + 1) / 5) ** 2 + (y - h / 2) ** 2 < (h / 6) ** 2] = (250, 220, 90)
        pictures.append(picture)
    return pictures


def detector_faults(detector: Detector, pictures: Sequence[Image] | None = None) -> list[str]:
    """Return how a detector violates the contract of `reelabel.models.base.Detector`.

    Args:
        detector: the one to check; it is opened several times.
        pictures: of one size, to check with; None takes `sample_pictures`.

    Returns:
        One sentence for each fault; an empty list for a sound detector.
    """
    given = list(pictures) if pictures is not None else sample_pictures()
    faults = list(_description_faults(detector))
    once = detector.open()(given)
    if len(once) != len(given):
        return [*faults, f"{len(given)} pictures gave {len(once)} results"]
    for found, picture in zip(once, given, strict=True):
        faults += _box_faults(found, picture, len(detector.classes))
    if not _same(detector.open()(given), once):
        faults.append("the same pictures gave other boxes the second time")
    opened = detector.open()
    if not _same([found for picture in given for found in opened([picture])], once):
        faults.append("pictures one by one gave other boxes than together")
    if not _same(_interleaved(detector.open(), detector.open(), given), once):
        faults.append("two opened functions disturb each other")
    return list(dict.fromkeys([*faults, *_odd_picture_faults(detector)]))


def _description_faults(detector: Detector) -> Iterator[str]:
    candidate: object = detector  # whatever a plug-in calls one
    if not isinstance(candidate, Detector):
        yield "it lacks attributes of Detector"
    if not detector.classes or not all(isinstance(name, str) for name in detector.classes):
        yield "classes must be names, at least one"
    if not detector.fingerprint or not isinstance(detector.fingerprint, str):
        yield "fingerprint must be a text that is not empty"
    if detector.batch_size < 1:
        yield "batch_size must be at least 1"
    if pickle.loads(pickle.dumps(detector)).fingerprint != detector.fingerprint:  # noqa: S301 -- what was pickled one call before
        yield "a pickled description has another fingerprint, so it cannot go to other processes"


def _box_faults(found: Boxes, picture: Image, n_classes: int) -> Iterator[str]:
    h, w = picture.shape[:2]
    if not (np.isfinite(found.xyxy).all() and np.isfinite(found.score).all()):
        yield "boxes and scores must be finite"
    if ((found.score < 0) | (found.score > 1)).any():
        yield "scores must lie in 0..1"
    if ((found.class_id < 0) | (found.class_id >= n_classes)).any():
        yield "class_id must point into classes"
    low, high = found.xyxy[:, :2], found.xyxy[:, 2:]
    if (low < 0).any() or (high > [w, h]).any():
        yield "boxes must lie inside the picture"
    if (high <= low).any():
        yield "boxes must have an area"


def _interleaved(first: Predict, second: Predict, given: Sequence[Image]) -> list[Boxes]:
    """Return the first one's results while the second gets the pictures in another order."""
    results = []
    for picture, other in zip(given, reversed(given), strict=True):
        results += first([picture])
        second([other])
    return results


def _odd_picture_faults(detector: Detector) -> Iterator[str]:
    if detector.open()([]):
        yield "no pictures must give no results"
    for w, h in ((64, 48), (1, 1), (3, 200)):
        black = np.zeros((h, w, 3), np.uint8)
        found = detector.open()([black])
        for fault in _box_faults(found[0], black, len(detector.classes)):
            yield f"{fault} ({w}x{h})"
    mixed = [np.zeros((h, w, 3), np.uint8) for w, h in ((64, 48), (32, 80))]
    if not detector.in_order and len(detector.open()(mixed)) != len(mixed):
        yield "pictures of different sizes must each give a result"


def _same(a: Sequence[Boxes], b: Sequence[Boxes]) -> bool:
    return len(a) == len(b) and all(map(_alike, a, b))


def _alike(a: Boxes, b: Boxes) -> bool:
    return (
        len(a) == len(b)
        and bool((a.class_id == b.class_id).all())
        and np.allclose(a.xyxy, b.xyxy, rtol=0, atol=_TOLERANCE_PX)
        and np.allclose(a.score, b.score, rtol=0, atol=_TOLERANCE_SCORE)
    )


def classifier_faults(classifier: Classifier, windows: Sequence[Window] | None = None) -> list[str]:
    """Return how a classifier violates the contract of `reelabel.models.base.Classifier`.

    Args:
        classifier: the one to check; it is opened several times.
        windows: of pictures of one size, to check with; None takes `sample_pictures`.

    Returns:
        One sentence for each fault; an empty list for a sound classifier.
    """
    given = list(windows) if windows is not None else _sample_windows(classifier.frames)
    faults = list(_classifier_description_faults(classifier))
    once = classifier.open()(given)
    faults += _probability_faults(once, len(given), classifier)
    if faults:
        return faults
    if not _near(classifier.open()(given), once):
        faults.append("the same windows gave other probabilities the second time")
    opened = classifier.open()
    if not _near(np.concatenate([opened([window]) for window in given]), once):
        faults.append("windows one by one gave other probabilities than together")
    if not _near(_interleaved_rows(classifier.open(), classifier.open(), given), once):
        faults.append("two opened functions disturb each other")
    return list(dict.fromkeys([*faults, *_odd_window_faults(classifier)]))


def _sample_windows(frames: int) -> list[Window]:
    """Return three windows, each of another ground and one in reverse."""
    series = [sample_pictures(seed=seed) * (1 + frames // 4) for seed in range(2)]
    windows = [pictures[:frames] for pictures in series]
    return [*windows, windows[0][::-1]]


def _classifier_description_faults(classifier: Classifier) -> Iterator[str]:
    candidate: object = classifier  # whatever a plug-in calls one
    if not isinstance(candidate, Classifier):
        yield "it lacks attributes of Classifier"
    names = classifier.classes
    if not names or not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        yield "classes must be names, at least one, no two alike"
    if not classifier.fingerprint or not isinstance(classifier.fingerprint, str):
        yield "fingerprint must be a text that is not empty"
    if classifier.batch_size < 1 or classifier.frames < 1 or classifier.step_s < 0:
        yield "batch_size and frames must be at least 1, step_s at least 0"
    if pickle.loads(pickle.dumps(classifier)).fingerprint != classifier.fingerprint:  # noqa: S301 -- what was pickled one call before
        yield "a pickled description has another fingerprint, so it cannot go to other processes"


def _probability_faults(
    rows: NDArray[np.float32], count: int, classifier: Classifier
) -> Iterator[str]:
    shape = (count, len(classifier.classes))
    if rows.shape != shape or rows.dtype != np.float32:
        yield f"probabilities must be {shape} float32, but are {rows.shape} {rows.dtype}"
    elif not np.isfinite(rows).all() or (rows < 0).any() or (rows > 1 + _TOLERANCE_SCORE).any():
        yield "probabilities must lie in 0..1"
    elif classifier.exclusive and not np.allclose(rows.sum(axis=1), 1, atol=_TOLERANCE_SCORE):
        yield "probabilities of exclusive classes must sum to 1"


def _interleaved_rows(
    first: Classify, second: Classify, given: Sequence[Window]
) -> NDArray[np.float32]:
    """Return the first one's results while the second gets the windows in another order."""
    results = []
    for window, other in zip(given, reversed(given), strict=True):
        results.append(first([window]))
        second([other])
    return np.concatenate(results)


def _odd_window_faults(classifier: Classifier) -> Iterator[str]:
    opened = classifier.open()
    yield from _probability_faults(opened([]), 0, classifier)
    for length, size_wh in ((1, (64, 48)), (2, (1, 1)), (classifier.frames + 2, (3, 200))):
        window = [np.zeros((size_wh[1], size_wh[0], 3), np.uint8)] * length
        for fault in _probability_faults(opened([window]), 1, classifier):
            yield f"{fault} ({length} of {size_wh[0]}x{size_wh[1]})"
    mixed = [sample_pictures(size_wh)[:1] for size_wh in ((64, 48), (32, 80))]
    yield from _probability_faults(opened(mixed), 2, classifier)


def _near(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=_TOLERANCE_SCORE)


def embedder_faults(embedder: Embedder, pictures: Sequence[Image] | None = None) -> list[str]:
    """Return how an embedder violates the contract of `reelabel.models.base.Embedder`.

    Args:
        embedder: the one to check; it is opened several times.
        pictures: to check with; None takes `sample_pictures`.

    Returns:
        One sentence for each fault; an empty list for a sound embedder.
    """
    given = list(pictures) if pictures is not None else sample_pictures()
    given = [*given, np.zeros((48, 64, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]
    once = embedder.open()(given)
    faults = list(_row_faults(once, (len(given), embedder.dimensions)))
    if faults:
        return faults
    if not np.allclose(embedder.open()(given), once, atol=_TOLERANCE_UNIT):
        faults.append("the same pictures gave other rows the second time")
    opened = embedder.open()
    alone = np.concatenate([opened([picture]) for picture in given])
    if not np.allclose(alone, once, atol=_TOLERANCE_UNIT):
        faults.append("pictures one by one gave other rows than together")
    if opened([]).shape != (0, embedder.dimensions):
        faults.append("no pictures must give no rows")
    if pickle.loads(pickle.dumps(embedder)).fingerprint != embedder.fingerprint:  # noqa: S301 -- what was pickled one call before
        faults.append("a pickled description has another fingerprint")
    return faults


def _row_faults(rows: NDArray[np.float32], shape: tuple[int, int]) -> Iterator[str]:
    if rows.shape != shape or rows.dtype != np.float32:
        yield f"rows must be {shape} float32, but are {rows.shape} {rows.dtype}"
    elif not np.allclose(np.linalg.norm(rows, axis=1), 1, atol=_TOLERANCE_UNIT):
        yield "rows must have length 1"
