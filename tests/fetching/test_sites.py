"""Files of video sites: what is asked of yt-dlp, what is taken, and what each failure means."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from email.message import Message
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelabel._version import __version__
from reelabel.errors import FormatError, MissingExtra
from reelabel.sources.sites import finding
from reelabel.sources.sites.formats import choose_format
from reelabel.sources.sites.messages import outcome_of_message, without_prefix
from reelabel.sources.sites.requests import SiteHosts, SiteRequests
from reelabel.sources.sites.settings import SiteOptions, SiteSettings
from reelabel.sources.web.client import Client
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import OUTCOMES, FetchFailure
from reelabel.sources.web.settings import FetchSettings, Politeness

pytest.importorskip("yt_dlp", reason="needs the extra reelabel[fetch]")

from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UserNotLive

from reelabel.sources.sites import extraction

CORPUS = Path(__file__).with_name("site_messages.csv")
PAGE = "https://site.example/watch/1"


def corpus() -> list[tuple[str, str]]:
    """Return real messages of yt-dlp and of sites, with the outcome of each."""
    with CORPUS.open(encoding="utf-8", newline="") as file:
        return [(row["outcome"], row["message"]) for row in csv.DictReader(file)]


def video(**facts) -> dict:
    """Return what an extractor returns for one video with one plain file."""
    formats = facts.pop("formats", [file_format()])
    return {"id": "1", "title": "A cat", "formats": formats} | facts


def file_format(**fields) -> dict:
    """Return one format of a video, as extractors describe it."""
    return {
        "format_id": "18",
        "url": "https://files.example/1.mp4",
        "protocol": "https",
        "ext": "mp4",
        "vcodec": "avc1.42001E",
        "acodec": "mp4a.40.2",
        "height": 360,
    } | fields


@pytest.fixture
def site(monkeypatch):
    """Return a function that sets what the only extractor answers or raises; nothing is sent."""
    answers = []

    class RecordedIE(InfoExtractor):
        IE_NAME = "recorded"
        _VALID_URL = r"https?://site\.example/watch/(?P<id>.+)"

        def _real_extract(self, _url):
            answer = answers[-1]
            if callable(answer):
                answer = answer(self)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    def add_recorded(self):
        self.add_info_extractor(RecordedIE())

    def refuse(self, req):
        raise AssertionError(f"a test must not send {req}")

    monkeypatch.setattr(YoutubeDL, "add_default_info_extractors", add_recorded)
    monkeypatch.setattr(YoutubeDL, "urlopen", refuse)
    return answers.append


def requests_of(clock=None, **settings) -> SiteRequests:
    """Return the requests of a look-up, of which 127.0.0.1 alone may be asked."""
    clock = clock or Clock()
    polite = Politeness(host_interval_s=0, contact="me@example.org")
    chosen = FetchSettings(allow=("127.0.0.1/32",), politeness=polite, **settings)
    client = Client(chosen, clock, Limits(polite, clock))
    return SiteRequests(client, clock, SiteHosts(clock))


def look_up(url, options=None):
    """Return the file behind a page."""
    return finding.find_file(url, options or SiteOptions(), requests_of())


def http_error(status: int, headers=()) -> HTTPError:
    """Return what yt-dlp raises for an answer with this status."""
    message = Message()
    for name, value in headers:
        message[name] = value
    return HTTPError(Response(BytesIO(b""), PAGE, message, status))


def failure(answer, site, options=None) -> FetchFailure:
    """Return how the look-up of a page fails."""
    site(answer)
    with pytest.raises(FetchFailure) as caught:
        look_up(PAGE, options)
    return caught.value


@pytest.mark.parametrize(("outcome", "message"), corpus())
def test_real_messages_have_their_outcome(outcome, message):
    """Each message of the corpus stands for its outcome, with the word ERROR in front or not."""
    assert outcome_of_message(message) == outcome
    assert outcome_of_message(f"ERROR: {message}") == outcome


def test_the_corpus_has_each_outcome_of_the_table():
    """No outcome is in the table without a real message for it."""
    in_table = {name for name, _ in extraction.outcome_of_message.__globals__["_TABLE"]}
    assert in_table | {"unknown"} == {outcome for outcome, _ in corpus()}
    assert in_table <= set(OUTCOMES)


def test_both_apostrophes_are_one():
    """A message means the same with a straight apostrophe and with a typographic one."""
    for outcome, message in corpus():
        assert outcome_of_message(message.replace("\u2019", "'")) == outcome
        assert outcome_of_message(message.replace("'", "\u2019")) == outcome


@given(st.text())
def test_any_text_has_an_outcome(text):
    """Whatever a site states, it stands for one of the closed list."""
    assert outcome_of_message(text) in OUTCOMES


def test_what_an_extractor_did_not_expect_gives_up_nothing():
    """A fault of an extractor never marks a video as gone, whatever words are in it."""
    fault = "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q="
    for _, message in corpus():
        assert not OUTCOMES[outcome_of_message(message + fault)].final


def test_messages_that_ask_for_an_account():
    """Whatever words an installed extractor uses to ask for an account, none reads as removed."""
    folder = Path(sys.modules["yt_dlp"].__file__).parent / "extractor"
    call = re.compile(r"raise_login_required\(\s*f?'([^'{}]{8,200})'")
    found = {m for p in folder.rglob("*.py") for m in call.findall(p.read_text(encoding="utf-8"))}
    hint = InfoExtractor()._login_hint("cookies")
    outcomes = {text: outcome_of_message(f"{text}. {hint}") for text in found}
    assert len(found) > 20
    assert set(outcomes.values()) <= {"private", "age", "bot_check", "geo", "tool"}, outcomes


def test_the_prefix_of_errors_is_left_out():
    """The word ERROR is no part of the message, with or without colour."""
    assert without_prefix("\x1b[0;31mERROR:\x1b[0m [x] 1: gone") == "[x] 1: gone"
    assert without_prefix("[x] 1: gone") == "[x] 1: gone"


def test_the_file_and_what_the_site_states(site):
    """The address comes with headers, format, size, duration, licence, uploader, title, height."""
    site(
        video(
            duration=61.5,
            license="Creative Commons\nAttribution",
            uploader="Ann",
            formats=[
                file_format(
                    filesize=1234,
                    http_headers={"Referer": PAGE},
                    downloader_options={"http_chunk_size": 10 << 20},
                    available_at=1700000000,
                )
            ],
        )
    )
    found = look_up(PAGE)
    assert found.url == "https://files.example/1.mp4"
    assert found.headers["Referer"] == PAGE
    assert found.headers["User-Agent"] == f"reelabel/{__version__} (me@example.org)"
    assert (found.format_id, found.extractor, found.protocol) == ("18", "recorded", "https")
    assert (found.size_bytes, found.duration_s, found.height) == (1234, 61.5, 360)
    assert (found.licence, found.uploader) == ("Creative Commons Attribution", "Ann")
    assert found.title == "A cat"
    assert (found.max_request_bytes, found.available_at_s) == (10 << 20, 1700000000)


def test_what_is_not_stated_is_empty(site):
    """Facts that the site does not state are None or empty, never made up."""
    site({"id": "1", "title": "A", "url": "https://files.example/1.mp4", "ext": "mp4"})
    found = look_up(PAGE)
    assert found.headers["User-Agent"].startswith("reelabel/")
    assert found.size_bytes is found.duration_s is found.height is found.max_request_bytes is None
    assert found.licence == found.uploader == ""


def test_cookies_go_to_the_host_of_the_file_alone(site, tmp_path):
    """Cookies of the user's file are sent where they belong; the file stays as it was."""
    path = tmp_path / "cookies.txt"
    hosts = (".files.example", ".other.example")
    lines = [f"{host}\tTRUE\t/\tTRUE\t4102444800\tname\tof{host}\n" for host in hosts]
    path.write_text("".join(["# Netscape HTTP Cookie File\n", *lines]), encoding="utf-8")
    before = path.read_bytes()
    site(video())
    found = look_up(PAGE, SiteOptions(settings=SiteSettings(cookies=path)))
    assert found.headers["Cookie"] == "name=of.files.example"
    assert "of.files.example" not in repr(found)
    assert path.read_bytes() == before


