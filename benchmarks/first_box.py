"""Processor time to the first box: a YOLOX student against the detector ``onnx:`` of its network.

    python benchmarks/first_box.py

The student is the untrained start of YOLOX-nano; each call is a process of its own, in turns. It
also states which of the two imported torch.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import DATA, taken
from reelabel.models.students.folder import ModelCard, write_card
from reelabel.models.students.registry import family_of
from reelabel.training.boxes.settings import BoxTrainSettings

TIMES = 9
NETWORK = DATA / "weights" / "yolox_nano.onnx"
CLIP = DATA / "videos" / "sports" / "soccer_juggle.mp4"
WORK = """
import sys
import reelabel
reelabel.predict(sys.argv[1], [sys.argv[2]], end_s=0.04, quiet=True)
print("torch" in sys.modules)
"""


def student(folder: Path) -> None:
    """Write the folder of a student as training leaves it."""
    settings = BoxTrainSettings(student="yolox", weights=NETWORK)
    family = family_of(settings)
    network = family.build(settings, ("sports ball",)).eval()
    family.save(folder, network)
    card = ModelCard(kind="yolox", classes=("sports ball",), image_size=416)
    write_card(folder, card.model_copy(update={"arch": network.arch}))


def main() -> None:
    """Print medians and their ratio."""
    with tempfile.TemporaryDirectory() as home:
        student(Path(home))
        models = {"onnx:": f"onnx:{NETWORK}", "student": f"student:{home}"}
        seconds: dict[str, list[float]] = {name: [] for name in models}
        torch: dict[str, str] = {}
        for _ in range(TIMES):
            for name, model in models.items():
                call = [sys.executable, "-c", WORK, model, str(CLIP)]

                def work(call: list[str] = call, name: str = name) -> None:
                    done = subprocess.run(call, check=True, capture_output=True, text=True)
                    torch[name] = done.stdout.split()[-1]

                seconds[name].append(taken(work, resource.RUSAGE_CHILDREN)[1])
    for name, found in seconds.items():
        print(
            f"  {name:<8} {statistics.median(found):5.2f} s of processor time, torch {torch[name]}"
        )
    ratio = statistics.median(seconds["student"]) / statistics.median(seconds["onnx:"])
    print(f"  student / onnx: {ratio:.2f}")


if __name__ == "__main__":
    main()
