"""Classifiers without torch: mapped ones, Python functions, ONNX files; all keep the contract."""

from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from reelabel.errors import ModelError, UsageError
from reelabel.models.callables import register_callable
from reelabel.models.classifiers.fake import FakeClassifier
from reelabel.models.classifiers.mapped import wanted_classes
from reelabel.models.contract import classifier_faults, sample_pictures
from reelabel.models.registry import load_classifier
from reelabel.models.students.onnx_metadata import OnnxMetadata, read_metadata

RED = [np.full((8, 8, 3), (200, 20, 20), np.uint8)]

# ---- the contract


@pytest.mark.parametrize("options", [{}, {"frames": 4, "step_s": 0.5}])
def test_the_fake_keeps_the_contract(options):
    """The classifier without weights is sound, for pictures and for windows."""
    assert classifier_faults(load_classifier("fake:", options=options, wanted=("a", "b"))) == []


CALLS: list[int] = []


@dataclass(frozen=True)
class Bad:
    """A classifier with one fault at a time."""

    fault: str = ""
    name: str = "bad"
    classes: tuple[str, ...] = ("a", "b")
    fingerprint: str = "f"
    exclusive: bool = True
    frames: int = 1
    step_s: float = 0.0
    fit_wh: tuple[int, int] | None = None
    batch_size: int = 1

    def open(self):
        """Return the function, faulty if asked for."""
        own = []

        def classify(windows):
            CALLS.append(1)
            own.append(1)
            share = {"again": len(CALLS) % 7 / 10, "own": len(own) % 7 / 10}.get(self.fault, 0.5)
            if self.fault == "together":
                share = 0.5 if len(windows) > 1 else 0.6
            rows = np.tile(np.array([share, 1 - share], np.float32), (len(windows), 1))
            if self.fault == "odd" and windows and windows[0][0].shape[0] == 48:
                rows[:] = np.nan
            return {
                "sum": rows / 2, "nan": rows * np.nan, "high": rows * 3,
                "double": rows.astype(float), "wide": np.concatenate([rows, rows], 1),
            }.get(self.fault, rows)  # fmt: skip

        return classify


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"fault": "sum"}, "sum to 1"),
        ({"fault": "nan"}, "lie in 0..1"),
        ({"fault": "high"}, "lie in 0..1"),
        ({"fault": "double"}, "float32"),
        ({"fault": "wide"}, "must be (3, 2)"),
        ({"fault": "again"}, "the second time"),
        ({"fault": "together"}, "one by one"),
        ({"fault": "own"}, "one by one"),
        ({"fault": "odd"}, "of 64x48"),
        ({"classes": ("a", "a")}, "no two alike"),
        ({"fingerprint": ""}, "fingerprint"),
        ({"batch_size": 0}, "at least 1"),
        ({"step_s": -1.0}, "at least 0"),
    ],
)
def test_faults_are_found(change, fault):
    """Each violation of the contract is a sentence; without any there is none."""
    assert classifier_faults(Bad()) == []
    found = classifier_faults(replace(Bad(), **change))
    assert any(fault in sentence for sentence in found), found


# ---- mapped


@dataclass(frozen=True)
class Fixed(FakeClassifier):
    """A classifier that always gives the same probabilities."""

    row: tuple[float, ...] = ()
    exclusive: bool = True

    def open(self):
        """Return the function."""
        return lambda windows: np.tile(np.array(self.row, np.float32), (len(windows), 1))


ANIMALS = Fixed(
    classes=("tabby", "lynx", "setter", "fox terrier", "car"), row=(0.1, 0.2, 0.3, 0.1, 0.3)
)


def row_of(classifier):
    """Return the one row that a classifier gives."""
    return classifier.open()([RED])[0].tolist()


