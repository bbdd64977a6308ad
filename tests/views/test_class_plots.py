"""Plots of classification: what they show, and that names stay text."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from reelabel.evaluation.classes.calibration import Reliability
from reelabel.views import class_plots
from reelabel.views.class_plots import Band, Stretch
from reelabel.views.plot_style import COLOURS

HOSTILE = "a <b>$x$</b> & \x00"


def drawn(uri: str) -> ET.Element:
    """Return the SVG of a data URI."""
    assert uri.startswith("data:image/svg+xml;base64,")
    return ET.fromstring(base64.b64decode(uri.partition(",")[2]))  # noqa: S314 -- our own plot


def texts(uri: str) -> list[str]:
    """Return all texts of a plot."""
    return [element.text or "" for element in drawn(uri).iter() if element.tag.endswith("text")]


def test_a_timeline_has_curves_and_bands():
    """One curve per class with its name, and bands with what is claimed of stretches of time."""
    bands = [Band("tags", [Stretch(0, 9, "indoor", COLOURS[0])])]
    curves = {"indoor": [0.1, 0.9, 0.8], HOSTILE: [0.9, 0.1, 0.2]}
    uri = class_plots.timeline([0, 1, 2], curves, span_s=(0, 9), threshold=0.5, bands=bands)
    shown = texts(uri)
    assert {"indoor", "tags", "seconds", "0.5"} <= set(shown)
    assert any("<b>" in text for text in shown)
    source = base64.b64decode(uri.partition(",")[2]).decode()
    assert source.count(f"stroke: {COLOURS[0]}") >= 1
    assert source.count(f"fill: {COLOURS[0]}") >= 1


def test_a_stretch_too_short_for_its_text_has_none():
    """Texts never overlap what is beside them."""
    bands = [Band("labels", [Stretch(0, 0.1, "contradicts", "#111111")])]
    assert "contradicts" not in texts(class_plots.timeline([], {}, span_s=(0, 30), bands=bands))


def test_many_classes_share_the_plot_by_their_peaks():
    """No more than eight curves; those that come nearest to 1 are kept, in the order given."""
    curves = {f"class {i}": [i / 20, 0.0] for i in range(20)}
    shown = texts(class_plots.timeline([0, 1], curves, span_s=(0, 1)))
    assert [text for text in shown if text.startswith("class")] == [
        f"class {i}" for i in range(12, 20)
    ]


def test_a_matrix_has_a_number_in_every_cell_that_is_not_empty():
    """Rows are true classes; long names are cut, and large matrices have no numbers."""
    counts = np.array([[20, 3], [0, 15]])
    uri = class_plots.confusion_matrix(counts, ["indoor", "x" * 60])
    shown = texts(uri)
    assert [text for text in shown if text.isdigit()] == ["20", "3", "15"]
    assert "x" * 24 + "…" in shown
    assert {"truth", "predicted"} <= set(shown)
    large = class_plots.confusion_matrix(np.eye(30, dtype=int), [str(i) for i in range(30)])
    assert len(texts(large)) < 2 * 30 + 5


@pytest.mark.parametrize("k", [2, 40])
def test_a_matrix_without_rows_is_drawn(k):
    """A class that is never true divides nothing by 0."""
    assert drawn(class_plots.confusion_matrix(np.zeros((k, k), int), ["a"] * k)) is not None


def test_calibration_has_a_curve_per_model():
    """And the diagonal on which confidence is accuracy."""
    curves = {"teacher": Reliability((0.5, 0.9), (0.4, 1.0), (5, 5)), HOSTILE: Reliability()}
    uri = class_plots.reliability_curve(curves)
    assert {"teacher", "confidence", "accuracy"} <= set(texts(uri))
    source = base64.b64decode(uri.partition(",")[2]).decode()
    assert re.search(f"stroke: {COLOURS[0]}", source)


def test_equal_figures_give_equal_bytes():
    """A report made again is the same file."""
    curves = {"a": [0.1, 0.2]}
    first = class_plots.timeline([0, 1], curves, span_s=(0, 1))
    assert class_plots.timeline([0, 1], curves, span_s=(0, 1)) == first


def test_axes_are_named_after_what_is_given():
    """Agreement with labels is on no axis that states truth or accuracy."""
    counts = np.array([[2, 1], [0, 3]])
    shown = texts(class_plots.confusion_matrix(counts, ["a", "b"], "held-out labels"))
    assert "held-out labels" in shown
    assert "truth" in texts(class_plots.confusion_matrix(counts, ["a", "b"]))
    assert "agreement" in texts(class_plots.reliability_curve({}, "agreement"))
