"""Which video comes next, and which replaces a dead one."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from reelabel.sources.fetching.queue import Want, WantQueue
from reelabel.sources.web.addresses import host_of
from reelabel.sources.web.clock import Clock


def want(i, *, labels=("a",), chosen=True, host="h", source="s"):
    """Return a want whose rank is its number."""
    url = f"http://{host}.test/{i}"
    place = {"start_s": None, "end_s": None, "page": False}
    words = {"licence": "", "uploader": "", "title": ""}
    values = {"labels": labels, "rank": i, "chosen": chosen, **place, **words}
    return Want(source=source, want_id=f"w{i}", url=url, **values)


def drained(queue, now=0.0):
    """Return what the queue gives out, each attempt ended before the next."""
    taken = []
    while (each := queue.take(now)) is not None:
        taken.append(each.want_id)
        queue.ended(each)
    return taken


def test_the_lowest_ranks_come_first():
    """Whatever the order of the rows."""
    wants = [want(i) for i in (3, 1, 2)]
    assert drained(WantQueue(wants, {})) == ["w1", "w2", "w3"]


def test_a_host_is_asked_by_one_at_a_time():
    """The second of its videos waits until the first has ended."""
    queue = WantQueue([want(0), want(1), want(2, host="g")], {})
    first, other = queue.take(0.0), queue.take(0.0)
    assert {first.want_id, other.want_id} == {"w0", "w2"}
    assert queue.take(0.0) is None
    queue.ended(first, not_before=5.0)
    assert queue.take(4.0) is None
    assert queue.next_at() == 5.0
    assert queue.take(5.0).want_id == "w1"


def test_a_stopped_host_is_left_alone():
    """What waits for it is left over."""
    queue = WantQueue([want(0), want(1)], {})
    first = queue.take(0.0)
    queue.hosts["h.test"].stopped = "why"
    queue.ended(first)
    assert queue.take(0.0) is None
    assert queue.next_at() is None
    assert [w.want_id for w in queue.left()] == ["w1"]


def test_replacements_share_the_classes_of_the_dead():
    """First those of the same classes, then those that share one, never one of another source."""
    spares = [
        want(10, labels=("b",), chosen=False),
        want(11, labels=("a", "c"), chosen=False),
        want(12, labels=("a",), chosen=False),
        want(13, labels=("a",), chosen=False, source="t"),
    ]
    queue = WantQueue([want(0), *spares], {})
    assert queue.dead(want(0)).want_id == "w12"
    assert queue.dead(want(0)).want_id == "w11"
    assert queue.dead(want(0)) is None


def test_a_long_chain_of_dead_spares_is_followed():
    """Ten thousand dead videos are no deep recursion."""
    wants = [want(i, chosen=i == 0) for i in range(10_001)]
    dead = {"state": "gone", "final": True, "next_try_at": ""}
    queue = WantQueue(wants, {w.key: dead for w in wants[:-1]})
    assert drained(queue) == ["w10000"]
    assert len(queue.replaced) == 10_000


@given(
    hosts=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    pauses=st.lists(st.floats(0, 9), min_size=60, max_size=60),
    connections=st.integers(1, 3),
)
def test_everything_is_given_out_once_and_no_host_twice_at_a_time(hosts, pauses, connections):
    """Whatever the pauses are."""
    wants = [want(i, host=f"h{host}") for i, host in enumerate(hosts)]
    queue = WantQueue(wants, {}, connections=connections)
    now, taken, flying = 0.0, [], []
    while len(taken) < len(wants):
        if (each := queue.take(now)) is not None:
            assert queue.hosts[each.host].not_before <= now
            taken.append(each)
            flying.append(each)
            assert max(Counter(w.host for w in flying).values()) <= connections
        elif flying:
            queue.ended(flying[0], not_before=now + pauses[len(taken) % 60])
            flying.pop(0)
        else:
            now = queue.next_at()
    assert sorted(w.rank for w in taken) == list(range(len(wants)))


@given(st.lists(st.sampled_from(["a", "b"]), min_size=4, max_size=40), st.data())
def test_each_class_keeps_its_number_as_long_as_spares_last(labels, data):
    """Dead videos shrink no class, whichever die."""
    wants = [want(i, labels=(x,), chosen=i % 2 == 0) for i, x in enumerate(labels)]
    dead = set(data.draw(st.lists(st.integers(0, len(labels) - 1), unique=True)))
    queue = WantQueue(wants, {})
    alive = Counter()
    while (each := queue.take(0.0)) is not None:
        queue.ended(each)
        if each.rank in dead:
            queue.dead(each)
        else:
            alive[each.labels[0]] += 1
    for label in "ab":
        mine = [w for w in wants if w.labels == (label,)]
        living = sum(w.rank not in dead for w in mine)
        assert alive[label] == min(sum(w.chosen for w in mine), living)


def test_a_clock_passes_the_time_that_is_slept():
    """Real sleep lasts as long as it should."""
    clock = Clock()
    began = clock.monotonic()
    clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.02


@given(st.text(max_size=40), st.sampled_from(["http://", "https://", "HTTP://", "", "ftp://"]))
def test_the_host_is_that_of_the_parser(rest, scheme):
    """The short way to a host's name leads to the same one."""
    try:
        expected = (urlsplit(scheme + rest).hostname or "").rstrip(".").lower()
    except ValueError:
        expected = ""
    assert host_of(scheme + rest) == expected
