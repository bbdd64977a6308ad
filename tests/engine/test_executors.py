"""Every executor does each job once, reports, stops, and loses one job at most to a crash."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from reelabel.config import Engine
from reelabel.engine.executors import InTurn, Processes, Threads, WorkerDied, executor_for
from reelabel.errors import MediaError, MissingExtra, ReelabelError, UsageError

# What processes are to do must be importable there: a module of its own, see `jobs`.
MODULE = '''
import os, signal, time
from pathlib import Path
from reelabel.errors import MediaError


class Crooked(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def double(job, tick):
    tick(0.5, f"half of {job}")
    if job == "raise":
        raise MediaError("cannot be read")
    if job == "crooked":
        raise Crooked(1, 2)
    return job * 2


def crash(job, tick):
    """Crash on one job; others wait until it has crashed once."""
    number, folder = job
    with (Path(folder) / f"{number}.began").open("a") as note:
        note.write("x")
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def crash_once(job, tick):
    """Crash the first time."""
    note = Path(job)
    if not note.exists():
        note.write_text("x")
        os._exit(7)
    return "done"


def first_or_busy(job, tick):
    """Be ready as soon as the other job is at work, or work until stopped."""
    note = Path(job)
    if note.name == "first":
        while not note.with_name("busy").exists():
            time.sleep(0.01)
        return "ready"
    note.write_text(str(os.getpid()))
    try:
        while True:
            tick(0.1, "busy")
            time.sleep(0.01)
    finally:
        note.with_suffix(".stopped").write_text("x")


def deaf(job, tick):
    """Work without ever ticking."""
    if Path(job).name == "first":
        return first_or_busy(job, tick)
    Path(job).write_text(str(os.getpid()))
    time.sleep(600)


class Model:
    """Something that is expensive to load."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__ = state
        (Path(self.folder) / f"{os.getpid()}.loaded").open("a").write("x")

    def __call__(self, job, tick):
        time.sleep(0.01)
        return job
