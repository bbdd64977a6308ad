"""Weights: found, fetched once, and never changed unnoticed."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reelabel.errors import ModelError, WorkspaceError
from reelabel.models import weights
from reelabel.models.weights import (
    LOCK_NAME,
    cache_dir,
    cached_path,
    check_lock,
    read_lock,
    resolve,
    sha256_of,
)
from reelabel.short_names import RELEASED_SHA256

CONTENT = b"weights" * 1000


class Handler(BaseHTTPRequestHandler):
    """Serves one file in several moods."""

    asked: list[str]

    def do_GET(self):
        """Answer by path."""
        self.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/endless":
            extra = 10 if self.path == "/broken" else 0
            self.send_header("Content-Length", str(len(CONTENT) + extra))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Return a server's address and what it was asked for; the cache lies in a new folder."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_cache_follows_the_environment(monkeypatch, tmp_path):
    """REELABEL_CACHE names the cache; without it the home folder holds it."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("REELABEL_CACHE")
    assert cache_dir().parts[-2:] == (".cache", "reelabel")


def test_download_happens_once(server):
    """A URL is fetched once and found in the cache after."""
    first = resolve(f"{server}/a.onnx")
    assert first.path.read_bytes() == CONTENT
    assert first.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert resolve(f"{server}/a.onnx") == first
    assert Handler.asked == ["/a.onnx"]
    assert first.path.name.endswith("-a.onnx")


@pytest.mark.parametrize("path", ["/missing", "/broken", "/to-file"])
def test_failed_downloads_leave_nothing(server, path):
    """A download that fails, breaks off or leads to a local file says where to put the file."""
    with pytest.raises(ModelError, match=r"put the file at .*cache"):
        resolve(server + path)
    assert list(cached_path(server + path).parent.iterdir()) == []


def test_a_download_with_a_known_hash_is_proven(server, monkeypatch):
    """A file other than the released one is not kept; the released one is."""
    url = f"{server}/a.onnx"
    monkeypatch.setitem(RELEASED_SHA256, url, "0" * 64)
    with pytest.raises(ModelError, match="another file than its makers released"):
        resolve(url)
    assert list(cached_path(url).parent.iterdir()) == []
    monkeypatch.setitem(RELEASED_SHA256, url, hashlib.sha256(CONTENT).hexdigest())
    assert resolve(url).path.read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["/declared", "/endless"])
def test_size_is_limited(server, path, monkeypatch):
    """A download beyond the limit is refused, whether its size is declared or not."""
    monkeypatch.setattr(weights, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="larger than the 100 bytes"):
        resolve(server + path)
    assert list(cached_path(server + path).parent.iterdir()) == []


def test_size_limit_is_inclusive(server, monkeypatch):
    """A download of just the allowed size is accepted."""
    monkeypatch.setattr(weights, "MAX_BYTES", len(CONTENT))
    assert resolve(f"{server}/a").path.is_file()


def test_offline(monkeypatch, tmp_path):
    """Without a network the message names the file to put into the cache, and that works."""
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = "http://127.0.0.1:9/net.onnx"
    with pytest.raises(ModelError) as caught:
        resolve(url)
    assert str(cached_path(url)) in str(caught.value)
    cached_path(url).write_bytes(b"x")
    assert resolve(url).path == cached_path(url)


def test_a_cache_that_cannot_be_written_is_no_missing_network(server, monkeypatch, tmp_path):
    """The message is about the folder, as for every other file that is written."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(WorkspaceError, match="file") as caught:
        resolve(f"{server}/a")
    assert "network" not in str(caught.value)
    assert Handler.asked == []


@pytest.mark.parametrize("url", ["ftp://host/x", "data://x", "file://elsewhere/x", "s3://b/x"])
def test_other_schemes_are_refused(url):
    """Only http, https and local file URLs are followed."""
    with pytest.raises(ModelError):
        resolve(url)


def test_cached_names_are_harmless():
    """A hostile URL cannot name a path outside the cache."""
    path = cached_path("http://host/..%2F..%2Fetc/..%2Fpasswd%00\n")
    assert path.parent == cache_dir() / "weights"
    assert "/" not in path.name


def test_local_paths(tmp_path):
    """A relative path is looked for in the home first; a file URL leads to the same file."""
    (tmp_path / "net.onnx").write_bytes(b"x")
    assert resolve("net.onnx", home=tmp_path).path == tmp_path / "net.onnx"
    assert resolve((tmp_path / "net.onnx").as_uri()).path == tmp_path / "net.onnx"
    with pytest.raises(ModelError, match=r"other\.onnx"):
        resolve("other.onnx", home=tmp_path)


def test_change_is_noticed(tmp_path):
    """A file that changed since its first use is refused, with both hashes and what to do."""
    file = tmp_path / "net.onnx"
    file.write_bytes(b"old")
    old = resolve("net.onnx", home=tmp_path).sha256
    assert read_lock(tmp_path) == {"net.onnx": old}
    file.write_bytes(b"new")
    with pytest.raises(ModelError) as caught:
        resolve("net.onnx", home=tmp_path)
    for part in (str(file), old, hashlib.sha256(b"new").hexdigest(), LOCK_NAME):
        assert part in str(caught.value)
    (tmp_path / LOCK_NAME).unlink()
    assert resolve("net.onnx", home=tmp_path).sha256 != old


def test_lock_keeps_other_models(tmp_path):
    """A second model is added to the lock beside the first."""
    for key in ("b", "a"):
        check_lock(key, key * 3, home=tmp_path, path=key)
    assert json.loads((tmp_path / LOCK_NAME).read_text()) == {"a": "aaa", "b": "bbb"}


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_damaged_lock(tmp_path, text):
    """A damaged lock is an error, not an empty lock."""
    (tmp_path / LOCK_NAME).write_text(text)
    with pytest.raises(WorkspaceError, match="repair or remove"):
        read_lock(tmp_path)


def test_hash_of_several_files(tmp_path):
    """The hash of several files depends on their names and contents, not on their order."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    assert sha256_of([a]) == hashlib.sha256(b"1").hexdigest()
    assert sha256_of([a, b]) == sha256_of([b, a]) != sha256_of([a])
    with pytest.raises(ModelError, match="cannot be read"):
        sha256_of([tmp_path / "none"])
