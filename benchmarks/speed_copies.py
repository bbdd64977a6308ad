"""Search for copies among many videos: seconds by their number, against comparing pairs in full.

    python benchmarks/speed_copies.py              500, 1,000 and 2,000 videos
    python benchmarks/speed_copies.py 5000

Signatures are random scenes with some motion, ten of a hundred of them mirrored copies. The rival
compares every pair that resembles each other coarsely, which is what `promising` saves.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from reelabel.labels.copies import Comparison, Seen, candidates, find_copies


def scene(rng: np.random.Generator) -> np.ndarray:
    """Return 4 to 30 signatures of one scene."""
    n = int(rng.integers(4, 31))
    place = np.kron(rng.normal(size=(4, 4)), np.ones((8, 8))) * 40
    moving = np.kron(rng.normal(size=(n, 8, 8)), np.ones((1, 4, 4))) * 15
    noise = rng.normal(size=(n, 32, 32)) * 15
    return np.clip(128 + place + moving + noise, 0, 255).astype(np.uint8)


def videos(count: int) -> dict[str, Seen]:
    """Return so many videos: of every ten the last is the first one mirrored."""
    rng, made = np.random.default_rng(0), list[np.ndarray]()
    for i in range(count):
        made.append(made[i - 9][:, :, ::-1] if i % 10 == 9 else scene(rng))
    return {str(i): Seen(f"clip_{i:05}.mp4", one) for i, one in enumerate(made)}


def in_full(given: dict[str, Seen]) -> int:
    """Compare every candidate in full; return how many copies there are."""
    compare = Comparison(given)
    pairs = candidates(given, given, among=True)
    return sum(compare.pair(a, b) is not None for a, b in pairs)


def main() -> None:
    """Print a row for each number of videos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[500, 1000, 2000])
    print("videos  copies   CPU-s  ms a video  in full, CPU-s  ratio")
    for count in parser.parse_args().counts:
        given = videos(count)
        began = time.process_time()
        found = len(find_copies(given))
        ours_s = time.process_time() - began
        began = time.process_time()
        if in_full(given) != found:
            raise SystemExit("the two do not find the same copies")
        full_s = time.process_time() - began
        row = f"{count:6} {found:7} {ours_s:7.1f} {1e3 * ours_s / count:11.1f}"
        print(f"{row} {full_s:15.1f} {full_s / ours_s:6.1f}", flush=True)


if __name__ == "__main__":
    main()
