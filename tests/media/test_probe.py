"""What a file is: read right, or refused with a clear message."""

from __future__ import annotations

import hashlib
import os
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from reelabel.errors import UnreadableVideo
from reelabel.media.probe import content_id, probe
from reelabel.media.stream import scan


@pytest.fixture
def awkward(data_dir: Path) -> Path:
    """Return the folder of the worst files."""
    return data_dir / "videos" / "awkward"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hevc_10bit.mp4", {"codec": "hevc", "pix_fmt": "yuv420p10le", "num_packets": 30}),
        ("av1_testsrc.mkv", {"codec": "av1", "container": "matroska,webm", "fps": 25}),
        ("rotate_90.mov", {"rotation_deg": 90, "display_wh": (320, 568), "coded_wh": (568, 320)}),
        ("rotate_180.mov", {"rotation_deg": 180, "display_wh": (568, 320)}),
        ("rotate_270.mov", {"rotation_deg": 270, "display_wh": (320, 568)}),
        ("rotated_90_phone_style.mp4", {"rotation_deg": 90, "display_wh": (360, 640)}),
        ("sar_16_15_720x576.mp4", {"sar": Fraction(16, 15), "display_wh": (768, 576)}),
        ("carphone_qcif_lowbitrate.mp4", {"sar": Fraction(128, 117), "display_wh": (193, 144)}),
        ("start_at_5s.mkv", {"start_pts": 5000, "time_base": Fraction(1, 1000)}),
        ("delayed_start.mp4", {"start_pts": 13760, "time_base": Fraction(1, 12800)}),
        ("nasa_two_video_streams.mp4", {"num_video_streams": 2, "coded_wh": (480, 270)}),
        ("interlaced_576i.mpg", {"interlaced": True, "start_pts": 48600}),
        ("vfr_mp4_named_webm.webm", {"has_audio": True, "frame_count_declared": 150}),
        ("truncated_moov_first.mp4", {"frame_count_declared": 48, "num_packets": 29}),
        ("odd_size_321x181.webm", {"coded_wh": (321, 181), "frame_count_declared": None}),
        ("vfr_train_day.mp4", {"fps": Fraction(1728000, 95989)}),
        ("tiny_1frame_30x24.gif", {"num_packets": 1, "codec": "gif"}),
    ],
)
def test_what_a_file_is(awkward: Path, name: str, expected: dict[str, object]) -> None:
    """Each property is the one that the file was made with."""
    info = probe(awkward / name)
    assert {key: getattr(info, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("vfr_mp4_named_webm.webm", 5.005),
        ("truncated_moov_first.mp4", 1.333),
        ("start_at_5s.mkv", 1.0),
        ("delayed_start.mp4", 0.96),
        ("newtonscradle.gif", 0.82),
        ("single_frame.mp4", 1 / 24),
        ("interlaced_576i.mpg", 1.92),
        ("mjpeg_32x32_1fps.avi", 8.0),
    ],
)
def test_duration_is_that_of_the_pictures(awkward: Path, name: str, seconds: float) -> None:
    """The length comes from the pictures that are there, not from sound or header."""
    assert probe(awkward / name).duration_s == pytest.approx(seconds, abs=0.002)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("audio_only.mp4", "only audio"),
        ("bad_video_20bytes.mp4", "cannot be opened"),
        ("empty_0_bytes.mp4", "empty"),
        ("truncated_no_index.mp4", "cannot be opened"),
        ("LICENSE_PySceneDetect_resources.txt", "cannot be opened"),
        ("no_such_file.mp4", "no such file"),
        (".", "folder"),
    ],
)
def test_unreadable_files_say_why(awkward: Path, name: str, says: str) -> None:
    """A file that is no video is refused, with the reason and its name."""
    with pytest.raises(UnreadableVideo, match=says) as caught:
        probe(awkward / name)
    assert str(awkward / name) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    """Missing rights are not taken for a broken file."""
    path = tmp_path / "secret.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(UnreadableVideo, match="permission"):
        probe(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Only regular files are opened: a pipe without a writer would block for ever."""
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadableVideo, match="pipe"):
        probe(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{video}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{video}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    ],
)
def test_a_file_cannot_make_us_open_another(data_dir: Path, tmp_path: Path, text: str) -> None:
    """Playlists and session descriptions are refused, whatever their name says."""
    video = tmp_path / "other.mp4"
    shutil.copy(data_dir / "videos/awkward/single_frame.mp4", video)
    path = tmp_path / "innocent.mp4"
    path.write_text(text.format(video=video.name))
    with pytest.raises(UnreadableVideo):
        probe(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_a_picture_is_a_video_of_one_frame(tmp_path: Path, suffix: str) -> None:
    """Picture files can stand wherever videos can, also with a pattern as their name."""
    path = tmp_path / f"pic%03d{suffix}"
    (tmp_path / f"pic001{suffix}").write_bytes(b"trap")
    path.write_bytes(cv2.imencode(suffix, np.full((20, 30, 3), 90, np.uint8))[1].tobytes())
    info = probe(path)
    assert (info.display_wh, info.num_packets, info.start_pts) == ((30, 20), 1, 0)


def test_content_id_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    """The id depends on the content alone, not on name or place, and is stable."""
    data = bytes(range(256)) * 9000
    first, second = tmp_path / "a.mp4", tmp_path / "b.bin"
    first.write_bytes(data)
    second.write_bytes(data)
    assert content_id(first) == content_id(second)
    assert content_id(first) == hashlib.blake2b(data, digest_size=8).hexdigest()
    second.write_bytes(data[:-1])
    assert content_id(first) != content_id(second)
    with pytest.raises(UnreadableVideo):
        content_id(tmp_path / "missing")


def test_scan_knows_every_frame_where_packets_do_not_tell(data_dir: Path) -> None:
    """AVI holds no presentation times: they are found by decoding, and seeking is not trusted."""
    timeline = scan(data_dir / "videos/action/apply_eye_makeup.avi")
    assert timeline.pts.tolist() == list(range(1, 165))
    assert not timeline.seekable
