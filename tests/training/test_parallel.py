"""Parts of a batch in several threads, and batches that are loaded ahead."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402 -- torch

from reelabel.models.students.registry import family_of  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.fit import computes_parts  # noqa: E402 -- torch
from reelabel.training.jobs import make_job  # noqa: E402 -- torch
from reelabel.training.parallel import Prefetched, available_cores, gradient  # noqa: E402 -- torch
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def settings_of(data_dir, **given):
    """Return settings of a YOLOX student on small pictures."""
    weights = data_dir / "weights/yolox_nano.onnx"
    usual = {"student": "yolox", "weights": weights, "accelerator": "cpu", "max_steps": 6}
    sizes = {"image_size": 96, "crop": 64, "check_every": 3, "warmup_steps": 0}
    return BoxTrainSettings(**usual | sizes | given)


def job_of(folder, settings):
    """Return the training of these settings, and its first batch."""
    job = make_job(folder, settings, family_of(settings))
    return job, job.batches()[job.schedule.batch(0)]


def test_parts_have_the_gradient_of_the_whole(squares, data_dir):
    """Terms and gradient of the parts together are those of the batch."""
    job, batch = job_of(squares(8, 4), settings_of(data_dir, batch_size=10))
    student = job.student
    trained = [each for each in student.parameters() if each.requires_grad]
    terms = job.loss_terms(student, batch)
    expected = torch.autograd.grad(torch.stack(list(terms.values())).sum(), trained)
    parts = job.parts(student, batch)
    with ThreadPoolExecutor(2) as pool:
        found = gradient(parts, trained, pool)
    assert len(parts) == 3
    for name, value in terms.items():
        assert found.terms[name].item() == pytest.approx(value.item(), rel=1e-4)
    for one, two in zip(found.values, expected, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max() + 1e-3))


def test_a_frozen_backbone_has_the_same_gradient_in_onnx_runtime(squares, data_dir):
    """Features of ONNX Runtime change terms and gradient by rounding alone."""
    settings = settings_of(data_dir, freeze_backbone=True)
    job, (images, targets) = job_of(squares(8, 4), settings)
    student, pixels = job.student, images.float()
    trained = [each for each in student.parameters() if each.requires_grad]

    def terms_and_gradient():
        terms = student.forward_train(pixels, targets)
        return terms, torch.autograd.grad(sum(terms.values()), trained)

    (terms, values), _ = terms_and_gradient(), student.begin_training(torch.device("cpu"))
    assert student.frozen_backbone is not None
    again, others = terms_and_gradient()
    assert {k: v.item() for k, v in again.items()} == pytest.approx(
        {k: v.item() for k, v in terms.items()}, rel=1e-3
    )
    for one, two in zip(values, others, strict=True):
        assert torch.allclose(one, two, rtol=1e-2, atol=1e-3 * float(one.abs().max() + 1e-3))


def test_a_backbone_that_is_trained_stays_in_torch(squares, data_dir):
    """Only what no longer changes is given to ONNX Runtime."""
    job, _ = job_of(squares(), settings_of(data_dir, freeze_backbone=False))
    job.student.begin_training(torch.device("cpu"))
    assert job.student.frozen_backbone is None


def test_the_student_does_not_depend_on_the_number_of_threads(squares, data_dir, tmp_path):
    """One, two and four threads give the same weights to the bit, and the same agreement."""
    folder, states, curves = squares(8, 4), [], []
    for threads in (1, 2, 4):
        model = tmp_path / str(threads)
        trainer = load_trainer(settings_of(data_dir, batch_size=16, threads=threads))
        trainer.fit(folder, model, lambda *_: None)
        states.append(load_file(model / "model.safetensors"))
        curves.append((model / "curve.csv").read_text())
    assert len(set(curves)) == 1
    assert all(torch.equal(states[0][k], other[k]) for other in states[1:] for k in other)


def test_a_part_that_fails_ends_the_step(squares, data_dir):
    """An error in a thread is raised where the gradient is asked for."""
    job, batch = job_of(squares(), settings_of(data_dir))
    trained = [each for each in job.student.parameters() if each.requires_grad]

    def fail():
        raise MemoryError("no room")

    with ThreadPoolExecutor(2) as pool, pytest.raises(MemoryError, match="no room"):
        gradient([*job.parts(job.student, batch), fail], trained, pool)


def test_only_students_whose_pictures_are_apart_are_divided(data_dir):
    """Batch norms see a whole batch; 16-bit formats and several devices are left as they were."""
    yolox = settings_of(data_dir)
    other = BoxTrainSettings(student="centernet")
    assert computes_parts(yolox, family_of(yolox))
    assert not computes_parts(other, family_of(other))
    for change in ({"precision": "bf16"}, {"devices": 2}):
        assert not computes_parts(yolox.model_copy(update=change), family_of(yolox))


def test_the_next_item_is_made_in_a_thread_and_order_is_kept():
    """Items come in order, each made outside the thread that uses them."""
    makers = []

    class Source:
        def __len__(self):
            return 5

        def __iter__(self):
            for i in range(5):
                makers.append(threading.current_thread())
                yield i

    items = Prefetched(Source())
    assert len(items) == 5
    assert list(items) == [0, 1, 2, 3, 4]
    assert threading.current_thread() not in makers


def test_an_error_while_loading_ahead_is_raised():
    """What fails in the loading thread fails where its item is asked for, after those before."""

    def source():
        yield 1
        raise OSError("damaged")

    items = iter(Prefetched(source()))
    assert next(items) == 1
    with pytest.raises(OSError, match="damaged"):
        next(items)


@pytest.mark.parametrize(("limit", "most"), [("1", 1), ("9999", None), ("many", None)])
def test_openmp_limits_the_cores(monkeypatch, limit, most):
    """`OMP_NUM_THREADS` is a limit if it is a number, and so are the cores of the process."""
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_cores() == (most or cores)