def test_no_cookies_without_a_file(site):
    """Without a cookies file no cookie is sent."""
    site(video())
    assert "Cookie" not in look_up(PAGE).headers


def test_a_cookies_file_that_is_none(site, tmp_path):
    """A cookies file that cannot be read is the user's error; one of another form stops all."""
    with pytest.raises(FormatError, match="expected a text file"):
        look_up(PAGE, SiteOptions(settings=SiteSettings(cookies=tmp_path / "none.txt")))
    (tmp_path / "c.txt").write_text("a,b,c\n", encoding="utf-8")
    options = SiteOptions(settings=SiteSettings(cookies=tmp_path / "c.txt"))
    assert failure(video(), site, options).outcome.name == "tool"


@pytest.mark.parametrize(
    "status",
    [{"live_status": "is_live"}, {"is_live": True}, {"live_status": "is_upcoming", "formats": []}],
)
def test_live_streams_and_premieres_wait(site, status):
    """What is not over yet is tried again later, whether or not it offers a file already."""
    assert failure(video(**status), site).outcome.name == "not_yet"


def test_long_videos_are_refused_before_any_byte(site):
    """A video over the limit ends as too long; one at the limit does not."""
    caught = failure(video(duration=601), site, SiteOptions(max_duration_s=600))
    assert caught.outcome.name == "too_long"
    assert caught.message == "lasts 601 s, the limit is 600 s"
    site(video(duration=600))
    assert look_up(PAGE, SiteOptions(max_duration_s=600)).duration_s == 600