def test_joined_classes_are_added():
    """Where one class is right, those that are joined are added, and the rest is left or shared."""
    mapping = {"tabby": "cat", "lynx": "cat", "*er": "dog"}
    left = wanted_classes(ANIMALS, ["dog", "cat"], mapping)
    assert row_of(left) == pytest.approx([0.4, 0.3])
    assert not left.exclusive
    share = wanted_classes(ANIMALS, ["dog", "cat"], mapping, rest="share")
    assert row_of(share) == pytest.approx([4 / 7, 3 / 7])
    assert share.exclusive
    assert share.fingerprint != left.fingerprint
    whole = wanted_classes(ANIMALS, ["dog", "cat", "car"], mapping)
    assert whole.exclusive
    assert row_of(whole) == pytest.approx([0.4, 0.3, 0.3])
    assert classifier_faults(whole) == []
    nothing = Fixed(classes=("a", "b", "c"), row=(0.0, 0.0, 1.0))
    assert row_of(wanted_classes(nothing, ["b", "a"], rest="share")) == [0.5, 0.5]


def test_classes_that_are_right_together_count_by_the_highest():
    """Where several classes may be right, those that are joined are not added."""
    several = replace(ANIMALS, exclusive=False, row=(0.9, 0.8, 0.3, 0.4, 0.0))
    found = wanted_classes(several, ["cat", "dog"], {"tabby": "cat", "lynx": "cat", "*er": "dog"})
    assert row_of(found) == pytest.approx([0.9, 0.4])
    assert not found.exclusive


def test_a_model_of_these_very_classes_is_left_as_it_is():
    """No wrapper is put around a model whose classes are the wanted ones, in their order."""
    assert wanted_classes(ANIMALS, ANIMALS.classes, {"tabby cat": "tabby"}) is ANIMALS
    turned = wanted_classes(ANIMALS, ANIMALS.classes[::-1])
    assert row_of(turned) == pytest.approx(ANIMALS.row[::-1])
    assert turned.exclusive


@pytest.mark.parametrize(
    ("wanted", "mapping", "message"),
    [
        (["tabbi"], {}, "no class 'tabbi' .did you mean 'tabby'"),
        (["cat"], {"tabbi": "cat"}, "no class 'tabbi'"),
        (["cat"], {"x*": "cat"}, r"no class 'x\*'"),
        (
            ["cat", "dog"],
            {"*er": "cat", "s*": "dog"},
            "'setter' .* is mapped to 'cat' and to 'dog'",
        ),
    ],
)
def test_classes_that_the_model_lacks_are_named(wanted, mapping, message):
    """A name or pattern that means no class, or two patterns that contradict, are errors."""
    with pytest.raises(ModelError, match=message):
        wanted_classes(ANIMALS, wanted, mapping)


def test_the_own_name_beats_a_pattern():
    """A class that is mapped by its own name is not taken by a pattern."""
    found = wanted_classes(ANIMALS, ["cat", "dog"], {"*er": "dog", "setter": "cat"})
    assert row_of(found) == pytest.approx([0.3, 0.1])


@given(st.lists(st.integers(0, 9), min_size=5, max_size=5), st.permutations(range(5)))
def test_no_probability_is_invented(parts, order):
    """Wanted classes never have more than the model gave, and all of it if all are wanted."""
    total = sum(parts) or 1
    model = replace(ANIMALS, row=tuple(part / total for part in parts))
    names = [model.classes[i] for i in order]
    some = row_of(wanted_classes(model, names[:3], {names[3]: names[0]}))
    assert sum(some) <= sum(model.row) + 1e-6
    everything = row_of(wanted_classes(model, names))
    assert everything == pytest.approx([model.row[i] for i in order])


# ---- Python functions


def brightness(image):
    """Return how dark and how bright a picture is."""
    share = float(image.mean()) / 255
    return {"dark": 1 - share, "bright": share}


class Motion:
    """Judges windows by the change between their pictures."""

    classes = ("still", "moving")
    frames = 3
    step_s = 0.2

    def predict(self, pictures):
        """Return an array in the order of the classes."""
        assert len(pictures) == 3
        change = min(abs(pictures[0].astype(int) - pictures[-1]).mean() / 10, 1)
        return np.array([1 - change, change])


