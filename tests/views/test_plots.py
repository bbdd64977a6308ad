"""Plots say what they are given, and survive what they are not made for."""

from __future__ import annotations

import base64
import re
import sys
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest

from reelabel.views import plots
from reelabel.views.plot_style import legend, styled


def texts(uri: str) -> list[str]:
    """Return all texts of an SVG picture."""
    head, _, content = uri.partition(",")
    assert head == "data:image/svg+xml;base64"
    root = ET.fromstring(base64.b64decode(content))  # noqa: S314 -- we wrote it
    assert root.tag.endswith("svg")
    return [t for e in root.iter() if e.tag.endswith("}text") for t in e.itertext()]


def count(uri: str, colour: str) -> int:
    """Return how often a colour is used in an SVG picture."""
    return base64.b64decode(uri.partition(",")[2]).decode().count(colour)


def png(uri: str) -> np.ndarray:
    """Return the pixels of a PNG data URI."""
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


HARD = ["$x_1^$", "a<b>&\"'", "\x07bell", "Bälle", "_hidden", "名"]


@pytest.mark.parametrize("name", HARD)
def test_names_are_shown_as_they_are(name):
    """Names with signs of formulas, tags and controls are drawn as text, without warnings."""
    uri = plots.label_counts({name: {"small": 3, "large": 1}, "dog": {"small": 2}})
    shown = name.replace("\x07", "\N{REPLACEMENT CHARACTER}")
    assert shown in texts(uri)
    assert {"small", "large", "dog"} <= set(texts(uri))


def test_curves_name_their_lines():
    """A precision-recall plot has a legend with each name."""
    curve = (np.linspace(0, 1, 11), np.linspace(1, 0.2, 11))
    shown = texts(plots.precision_recall({"teacher": curve, "student": curve}, iou=0.75))
    assert {"teacher", "student", "recall at IoU 0.75", "precision"} <= set(shown)


@pytest.mark.parametrize("losses", [{"box": [2.0, 1.0]}, {"box": [0.0, -1.0]}, {"box": []}, {}])
def test_training_curves_take_any_loss(losses):
    """Losses that are zero, negative or missing are drawn as well."""
    steps = [0, 1][: len(losses.get("box", []))]
    shown = texts(plots.training_curve(steps, losses, ([0, 1], [0.1, 0.4])))
    assert "agreement (dashed)" in shown
    assert ("box" in shown) == bool(losses)


@pytest.mark.parametrize("points", [1, 2, 3, 5])
def test_few_points_of_a_training_have_markers(points):
    """One or two points of a term are marked, wherever they stand among others' steps."""
    steps = np.arange(10) * 30
    values = np.where(np.arange(10) < points, 1.5, np.nan)
    marked = plots.training_curve(steps, {"box": values})
    alone = plots.training_curve(steps[:points], {"box": values[:points]})
    assert marked == alone
    drawn = base64.b64decode(marked.partition(",")[2]).decode()
    markers = re.findall(r'<g clip-path="[^"]*">\s*<use ', drawn)  # ticks are not clipped
    assert bool(markers) == (points < 3)


def test_histograms_have_the_colours_of_their_states():
    """Each state has bars of its own colour; a state without labels breaks nothing."""
    uri = plots.score_histogram({"positive": [0.9, 0.8], "ignore": [], "negative": [0.1]}, 0.5)
    assert count(uri, plots.STATE_COLOURS["positive"]) > 0
    assert count(uri, plots.STATE_COLOURS["negative"]) > 0
    assert {"positive", "ignore", "negative", "score"} <= set(texts(uri))


def test_rounds_show_values_and_intervals():
    """Every model has its value written at its point; without an interval it is a point alone."""
    shown = texts(
        plots.rounds_comparison([("teacher", 0.4, 0.3, 0.5), ("student", 0.61, None, None)])
    )
    assert {"teacher", "student", "0.400", "0.610", "AP"} <= set(shown)
    assert "agreement" in texts(plots.rounds_comparison([("a", 0.4, None, None)], "agreement"))


def test_counts_have_a_group_per_round():
    """Every round is named, with a bar for each of its states."""
    uri = plots.counts_per_round([0, 1], {"positive": [4, 6], "ignore": [1, 2]})
    assert {"round 0", "round 1", "positive", "ignore"} <= set(texts(uri))
    assert count(uri, plots.STATE_COLOURS["positive"]) >= 2


@pytest.mark.parametrize(
    "plot",
    [
        lambda: plots.precision_recall({}),
        lambda: plots.score_histogram({"positive": []}),
        lambda: plots.label_counts({}),
        lambda: plots.rounds_comparison([]),
        lambda: plots.counts_per_round([], {}),
    ],
)
def test_plots_of_nothing_are_empty(plot):
    """With nothing to show a plot is its axes, not an error."""
    assert isinstance(texts(plot()), list)


def test_heat_maps_run_from_black_to_white():
    """Where no box lies the map is nearly black; where most lie it is white."""
    covered = np.array([[0, 1], [2, 4]])
    picture = png(plots.heat_map(covered))
    assert picture.shape == (2, 2, 3)
    assert picture[0, 0].max() < 20
    assert picture[1, 1].min() == 255
    assert (np.diff(picture.reshape(4, 3).astype(int).sum(1)) > 0).all()
    assert png(plots.heat_map(np.zeros((3, 5)))).max() < 20


def test_no_figure_is_left_open():
    """Plots use no global list of figures, so that nothing adds up over many rounds."""
    plots.counts_per_round([0], {"positive": [1]})
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("names", [["a"], ["untrained start, round 0", "student, round 1"] * 4])
def test_a_legend_hides_nothing(names):
    """It stands outside of the axes, which keep their height however many names there are."""
    heights = []
    for shown in ([], names):
        with styled(4.6, 3.0) as (figure, axes):
            for number, name in enumerate(shown or ["_"]):
                axes.plot([0, 1], [number, number], label=name)
            legend(axes)
            figure.draw_without_rendering()
            area = axes.get_window_extent()
            heights.append(area.height)
            assert not any(area.overlaps(one.get_window_extent()) for one in figure.legends)
            assert len(figure.legends) == bool(shown)
    assert heights[1] == pytest.approx(heights[0], rel=0.1)