def test_lists_of_videos_are_refused(site):
    """A page of several videos is not taken for one of them, and none of its entries is read."""

    def entries():
        raise AssertionError("entries are not read")
        yield

    listed = {"_type": "playlist", "id": "1", "entries": entries()}
    assert failure(listed, site).outcome.name == "not_media"


def test_formats_in_parts_only(site):
    """A site that offers only HLS has no format that is fetched."""
    hls = file_format(protocol="m3u8_native", url="https://files.example/1.m3u8")
    assert failure(video(formats=[hls]), site).outcome.name == "no_format"
    assert failure(video(formats=[]), site).outcome.name == "no_format"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ExtractorError("Video unavailable", expected=True), "removed"),
        (ExtractorError("Unable to parse"), "unknown"),
        (GeoRestrictedError("Nur in Deutschland", countries=["DE"]), "geo"),
        (UserNotLive(), "not_yet"),
        (TransportError("odd"), "network"),
        (KeyError("video"), "unknown"),
        (RecursionError(), "unknown"),
    ],
)
def test_errors_of_extractors_become_outcomes(site, error, outcome):
    """Whatever an extractor raises ends in an outcome, with its own words."""
    caught = failure(error, site)
    assert caught.outcome.name == outcome
    assert caught.message


def test_a_faked_country_is_never_tried(site):
    """A page that is closed to a country is asked for once, with no forged sender."""
    asked = []

    def answer(extractor):
        asked.append(extractor._x_forwarded_for_ip)
        return GeoRestrictedError("not here", countries=["DE"])

    failure(answer, site)
    assert asked == [None]


def test_the_status_and_the_pause_of_an_answer(site):
    """The status of an HTTP error is kept, and the pause that its host asks for."""

    def limited(extractor):
        try:
            raise http_error(429, [("Retry-After", "120")])
        except HTTPError as exc:
            return ExtractorError(f"Unable to download webpage: {exc}", cause=exc)

    caught = failure(limited, site)
    assert caught.outcome.name == "rate_limit"
    assert (caught.http_status, caught.retry_after_s) == (429, 120)


def test_what_is_not_recognised_keeps_its_text(site):
    """An unknown message is kept as it is, without the word ERROR in front."""
    caught = failure(ExtractorError("Quelque chose", expected=True), site)
    assert caught.outcome.name == "unknown"
    assert caught.message == "[recorded] 1: Quelque chose"


def test_a_warning_explains_why_there_is_no_format(site):
    """Without a format, an earlier warning of a missing runtime is the reason: the site stops."""

    def answer(extractor):
        extractor.report_warning("No supported JavaScript runtime could be found.")
        return video(formats=[])

    caught = failure(answer, site)
    assert caught.outcome.name == "tool"
    assert "No supported JavaScript runtime" in caught.message


def test_a_warning_alone_changes_nothing(site):
    """A file that is found in spite of warnings is taken."""

    def answer(extractor):
        extractor.report_warning("No supported JavaScript runtime could be found.")
        return video()

    site(answer)
    assert look_up(PAGE).format_id == "18"


def test_nothing_is_printed(site, capsys):
    """Neither a success nor a failure prints anything: rows hold what happened."""
    failure(ExtractorError("Video unavailable", expected=True), site)
    site(video())
    look_up(PAGE)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ytsearch:cats", "ftp://a/b", "-x", "http://["]
)
def test_other_schemes_are_refused(url):
    """Only http and https addresses are handed to extractors."""
    with pytest.raises(FetchFailure) as caught:
        look_up(url)
    assert caught.value.outcome.name == "address"


def test_pages_that_no_extractor_is_for(monkeypatch):
    """A page of an unknown site is not guessed at: nothing is sent."""
    monkeypatch.setattr(YoutubeDL, "urlopen", lambda *_: pytest.fail("something was sent"))
    with pytest.raises(FetchFailure) as caught:
        look_up("http://127.0.0.1/page.html")
    assert caught.value.outcome.name == "not_media"


