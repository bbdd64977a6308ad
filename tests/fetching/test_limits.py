"""Budgets hold, whoever uses them and however often."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reelabel.config import result_values
from reelabel.sources.mirrors.settings import MirrorSettings
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import OUTCOMES, FetchFailure
from reelabel.sources.web.settings import FetchSettings, Politeness


def test_requests_to_a_host_keep_their_distance(fake_time):
    """The interval begins with the answer; other hosts have their own."""
    limits = Limits(Politeness(host_interval_s=2), fake_time.clock)
    began = []
    for host in ["a", "a", "b", "a"]:
        with limits.request(host):
            began.append((host, fake_time.slept))
            fake_time.pause(0.5)
            limits.answered(host)
    # b is asked at once; a again 2 s after its answers.
    assert began == [("a", 0.0), ("a", 2.5), ("b", 3.0), ("a", 5.0)]


def test_a_crawl_delay_slows_down_but_never_speeds_up(fake_time):
    """The longer of the two intervals holds, within reason."""
    limits = Limits(Politeness(host_interval_s=2), fake_time.clock)
    for delay_s, expected in [(7, 7), (1, 2), (10**6, 300)]:
        limits.slow_down("a", delay_s)
        limits.answered("a")
        assert limits.ready_at("a") - fake_time.now() == expected


def test_a_host_has_one_connection(fake_time):
    """A second thread waits for the first."""
    limits = Limits(Politeness(host_interval_s=0), fake_time.clock)
    most, busy, lock = [], [0], threading.Lock()

    def ask():
        for _ in range(20):
            with limits.request("a"):
                with lock:
                    busy[0] += 1
                    most.append(busy[0])
                with lock:
                    busy[0] -= 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_the_bandwidth_is_shared(fake_time):
    """A million bytes at 100 kB/s take ten seconds, but for a short burst."""
    limits = Limits(Politeness(max_bytes_per_s=100_000), fake_time.clock)
    for _ in range(100):
        limits.spend(10_000)
    assert 9.8 <= fake_time.slept <= 10.1


def test_the_quota_of_a_day_stops_all_until_midnight(fake_time):
    """What was fetched before counts; the next day begins at 0."""
    limits = Limits(Politeness(max_bytes_per_day=1000), fake_time.clock, used_bytes=600)
    limits.spend(300)
    with pytest.raises(FetchFailure, match="quota") as failure:
        limits.spend(200)
    assert failure.value.outcome.stops == "all"
    with pytest.raises(FetchFailure, match="quota"), limits.request("a"):
        pass
    fake_time.pause(failure.value.retry_after_s + 1)
    with limits.request("a"):
        limits.spend(900)


def test_settings_name_networks():
    """What is no network in CIDR notation is refused."""
    assert FetchSettings(allow=("10.0.0.0/8", "::1/128")).allow
    with pytest.raises(ValueError, match="network"):
        FetchSettings(allow=("10.0.0.0/99",))
    with pytest.raises(ValueError, match="contact"):
        Politeness(contact="a\r\nX-Evil: 1")


def test_only_what_changes_the_files_makes_them_stale():
    """Rates, pauses and the contact are properties of the machine and the network."""
    values = {"max_bytes": 4_000_000_000, "allow": [], "exact_spans": False, "politeness": {}}
    values["sites"] = {"max_height": 720, "cookies": None}
    values["mirror"] = MirrorSettings().model_dump()
    assert result_values(FetchSettings()) == values


def test_the_documentation_lists_every_outcome():
    """With its state, its meaning, and what follows from it."""
    page = (Path(__file__).parents[2] / "docs" / "fetching.md").read_text(encoding="utf-8")
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in page.splitlines()]
    rows = {row[0]: row[1:] for row in cells if len(row) == 6}
    assert rows.keys() - OUTCOMES.keys() == {"outcome", "---"}
    for name, outcome in OUTCOMES.items():
        final = "yes" if outcome.final else "no"
        retries = str(outcome.retries or "")
        stops = "" if outcome.stops == "video" else outcome.stops
        assert rows[name] == [outcome.state, outcome.meaning, final, retries, stops]