def test_functions_and_objects_are_classifiers():
    """A function with named probabilities and an object with an array are sound classifiers."""
    found = load_classifier(register_callable(brightness), wanted=("bright", "dark"))
    assert classifier_faults(found) == []
    row = found.open()([[np.full((4, 4, 3), 255, np.uint8)]])[0]
    assert row.tolist() == [1, 0]
    clips = load_classifier(register_callable(Motion()))
    assert (clips.classes, clips.frames, clips.step_s) == (("still", "moving"), 3, 0.2)
    pictures = sample_pictures()
    rows = clips.open()([[pictures[0]] * 5, pictures])
    assert rows[0].tolist() == [1, 0]
    assert rows[1, 1] > 0.5


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"dark": 1, "brihgt": 0}, "'brihgt' .did you mean 'bright'"),
        ([0.5], "got 1 numbers"),
        ([0.2, 0.2], "a sum of 0.4"),
        ([2, -1], r"got \[2.0, -1.0\]"),
        ([float("nan"), 1], "got"),
        ("dark", "a str"),
        (None, "got"),
    ],
)
def test_what_is_no_probability_is_refused(answer, message):
    """An answer of another form, of unknown classes or with another sum is an error."""

    class Fault:
        classes = ("bright", "dark")

        def __call__(self, _):
            return answer

    with pytest.raises(ModelError, match=message):
        load_classifier(register_callable(Fault())).open()([RED])


def test_the_how_to_runs_as_printed(monkeypatch):
    """The function of the how-to is a sound classifier."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "use-another-classifier.md"
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    module = types.ModuleType("how_to")  # pickling looks the function up in its module
    monkeypatch.setitem(sys.modules, "how_to", module)
    exec(compile(code, "how-to", "exec"), vars(module))  # noqa: S102 -- our own page


def test_functions_of_other_processes_and_without_classes_are_refused():
    """A function that is not registered, or whose classes nobody names, is an error."""
    with pytest.raises(ModelError, match="classifier=function"):
        load_classifier("callable:somewhere.else", wanted=("a",))
    with pytest.raises(ModelError, match="expected the classes"):
        load_classifier(register_callable(brightness))


# ---- ONNX files


def network(path, shape, *, dtype=TensorProto.FLOAT, act="", names=None, bias=(0, 0, 0), classes=3):
    """Write a network that gives the mean of each channel of its input, plus a bias."""
    axes = {"nchw": [2, 3], "nhwc": [1, 2], "ntchw": [1, 3, 4], "nthwc": [1, 2, 3]}
    layout = {4: "nchw" if shape[1] == 3 else "nhwc", 5: "ntchw" if shape[2] == 3 else "nthwc"}
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f", "axes"], ["m"], keepdims=0),
        helper.make_node("Add", ["m", "bias"], ["y" if not act else "z"]),
    ]
    if act:
        nodes.append(
            helper.make_node(act, ["z"], ["y"], **({"axis": 1} if act == "Softmax" else {}))
        )
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], classes])],
        [
            numpy_helper.from_array(np.array(axes[layout[len(shape)]], np.int64), "axes"),
            numpy_helper.from_array(np.array(bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if names:
        helper.set_model_props(model, names)
    onnx.save(model, str(path))
    return f"onnx:{path}"


LABELS = ("red", "green", "blue")
PLAIN = {"labels": LABELS, "mean": (0, 0, 0), "std": (1, 1, 1), "resize": "stretch"}
COLOURED = [[np.full((10, 20, 3), (255, 0, 51), np.uint8)]]


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (["b", 3, 8, 8], {}),
        ([1, 3, 8, 8], {}),
        ([4, 3, 8, 8], {}),
        (["b", 3, "h", "w"], {"size": 16}),
        (["b", 3, 8, 12], {}),
        (["b", 8, 8, 3], {}),
        (["b", 4, 3, 8, 8], {}),
        (["b", 4, 8, 8, 3], {}),
        (["b", "t", 3, 8, 8], {"frames": 4}),
        (["b", 3, 8, 8, 3], {"layout": "bthwc"}),
    ],
)
def test_layouts_and_batches(tmp_path, shape, more):
    """Channels first or last, pictures or windows, open or fixed sizes and batches: all work."""
    spec = network(tmp_path / "n.onnx", shape)
    classifier = load_classifier(
        spec, options={**PLAIN, **more, "activation": "none", "exclusive": False}
    )
    assert classifier.frames == (1 if len(shape) == 4 else 3 if more.get("layout") else 4)
    assert classifier_faults(classifier) == []
    rows = classifier.open()([COLOURED[0] * classifier.frames] * 5)
    assert rows == pytest.approx(np.tile([1, 0, 0.2], (5, 1)), abs=1e-3)


def test_preparation(tmp_path):
    """Mean and deviation are ImageNet's unless set, the order of channels can be turned."""
    spec = network(tmp_path / "n.onnx", ["b", 3, 8, 8])
    linear = {"labels": LABELS, "activation": "sigmoid"}
    row = load_classifier(spec, options=linear).open()(COLOURED)[0]
    logits = (np.array([1, 0, 0.2]) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert row == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-3)
    row = load_classifier(spec, options={**linear, "order": "bgr"}).open()(COLOURED)[0]
    assert row == pytest.approx((1 / (1 + np.exp(-logits)))[::-1], abs=1e-3)
    spec = network(tmp_path / "u.onnx", ["b", 3, 8, 8], dtype=TensorProto.UINT8)
    row = load_classifier(spec, options=linear).open()(COLOURED)[0]
    assert row == pytest.approx([1, 0.5, 1], abs=1e-3)


