"""What comes out of each task: labels, scores, exports, and the functions behind its commands."""

from __future__ import annotations

from typing import Any

from reelabel.formats.registry import BOX_WRITERS
from reelabel.tables import CLASS_LABELS, LABELS
from reelabel.workspace.class_results import ClassificationScores
from reelabel.workspace.results import Scores

BOXES: dict[str, Any] = {
    "labels": LABELS,
    "scores": Scores,
    "exports": BOX_WRITERS,
    "predict": "reelabel.verbs.predict_boxes:predict_boxes",
    "report": "reelabel.verbs.report_boxes:report_boxes",
    "show": "reelabel.verbs.show:show_boxes",
    "import_labels": "reelabel.verbs.import_boxes:import_boxes",
    "unsure": "reelabel.verbs.unsure_boxes:UnsureBoxes",
    "check_file": "reelabel.verbs.people_checks:check_boxes",
    "ablate": "reelabel.verbs.ablate_boxes:ablate_boxes",
    "print_ablation": "reelabel.cli.box_printing:print_ablation",
    "figures": "reelabel.verbs.label_lines:box_figures",
    "print_figures": "reelabel.cli.box_printing:print_box_figures",
    "print_stage": "reelabel.cli.box_printing:print_box_stage",
    "print_scores": "reelabel.cli.box_printing:print_box_scores",
}
"""Of detection; see `reelabel.engine.task.Task`."""

CLASSES: dict[str, Any] = {
    "teacher_key": "teacher",
    "labels": CLASS_LABELS,
    "scores": ClassificationScores,
    "exports": {
        "image-folder": "reelabel.formats.image_folder:write_image_folder",
        "class-csv": "reelabel.formats.class_csv:write_class_csv",
        "kinetics-csv": "reelabel.formats.kinetics_csv:write_kinetics_csv",
        "fiftyone": "reelabel.formats.fiftyone_folder:write_fiftyone",
    },
    "export": "reelabel.verbs.export_classes:export_classes",
    "predict": "reelabel.verbs.predict_classes:predict_classes",
    "report": "reelabel.verbs.report_classes:report_classes",
    "show": "reelabel.verbs.show_classes:show_classes",
    "import_labels": "reelabel.verbs.import_classes:import_classes",
    "unsure": "reelabel.verbs.unsure_classes:UnsureClasses",
    "check_file": "reelabel.verbs.people_checks:check_class_rows",
    "ablate": "reelabel.verbs.ablate_classes:ablate_classes",
    "print_ablation": "reelabel.cli.class_printing:print_class_ablation",
    "print_scores": "reelabel.cli.class_printing:print_class_results",
}
"""Of classification."""
