"""After a kill in any place little is fetched twice, and all bytes are right.

``REELABEL_FETCH_KILLS`` raises how often.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise

from reelabel.sources.fetching.journal import read_history

KILLS = int(os.environ.get("REELABEL_FETCH_KILLS", "8"))
FETCH = """
import json, sys, types
from pathlib import Path
from reelabel.sources.fetching.fetch_all import fetch_all
from reelabel.sources.fetching.fetch_tools import Tools
from reelabel.sources.fetching.queue import Want
from reelabel.sources.web.settings import FetchSettings, Politeness

home, urls = Path(sys.argv[1]), json.loads(sys.argv[2])
wants = [
    Want("s", f"w{i}", url, False, ("a",), None, None, i, True, "", "", "")
    for i, url in enumerate(urls)
]
polite = Politeness(
    host_interval_s=0, max_bytes_per_s=int(sys.argv[3]), retry_after_s=0
)
settings = FetchSettings(allow=("127.0.0.1/32",), politeness=polite)
info = types.SimpleNamespace(container="mov,mp4", duration_s=9.0)
print("ready", flush=True)
done = fetch_all(
    wants, settings, home, tools=Tools(probe=lambda path: info), tick=lambda *_: None
)
print(json.dumps(done.notes["outcomes"]))
"""
MEBIBYTE = 1 << 20


def begin(folder, urls, bytes_per_s):
    """Start fetching in a process of its own."""
    command = [sys.executable, "-c", FETCH, str(folder), json.dumps(urls), str(bytes_per_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kept_bytes(folder):
    """Return the bytes that need not be fetched again."""
    history = read_history(folder)
    whole = sum(row["size_bytes"] for row in history.rows.values() if row["state"] == "fetched")
    return whole + sum(part.done_bytes for part in history.parts.values())


def check_kills(tmp_path, server, ranged, make, *, kills):
    """Kill a process that fetches, again and again, then let it finish and look at everything."""
    rng = random.Random(kills)
    sizes = [3_000, 40_000, 1_500_000, 7_000_000, 300_000, 9_000_000, 2_000]
    contents = [make(size, i) for i, size in enumerate(sizes)]
    pages = [ranged(content, ETag=f'"{i}"') for i, content in enumerate(contents)]
    urls = [server.add(f"/{i}", page) for i, page in enumerate(pages)]
    folder = tmp_path / "downloads"
    rate = 150_000 * (250 // kills)
    lost = [0]
    for _ in range(kills):
        process = begin(folder, urls, rate)
        assert process.stdout.readline() == "ready\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.05)  # the server notices that the connection is gone
        lost.append(sum(server.sent.values()) - kept_bytes(folder / "s"))
    output, _ = begin(folder, urls, 10**9).communicate()
    assert json.loads(output.splitlines()[1]) == {"fetched": len(urls)}
    for i, content in enumerate(contents):
        assert (folder / "s" / f"w{i}.mp4").read_bytes() == content
    assert [p.name for p in (folder / "s").glob("*.part")] == []
    rows = read_history(folder / "s").rows
    assert all(rows[f"w{i}"]["size_bytes"] == size for i, size in enumerate(sizes))
    assert sum(server.sent.values()) - sum(sizes) == lost[-1]
    assert max(after - before for before, after in pairwise(lost)) <= MEBIBYTE
    assert lost[-1] > 0  # the kills met it at work


def test_each_kill_costs_a_mebibyte_at_most(tmp_path, server, ranged, noise):
    """Counted by the server, with what was under way and in the buffers of both sides."""
    check_kills(tmp_path, server, ranged, noise, kills=KILLS)
