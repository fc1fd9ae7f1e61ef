"""The ledger and the workers: nothing lost, nothing done twice, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localtune.errors import ServerError
from localtune.lessons.each import write_each
from localtune.lessons.ledger import Ledger, key_of
from localtune.progress import Bar, Silent

ROW = {"title": "Yard", "headings": ["Fees"], "text": "Cleaning costs 85 euros."}


def jobs(number: int) -> list[tuple[str, dict[str, Any]]]:
    rows = [{**ROW, "text": f"Berth {i} is free."} for i in range(number)]
    return [(key_of(row, "lessons"), row) for row in rows]


def test_a_key_holds_all_that_a_row_is_made_from() -> None:
    others = [{**ROW, part: "other"} for part in ROW]
    keys = [key_of(row, "lessons", "1") for row in (ROW, *others)]
    keys += [key_of(ROW, "exam", "1"), key_of(ROW, "lessons", "2")]
    assert len(set(keys)) == len(keys)
    assert key_of({**ROW, "id": "x", "document": "moved.md"}, "lessons", "1") == keys[0]


@pytest.mark.parametrize("torn", [b'{"key": "c", "ma', b"\xff\xfe", b'{"key": "c"}'])
def test_a_torn_last_line_is_cut_off_and_done_again(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "ledger.jsonl"
    Ledger(file).add("a", {"made": 1})
    Ledger(file).add("b", {"made": 2})
    whole = file.read_bytes()
    file.write_bytes(whole + torn)
    ledger = Ledger(file)
    assert ledger.rows == {"a": {"made": 1}, "b": {"made": 2}}
    ledger.add("c", {"made": 3})
    assert file.read_bytes() == whole + b'{"key": "c", "made": 3}\n'
    assert set(Ledger(file).rows) == {"a", "b", "c"}


def test_a_damaged_line_costs_only_its_own_passage(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    lines = ['{"key": "a", "n": 1}', "nonsense", "[1]", '{"n": 2}', '"text"', '{"key": "b"}']
    file.write_text("\n".join(lines) + "\n")
    assert set(Ledger(file).rows) == {"a", "b"}


def test_what_a_removed_document_said_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file)
    for key in "abc":
        ledger.add(key, {"said": f"secret {key}"})
    ledger.keep(["a", "c", "never"])
    assert "secret b" not in file.read_text() and set(Ledger(file).rows) == {"a", "c"}
    before = file.stat().st_mtime_ns
    ledger.keep(["c", "a"])
    assert file.stat().st_mtime_ns == before


def test_only_rows_that_were_used_stay(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file)
    for key in "abcd":
        ledger.add(key, {"said": f"secret {key}"})
    ledger.use(["a", "never"])
    ledger.use(["c"])
    ledger.keep_used()
    assert set(ledger.rows) == set(Ledger(file).rows) == {"a", "c"}
    assert "secret b" not in file.read_text()


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    Ledger(file).add("a", {"text": "x"})
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from localtune.lessons.ledger import Ledger\n"
        "from localtune.errors import DiskFullError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"ledger = Ledger(Path({str(file)!r}))\n"
        "try:\n    ledger.add('b', {'text': 'y' * 9000})\n"
        "except DiskFullError:\n    sys.exit(3)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert list(Ledger(file).rows) == ["a"] and file.read_text().endswith("\n")


@pytest.mark.parametrize("parallel", [1, 3])
def test_each_is_made_once_and_at_most_so_many_at_a_time(tmp_path: Path, parallel: int) -> None:
    made, now, most = Counter[str](), 0, 0
    lock = threading.Lock()

    def make(row: dict[str, Any]) -> dict[str, Any]:
        nonlocal now, most
        with lock:
            made[row["text"]] += 1
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return {"said": row["text"]}

    some = jobs(10)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write_each([*some, *some], make, ledger, parallel, Silent())
    assert set(made.values()) == {1} and len(made) == 10 and most == parallel
    assert set(Ledger(tmp_path / "ledger.jsonl").rows) == {key for key, _ in some}
    write_each(some, make, ledger, parallel, Silent())
    assert set(made.values()) == {1}


@pytest.mark.parametrize("parallel", [1, 3])
def test_an_error_keeps_what_was_in_flight_and_begins_nothing_new(
    tmp_path: Path, parallel: int
) -> None:
    begun: list[str] = []

    def make(row: dict[str, Any]) -> dict[str, Any]:
        begun.append(row["text"])
        if row["text"] == "Berth 4 is free.":
            raise ServerError("gone")
        time.sleep(0.02)
        return {}

    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(ServerError):
        write_each(jobs(30), make, ledger, parallel, Silent())
    assert len(begun) <= 4 + 2 * parallel
    assert len(ledger.rows) == len(begun) - 1
    assert len(Ledger(tmp_path / "ledger.jsonl").rows) == len(begun) - 1


class Details(Silent):
    """Keeps what is shown beside a bar."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, n: int = 1, detail: str = "") -> None:
        self.shown.append(detail)


