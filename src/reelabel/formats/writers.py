"""The formats that data sets are exported in, and what writes each."""

from __future__ import annotations

BOX_FORMATS = {
    "coco": "reelabel.formats.coco_folder:write_coco_folder",
    "yolo": "reelabel.formats.yolo:write_yolo",
    "voc": "reelabel.formats.voc:write_voc",
}
"""Format -> the function that writes a `Dataset`, as ``module:name``."""