def test_what_yt_dlp_may_do():
    """Its options: no guessing, no forged country, no second tries, no browser."""
    params = extraction._params(SiteOptions(), "reelabel", extraction.Warnings())
    assert params["allowed_extractors"] == ["default", "-generic"]
    assert params["geo_bypass"] is params["cachedir"] is False
    assert params["extractor_retries"] == 0
    assert params["cookiefile"] is None
    assert params["proxy"] == ""
    assert params["skip_download"] is params["simulate"] is True
    absent = {"cookiesfrombrowser", "impersonate", "usenetrc", "remote_components"}
    assert not absent & set(params)


def test_plug_ins_are_never_loaded(tmp_path):
    """A plug-in of yt-dlp on the import path is not run, and the setting of others stays."""
    package = tmp_path / "yt_dlp_plugins" / "extractor"
    package.mkdir(parents=True)
    (package / "mine.py").write_text("raise SystemExit('plug-in ran')\n", encoding="utf-8")
    code = (
        "from types import SimpleNamespace as N\n"
        "from reelabel.sources.sites import extraction as e, settings as s\n"
        "e.Extractor(s.SiteOptions(), N(agent='x'), e.Warnings())\n"
        "assert not e.all_plugins_loaded.value\n"
    )
    path = ":".join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_without_the_extra(monkeypatch):
    """Without yt-dlp the error names what to install."""
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    monkeypatch.delitem(sys.modules, "reelabel.sources.sites.extraction")
    monkeypatch.delattr("reelabel.sources.sites.extraction")
    with pytest.raises(MissingExtra, match=r"pip install 'reelabel\[fetch\]'"):
        look_up(PAGE)


def test_finding_is_imported_without_yt_dlp():
    """The module of `find_file` and its settings load without yt-dlp."""
    code = "import reelabel.sources.sites.finding, sys; assert 'yt_dlp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=True)


def chosen(*formats, max_height=720) -> str | None:
    """Return the id of the chosen format."""
    found = choose_format(formats, max_height)
    return found and found["format_id"]


def test_the_highest_picture_up_to_the_limit():
    """The highest format within the limit is chosen; if all are higher, the lowest of them."""
    low, mid, high = (file_format(format_id=str(h), height=h) for h in (360, 720, 1080))
    assert chosen(low, high, mid) == "720"
    assert chosen(high, file_format(format_id="2160", height=2160)) == "1080"


def test_pictures_without_sound_count():
    """A higher file with pictures alone is preferred; at one height, the file with sound."""
    silent = file_format(format_id="136", acodec="none", height=720)
    assert chosen(file_format(), silent) == "136"
    assert chosen(file_format(height=720), silent) == "18"


def test_mp4_comes_first():
    """MP4 is preferred to a higher WebM, and H.264 to AV1 of one height."""
    webm = file_format(format_id="webm", ext="webm", vcodec="vp9", height=720)
    assert chosen(webm, file_format()) == "18"
    assert chosen(webm) == "webm"
    av1 = file_format(format_id="av1", vcodec="av01.0", tbr=1)
    assert chosen(av1, file_format(tbr=2)) == "18"


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": "m3u8_native"},
        {"protocol": "http_dash_segments"},
        {"fragments": [{"url": "a"}]},
        {"has_drm": True},
        {"request_data": b"x"},
        {"vcodec": "none"},
        {"vcodec": None, "ext": "m4a"},
        {"ext": "mhtml", "vcodec": "none", "acodec": "none"},
        {"url": None},
    ],
)
def test_formats_that_are_never_chosen(fields):
    """Parts, encryption, sound alone, storyboards and files without address are left out."""
    assert chosen(file_format(**fields)) is None


def test_settings_are_checked():
    """Unknown runtimes and pauses in the wrong order are refused, with what was expected."""
    assert SiteSettings(js_runtimes=["node:/usr/bin/node"]).js_runtimes == ("node:/usr/bin/node",)
    with pytest.raises(ValidationError, match=r"did you mean 'node'"):
        SiteSettings(js_runtimes=["nodes"])
    with pytest.raises(ValidationError, match=r"the smaller one first, but got 20\.0, 10\.0"):
        SiteSettings(delay_s=(20, 10))


def test_runtimes_reach_yt_dlp():
    """A runtime of the settings is what yt-dlp uses, with its path."""
    settings = SiteSettings(js_runtimes=("node:/usr/bin/node", "deno"))
    made = extraction.Extractor(
        SiteOptions(settings=settings), requests_of(), extraction.Warnings()
    )
    assert made.params["js_runtimes"] == {"node": {"path": "/usr/bin/node"}, "deno": {}}
