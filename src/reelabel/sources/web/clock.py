"""Time and chance, injected so that tests neither wait nor vary."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SLICE_S = 0.25
"""Longest sleep in one piece, so that a stop is noticed soon."""


class Stopped(Exception):  # noqa: N818 -- not an error: the user asked to stop
    """Raised where fetching waits or reads when it is to stop; what came so far is kept."""


@dataclass(frozen=True)
class Clock:
    """Time, sleep and chance, and the wish to stop.

    Attributes:
        now: seconds since 1970-01-01 UTC.
        monotonic: seconds of a clock that is never set back.
        pause: sleeps that many seconds.
        chance: a number in [0, 1).
        stop: set when fetching is to stop.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random  # noqa: S311 -- jitter is no secret
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise `Stopped` if fetching is to stop."""
        if self.stop.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep, in slices.

        Raises:
            Stopped: if fetching is to stop.
        """
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            self.check()
            self.pause(min(left, _SLICE_S))
        self.check()
