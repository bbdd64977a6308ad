"""Clips per second from a loopback server, against yt-dlp's Python API and a bare urllib3 loop.

Politeness is switched off for the measurement: what is compared is the cost of each file. The bare
loop writes, syncs and renames each file, and does nothing else; reelabel syncs and decodes a file
while the next one comes. Printed too: how long a plan of
100,000 wanted videos takes to resume where nothing is due.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import urllib3
import yt_dlp

from common import DATA, Seconds, interleaved, table, taken
from reelabel.media.brief import BriefInfo
from reelabel.sources.fetching.fetch_all import fetch_all
from reelabel.sources.fetching.fetch_tools import Tools
from reelabel.sources.fetching.journal import Journal
from reelabel.sources.fetching.queue import Want
from reelabel.sources.fetching.scheduler import blank_row, brief
from reelabel.sources.web.settings import FetchSettings, Politeness

CLIPS, TIMES, PLANNED = 60, 5, 100_000
CLIP = DATA / "videos" / "gestures" / "asl_milk.mkv"
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

content = open(sys.argv[1], "rb").read()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        found = self.path != "/robots.txt"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "video/x-matroska")
        self.send_header("Content-Length", str(len(content) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(content)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
FAST = Politeness(host_interval_s=0, max_bytes_per_s=None)
ALLOWED = FetchSettings(allow=("127.0.0.1/32",), politeness=FAST)


def wanted(number: int, url: str) -> Want:
    """Return a want."""
    words = {"licence": "", "uploader": "", "title": ""}
    place = {"page": False, "labels": ("a",), "start_s": None, "end_s": None}
    return Want("s", f"w{number}", url, **place, rank=number, chosen=True, **words)


def ours(urls: list[str], folder: Path, *, look: bool) -> None:
    """Fetch with the client, journal and scheduler; `look`: also decode what came."""
    tools = Tools() if look else Tools(probe=lambda _: BriefInfo("matroska,webm", 3.0))
    wants = [wanted(i, url) for i, url in enumerate(urls)]
    done = fetch_all(wants, ALLOWED, folder, tools=tools, tick=lambda *_: None)
    if done.notes["outcomes"] != {"fetched": len(urls)}:
        raise RuntimeError(done.notes)


def bare(urls: list[str], folder: Path) -> None:
    """Fetch with urllib3, sync and rename."""
    pool = urllib3.PoolManager()
    for i, url in enumerate(urls):
        answer = pool.request("GET", url, preload_content=False)
        part = folder / f"{i}.part"
        with part.open("wb") as file:
            for data in answer.stream(1 << 16):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / f"{i}.mkv")


def yt(urls: list[str], folder: Path) -> None:
    """Fetch with yt-dlp's generic extractor."""
    options = {"quiet": True, "no_warnings": True, "noprogress": True, "cachedir": False}
    with yt_dlp.YoutubeDL(options | {"outtmpl": str(folder / "%(id)s.%(ext)s")}) as downloader:
        downloader.download(urls)
    if len(list(folder.iterdir())) != len(urls):
        raise RuntimeError("yt-dlp left some out")


def in_folder(fetch: partial[None]) -> None:
    """Fetch into a new folder."""
    folder = Path(tempfile.mkdtemp())
    try:
        fetch(folder=folder)
    finally:
        shutil.rmtree(folder)


def resume() -> Seconds:
    """Return wall and CPU seconds until a plan is read again of which nothing is due."""
    folder = Path(tempfile.mkdtemp())
    wants = [wanted(i, f"http://h{i % 1000}.test/{i}") for i in range(PLANNED)]
    later = {"state": "failed", "outcome": "server", "next_try_at": "2999-01-01T00:00:00Z"}
    with Journal(folder / "s") as journal:
        for want in wants:
            journal.row(want.want_id, brief(blank_row(want) | later))
    seconds = taken(
        lambda: fetch_all(wants, ALLOWED, folder, tools=Tools(), tick=lambda *_: None),
        resource.RUSAGE_SELF,
    )
    shutil.rmtree(folder)
    return seconds


def main() -> None:
    """Print the table."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(CLIP)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        urls = [f"http://127.0.0.1:{port}/{i}.mkv" for i in range(CLIPS)]
        runs = {
            "bare urllib3 loop with fsync": partial(in_folder, partial(bare, urls)),
            "reelabel": partial(in_folder, partial(ours, urls, look=False)),
            "reelabel, and looks at each file": partial(in_folder, partial(ours, urls, look=True)),
            "yt-dlp": partial(in_folder, partial(yt, urls)),
        }
        rows = interleaved(runs, times=TIMES)
    finally:
        server.kill()
    table(f"fetch {CLIPS} clips of {CLIP.stat().st_size} bytes", rows, "yt-dlp")
    rates = ", ".join(f"{name}: {CLIPS / seconds:.0f}" for name, seconds in rows.items())
    print(f"  clips per second: {rates}")
    bare_s = rows["bare urllib3 loop with fsync"]
    shares = (bare_s / rows[name] for name in ("reelabel", "reelabel, and looks at each file"))
    print(
        "  speed over that of the bare loop: {:.2f}, with looking at files {:.2f}".format(*shares)
    )
    wall_s, cpu_s = resume()
    print(f"  a plan of {PLANNED} resumes in {wall_s:.1f} s, {cpu_s:.1f} s of them CPU")


if __name__ == "__main__":
    main()