def test_what_was_made_is_shown_beside_the_bar(tmp_path: Path) -> None:
    progress, ledger = Details(), Ledger(tmp_path / "ledger.jsonl")
    keys = [key for key, _ in jobs(3)]
    write_each(
        jobs(3),
        lambda row: {"said": row["text"]},
        ledger,
        1,
        progress,
        detail=lambda key, row: f"{keys.index(key)} {row['said']}",
    )
    assert progress.shown == [f"{i} Berth {i} is free." for i in range(3)]


def test_later_jobs_fill_the_time_in_which_the_last_jobs_are_made(tmp_path: Path) -> None:
    slow = threading.Event()

    def make(row: dict[str, Any]) -> dict[str, Any]:
        if row["text"] == "Berth 0 is free.":
            slow.wait(10)
        elif row["text"] == "Berth 9 is free.":
            slow.set()
        return {"said": row["text"]}

    asked, many = Counter[str](), dict(jobs(40))

    def later(key: str, row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        asked[key] += 1
        return list(many.items())

    progress, ledger = Details(), Ledger(tmp_path / "ledger.jsonl")
    write_each(jobs(3), make, ledger, 2, progress, later=later)
    assert len(progress.shown) == 3, "the bar counts the jobs alone"
    keys = [key for key, _ in jobs(40)]
    assert set(keys[:9]) <= ledger.rows.keys(), "the later ones were made beside the slow one"
    assert len(ledger.rows) < 40, "what was not begun is left out"
    assert set(asked.values()) == {1}


def test_one_at_a_time_makes_no_later_jobs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    write_each(jobs(2), dict, ledger, 1, Silent(), later=lambda key, row: jobs(9))
    assert len(ledger.rows) == 2


KILLED = """
import sys, time
from pathlib import Path
from localtune.lessons.each import write_each
from localtune.lessons.ledger import Ledger, key_of
from localtune.progress import Silent

def make(row):
    with open(sys.argv[2], "a") as log:
        log.write(row["text"] + "\\n")
    time.sleep(0.03)
    return {"said": row["text"]}

rows = [{"title": "", "text": f"Berth {i}."} for i in range(40)]
jobs = [(key_of(row), row) for row in rows]
write_each(jobs, make, Ledger(Path(sys.argv[1])), 2, Silent())
"""


def test_kill_9_costs_at_most_what_was_in_flight(tmp_path: Path) -> None:
    file, log = tmp_path / "ledger.jsonl", tmp_path / "log"
    run = [sys.executable, "-c", KILLED, str(file), str(log)]
    for lines in (5, 17):
        process = subprocess.Popen(run)
        while not file.exists() or file.read_bytes().count(b"\n") < lines:
            assert process.poll() is None
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(run, check=False).returncode == 0
    kept = [json.loads(line)["said"] for line in file.read_text().splitlines()]
    assert sorted(kept) == sorted(f"Berth {i}." for i in range(40))
    begun = Counter(log.read_text().splitlines())
    assert sum(begun.values()) - 40 <= 2 * 2  # two kills, two in flight at each