def test_the_middle_is_cropped(tmp_path):
    """By default the middle square counts; stretched, all of the picture does."""
    spec = network(tmp_path / "n.onnx", ["b", 3, 8, 8])
    picture = np.zeros((32, 96, 3), np.uint8)
    picture[:, 32:64] = 255
    options = {**PLAIN, "activation": "none", "exclusive": False}
    rows = [
        load_classifier(spec, options={**options, **more}).open()([[picture]])[0, 0]
        for more in ({}, {"resize": "crop", "crop": 1.0}, {"resize": "crop", "crop": 0.5})
    ]
    assert rows == pytest.approx([1 / 3, 1, 1], abs=0.05)


@pytest.mark.parametrize(
    ("act", "bias", "exclusive", "activation"),
    [
        ("", (0, 5, 0), True, "softmax"),
        ("Softmax", (0, 5, 0), True, "none"),
        ("Sigmoid", (0, 5, 0), False, "none"),
        ("", (-4, 5, 0), True, "softmax"),
    ],
)
def test_outputs_are_recognised(tmp_path, act, bias, exclusive, activation):  # noqa: PLR0917 -- cases
    """Outputs that are probabilities stay as they are, others become some."""
    spec = network(tmp_path / "n.onnx", ["b", 3, 8, 8], act=act, bias=bias)
    found = load_classifier(spec, options={"labels": LABELS})
    assert (found.exclusive, found.activation) == (exclusive, activation)
    assert classifier_faults(found) == []
    several = load_classifier(spec, options={"labels": LABELS, "exclusive": False})
    assert several.activation == ("none" if act else "sigmoid")


def test_names_of_classes(tmp_path):
    """Names come from an option, a file, or the metadata; a wrong number of them is an error."""
    path = tmp_path / "n.onnx"
    spec = network(path, ["b", 3, 8, 8])
    with pytest.raises(
        ModelError, match="3 classes, but no names are known: set its option 'labels'"
    ):
        load_classifier(spec)
    with pytest.raises(ModelError, match="3 classes, but 2 names"):
        load_classifier(spec, options={"labels": ("a", "b")})
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    named = load_classifier(spec, home=tmp_path, options={"labels": "names.txt"})
    assert named.classes == ("a", "b", "c")
    network(path, ["b", 3, 8, 8], names={"names": "{1: 'b', 0: 'a', 2: 'c'}"})
    assert load_classifier(spec).classes == ("a", "b", "c")
    with pytest.raises(UsageError, match=r"no option 'label' .did you mean 'labels'"):
        load_classifier(spec, options={"label": "x"})