'''


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Return a module that other processes can import."""
    home = tmp_path_factory.mktemp("importable")
    (home / "jobs_for_processes.py").write_text(MODULE)
    sys.path.insert(0, str(home))
    import jobs_for_processes  # noqa: PLC0415 -- it was written a moment ago

    yield jobs_for_processes
    sys.path.remove(str(home))
    del sys.modules["jobs_for_processes"]


def until(condition, seconds=60.0):
    """Wait for something that happens in another process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def ended(pid):
    """Return whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def silent(job, share, words):
    """Show nothing."""


EXECUTORS = [InTurn(), Threads(2), Processes(2)]
every = pytest.mark.parametrize("executor", EXECUTORS, ids=lambda e: type(e).__name__)
parallel = pytest.mark.parametrize("executor", EXECUTORS[1:], ids=lambda e: type(e).__name__)


@every
def test_each_job_is_done_once_and_its_ticks_arrive(executor, jobs):
    """Values, errors and ticks come back with the job that they belong to."""
    ticks = []
    some = ["a", "raise", "b", "crooked", "c"]
    found = list(executor.run(jobs.double, some, lambda *tick: ticks.append(tick)))
    assert sorted(one.job for one in found) == sorted(some)
    by_job = {one.job: one for one in found}
    assert {job: by_job[job].get() for job in "abc"} == {"a": "aa", "b": "bb", "c": "cc"}
    with pytest.raises(MediaError, match="cannot be read"):
        by_job["raise"].get()
    assert any("raise MediaError" in line for line in by_job["raise"].trace)
    assert "1 and 2" in str(by_job["crooked"].error)
    assert sorted(ticks) == sorted((job, 0.5, f"half of {job}") for job in some)


@every
def test_jobs_are_taken_as_workers_become_free(executor, jobs):
    """Of many jobs only so many are taken ahead as there are workers."""
    taken = []

    def many():
        for number in range(1000):
            taken.append(number)
            yield str(number)

    with closing(executor.run(jobs.double, many(), silent)) as found:
        for _ in range(5):
            next(found)
    assert len(taken) <= 5 + 2


@every
def test_nothing_to_do_is_done_at_once(executor, jobs):
    """Without a job nothing is started."""
    assert list(executor.run(jobs.double, [], silent)) == []


def test_a_crash_costs_the_job_that_crashed(tmp_path, jobs):
    """The others are done once, by as many processes as before; the culprit is tried twice."""
    some = [(number, str(tmp_path)) for number in range(12)]
    found = list(Processes(2).run(jobs.crash, some, silent))
    assert len(found) == 12
    (bad,) = [one for one in found if one.error]
    assert bad.job[0] == 3
    assert isinstance(bad.error, WorkerDied)
    assert "SIGKILL" in str(bad.error)
    began = {path.stem: len(path.read_text()) for path in tmp_path.glob("*.began")}
    assert began == {str(number): 2 if number == 3 else 1 for number in range(12)}
    after = {one.value[1] for one in found if one.value and one.value[0] > 4}
    assert len(after) <= 2, "no process of its own for each job after the crash"


def test_a_crash_that_does_not_repeat_costs_nothing(tmp_path, jobs):
    """A process that was killed for want of memory gets another chance, alone."""
    (found,) = Processes(2).run(jobs.crash_once, [str(tmp_path / "note")], silent)
    assert found.get() == "done"


def test_the_call_is_sent_once_per_process(tmp_path, jobs):
    """A model that the call holds is loaded once by each process, however many jobs there are."""
    found = list(Processes(2).run(jobs.Model(str(tmp_path)), range(20), silent))
    assert sorted(one.get() for one in found) == list(range(20))
    loads = [path.read_text() for path in tmp_path.glob("*.loaded")]
    assert set(loads) == {"x"}
    assert len(loads) <= 2


@parallel
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=repr)
def test_jobs_in_progress_stop_at_their_next_tick(executor, error, tmp_path, jobs):
    """An error of whoever reads the results, or an interrupt, leaves no job at work."""
    some = [str(tmp_path / name) for name in ("busy", "first")]

    def read():
        with closing(executor.run(jobs.first_or_busy, some, silent)) as found:
            assert next(found).get() == "ready"
            raise error

    with pytest.raises(type(error)):
        read()
    assert (tmp_path / "busy.stopped").exists()
    if isinstance(executor, Processes):
        assert ended(int((tmp_path / "busy").read_text()))


def test_a_job_without_ticks_is_killed_in_the_end(tmp_path, jobs, monkeypatch):
    """A process that does not answer any more does not keep the run from ending."""
    monkeypatch.setattr("reelabel.engine.executors.processes._GRACE_S", 0.1)
    some = [str(tmp_path / name) for name in ("busy", "first")]
    with closing(Processes(2).run(jobs.deaf, some, silent)) as found:
        assert next(found).get() == "ready"
    until((tmp_path / "busy").read_text)
    assert ended(int((tmp_path / "busy").read_text()))


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
sys.path.insert(0, {home!r})
import jobs_for_processes as jobs
from reelabel.engine.executors import Processes

if {guard}:
    for one in Processes(2).run(jobs.{call}, {some!r}, lambda *_: None):
        print(one.job)
"""


@pytest.fixture
def script(tmp_path, jobs):
    """Return a function that starts a program that has jobs done in processes."""

    def start(call, some, guard="__name__ == '__main__'"):
        home = str(Path(jobs.__file__).parent)
        path = tmp_path / "script.py"
        path.write_text(SCRIPT.format(home=home, call=call, some=some, guard=guard))
        return subprocess.Popen(
            [sys.executable, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.mark.parametrize("call", ["first_or_busy", "deaf"])
def test_a_killed_parent_leaves_no_process_behind(script, tmp_path, call):
    """When the program is killed its processes end, at their next tick or without any."""
    note = tmp_path / "busy"
    with script(call, [str(note)]) as program:
        until(note.exists)
        until(note.read_text)
        program.kill()
    until(lambda: ended(int(note.read_text())))


def test_ctrl_c_stops_all_processes(script, tmp_path):
    """An interrupt from the terminal reaches the whole group; the jobs stop at their next tick."""
    note = tmp_path / "busy"
    with script("first_or_busy", [str(note)]) as program:
        until(note.exists)
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert (tmp_path / "busy.stopped").exists()
    assert ended(int(note.read_text()))


def test_a_script_without_a_guard_is_told_so(script):
    """Processes that import a script which starts processes would start no job ever."""
    with script("double", ["a"], guard="True") as program:
        _, errors = program.communicate(timeout=120)
    assert program.returncode == 1
    assert "UsageError" in errors
    assert "__main__" in errors


def test_what_cannot_be_sent_says_so():
    """A call that pickle refuses is an error that names the way out."""
    with pytest.raises(UsageError, match=r"engine\.processes: false"):
        next(Processes(1).run(lambda *_: None, ["a"], silent))


def errors_of(kind=ReelabelError):
    """Yield the whole tree of our errors."""
    yield kind
    for below in kind.__subclasses__():
        yield from errors_of(below)


@pytest.mark.parametrize("kind", list(errors_of()), ids=lambda kind: kind.__name__)
def test_our_errors_come_back_from_processes_as_they_are(kind):
    """Each error of our tree keeps its type and its message when pickled."""
    error = kind("what", "extra") if kind is MissingExtra else kind("message")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- pickled in the same line
    assert type(again) is kind
    assert str(again) == str(error)


def test_the_settings_choose_the_executor():
    """One worker needs no thread; processes are used even by one, which may crash."""
    assert executor_for(Engine(), 1) == InTurn()
    assert executor_for(Engine(), 3) == Threads(3)
    assert executor_for(Engine(processes=True), 1) == Processes(1)
