"""Both cores of a small machine: parts of a batch, and the next batch, in threads of one process.

Each thread computes with one thread of torch: threads that share one operation wait for each other
after each of some thousand operations per step, and lose more than they gain once another program
takes a core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reelabel.models.students.targets import LossSums

PartLoss = Callable[[], LossSums]
"""Computes the losses of one part of a batch."""


class Gradient(NamedTuple):
    """The gradient of a batch.

    Attributes:
        terms: the loss terms of the whole batch.
        values: one per parameter.
    """

    terms: dict[str, Tensor]
    values: list[Tensor]


def available_cores() -> int:
    """Return how many cores this process may use, at most ``OMP_NUM_THREADS`` where that is set."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:  # macOS, Windows
        cores = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(limit))) if limit.isdecimal() else cores


def gradient(
    losses: Sequence[PartLoss], parameters: Sequence[nn.Parameter], pool: Executor
) -> Gradient:
    """Return the gradient of a batch from the losses of its parts.

    The sum has a fixed order, so it is the same to the bit for any number of threads.
    """

    def of_part(loss: PartLoss) -> tuple[LossSums, tuple[Tensor, ...]]:
        sums = loss()
        summed = torch.stack(list(sums.terms.values())).sum()
        values = torch.autograd.grad(summed, parameters, allow_unused=True, materialize_grads=True)
        return LossSums({k: v.detach() for k, v in sums.terms.items()}, sums.divisor), values

    first, *others = pool.map(of_part, losses)
    terms, divisor, values = dict(first[0].terms), first[0].divisor, list(first[1])
    for sums, more in others:
        terms = {name: value + sums.terms[name] for name, value in terms.items()}
        divisor = divisor + sums.divisor
        torch._foreach_add_(values, more)
    factor = 1.0 / max(1.0, float(divisor))
    torch._foreach_mul_(values, factor)
    return Gradient({name: value * factor for name, value in terms.items()}, values)


class Prefetched:
    """Yields what an iterable does; the next item is made in a thread while one is used."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        end, items = object(), iter(self._source)
        with ThreadPoolExecutor(1, "load") as pool:
            coming = pool.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = pool.submit(next, items, end)
                yield item
