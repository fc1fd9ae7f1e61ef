"""A folder that holds chats alone is built, through the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

NOUNS = "locker crane door barge store winch van keeper colour weight code price height".split()
OPTIONS = ["--base", "tiny", "--steps", "2", "--quantize", "Q8_0"]


@pytest.mark.slow
def test_chats_alone_are_built_and_some_are_held_back(tmp_path: Path) -> None:
    docs, out = tmp_path / "chats", tmp_path / "model"
    docs.mkdir()
    asked = [f"Which {' '.join(Random(n).sample(NOUNS, 5))}?" for n in range(40)]
    lines = [
        {
            "messages": [
                {"role": "user", "content": q},
                {"role": "assistant", "content": f"It is {n}7."},
            ]
        }
        for n, q in enumerate(asked)
    ]
    (docs / "desk.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "localtune", "build", str(docs), "--out", str(out), *OPTIONS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    exam = [json.loads(line) for line in (out / "work" / "exam.jsonl").read_text().splitlines()]
    lessons = (out / "work" / "lessons.jsonl").read_text()
    assert len(exam) == 4 and {row["document"] for row in exam} == {"desk.jsonl"}
    assert all(row["question"] not in lessons for row in exam)
    assert sum(question in lessons for question in asked) == 36
    assert list(out.glob("*-Q8_0.gguf"))
    assert "from 1 document upon" in (out / "Modelfile").read_text()
