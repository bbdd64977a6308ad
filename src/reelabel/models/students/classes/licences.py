"""Licences of weights that their makers publish: those that forbid commercial use are refused."""

from __future__ import annotations

import re

from reelabel.errors import UsageError
from reelabel.models.students.settings import ClassStudentSettings

KNOWN = {
    "MCG-NJU/videomae": "cc-by-nc-4.0",
    "facebook/timesformer": "cc-by-nc-4.0",
    "facebook/vjepa2-vitl": "mit",
    "facebook/vjepa2-vith": "apache-2.0",
    "facebook/vjepa2-vitg": "apache-2.0",
    "google/vivit": "mit",
}
"""First part of a hub id -> licence, for models whose card cannot be read here."""

_NONCOMMERCIAL = re.compile(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial|SWAG/.*LICENSE", re.IGNORECASE)


def is_noncommercial(licence: str) -> bool:
    """Return whether a licence, by its short name or address, forbids commercial use.

    >>> is_noncommercial("cc-by-nc-4.0"), is_noncommercial("apache-2.0")
    (True, False)
    """
    return bool(_NONCOMMERCIAL.search(licence))


def known_licence(hub_id: str) -> str:
    """Return the licence of a model of the hub as far as it is known here; else empty."""
    return next((name for start, name in KNOWN.items() if hub_id.startswith(start)), "")


def check_licence(what: str, licence: str, settings: ClassStudentSettings) -> None:
    """Refuse weights whose licence forbids commercial use, unless the settings accept that.

    Raises:
        UsageError: naming the setting that accepts it.
    """
    if is_noncommercial(licence) and not settings.accept_noncommercial:
        raise UsageError(
            f"the weights of {what} have the licence {licence}, which forbids commercial use: "
            "choose another student, or set accept_noncommercial to true"
        )