def test_metadata_of_our_exports_is_followed(tmp_path):
    """Classes, layout, preparation, frames and step of an export need no option."""
    own = OnnxMetadata(
        task="classify",
        classes=("ä", "b'\"", "c"),
        exclusive=False,
        frames=3,
        step_s=0.25,
        layout="bthwc",
        preprocessing={"size": 8, "resize": "stretch", "interpolation": "area"},
    )
    path = tmp_path / "n.onnx"
    spec = network(
        path, ["b", 3, 8, 8, 3], dtype=TensorProto.UINT8, act="Sigmoid", names=own.props()
    )
    found = load_classifier(spec)
    assert (found.classes, found.exclusive, found.frames) == (own.classes, False, 3)
    assert (found.step_s, found.activation, found.input.layout) == (0.25, "none", "bthwc")
    assert found.preprocessing.resize == "stretch"
    assert classifier_faults(found) == []
    for key, value in (("frames", "x"), ("names", "[]"), ("preprocessing", "{"), ("step_s", "nan")):
        network(path, ["b", 3, 8, 8, 3], names={**own.props(), key: value})
        with pytest.raises(ModelError, match="damaged"):
            load_classifier(spec)
    network(path, ["b", 3, 8, 8, 3], names={**own.props(), "reelabel_format": "9"})
    with pytest.raises(ModelError, match="later version"):
        load_classifier(spec)
    network(path, ["b", 3, 8, 8, 3], names={**own.props(), "task": "detect"})
    with pytest.raises(ModelError, match="one for 'detect'"):
        load_classifier(spec)
    network(
        path, ["b", 3, 8, 8, 3], names={**own.props(), "preprocessing": '{"size": -1, "crop": 7}'}
    )
    with pytest.raises(ModelError, match="damaged"):
        load_classifier(spec)


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=4),
    st.booleans(),
    st.integers(1, 64),
    st.floats(0, 100),
)
def test_metadata_comes_back(classes, exclusive, frames, step_s):
    """What is written into a file is read from it, whatever the names are."""
    written = OnnxMetadata(
        "classify", tuple(classes), exclusive, frames, step_s, "bhwc", {"size": 8}
    )

    class Session:
        def get_modelmeta(self):
            return type("Meta", (), {"custom_metadata_map": written.props()})

    assert read_metadata(Session(), "x") == written


@pytest.mark.parametrize(
    ("shape", "more", "message"),
    [
        (["b", 5, 8, 8], {}, "should take pictures"),
        (["b", 3, 8], {}, "should take pictures"),
        (["b", 3, 8, 8], {"layout": "bhwc"}, "laid out as bhwc"),
        (["b", "t", 3, 8, 8], {}, "set its option 'frames'"),
        (["b", 3, 8, 8, 3], {}, "set its option 'layout'"),
    ],
)
def test_networks_of_other_inputs_are_refused(tmp_path, shape, more, message):
    """A network that takes no pictures, or leaves open how, is an error that says what to set."""
    path = tmp_path / "n.onnx"
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=message):
        load_classifier(f"onnx:{path}", options={"labels": LABELS, **more})


def test_networks_of_the_test_data(data_dir):
    """Published networks are opened; detectors are refused, or give no number per class."""
    spec = f"onnx:{data_dir}/weights/osnet_x0_25_msmt17.onnx"
    labels = [f"{i}" for i in range(512)]
    found = load_classifier(spec, options={"labels": labels, "activation": "softmax"})
    assert classifier_faults(found) == []
    assert found.input.size_wh == (128, 256)
    with pytest.raises(ModelError, match="it does not classify"):
        load_classifier(f"onnx:{data_dir}/weights/yolox_nano.onnx", options={"labels": LABELS})
