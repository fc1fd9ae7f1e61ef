"""Patterns of .localtuneignore: what git ignores, in a time that no pattern can stretch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localtune.corpus.read.ignore import parse

PATTERNS = [
    "a", "/a", "a/", "a/b", "a/*", "*", "**", "a/**", "**/b", "a/**/b", "**/a/**/b", "/**/b",
    "*a*b",
    "a*/b*", "?", "a?c", "[ab]", "[!a]c", "[^a]c", "[a-c]c", "[]a]", "[a-]", "[-a]", "[--b]",
    "[[:alpha:]]c", "[[:digit:]a]", r"\a", r"\*", r"\#", r"\!a", r"a\ ", "a ", "a\\  ", "#a", "***",
    "a**", "**a", "ab*ab*ab", "a/*/*/b", "a/b/", r"[\]a]", "*[*]*", "*.*.*",
]  # fmt: skip
NAMES = [
    "a", "b", "c", "ab", "ac", "abc", "a/b", "a/b/c", "a/c/b", "c/a/b", "a/c/c/b", "aab", "abab",
    "ababab", "abxabyab", "]", "-", ".", "*", "#", "!a", "a ", "a  ", "axb", "1", "bc", "a.b.c",
    "c/d",
    "axa/b", "ab/ba",
]  # fmt: skip


def ignored(pattern: str, name: str) -> bool:
    """Whether a pattern names a file or one of its folders, as they are walked through."""
    parsed, parts = parse(pattern), tuple(name.split("/"))
    ends = range(1, len(parts) + 1)
    return bool(parsed) and any(parsed.matches(parts[:end], end < len(parts)) for end in ends)


@pytest.mark.skipif(not shutil.which("git"), reason="compares with git")
def test_git_ignores_the_same_names(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    names = [name for name in NAMES if name != "."]
    for number, pattern in enumerate(PATTERNS):
        (tmp_path / f"p{number}").mkdir()
        (tmp_path / f"p{number}" / ".gitignore").write_text(f"{pattern}\n")
    asked = [f"p{number}/{name}" for number in range(len(PATTERNS)) for name in names]
    command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(command, input="\0".join(asked).encode(), capture_output=True)
    by_git = set(done.stdout.decode().split("\0")) - {""}
    ours = {
        f"p{number}/{name}"
        for number, pattern in enumerate(PATTERNS)
        for name in names
        if ignored(pattern, name)
    }
    assert len(by_git) > 100
    assert ours == by_git


def test_a_line_that_begins_with_an_exclamation_mark_takes_back() -> None:
    pattern = parse("!keep.md")
    assert pattern and not pattern.leaves_out and pattern.matches(("sub", "keep.md"), False)


def test_no_pattern_takes_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 200) / ("a" * 200)
    folder.mkdir(parents=True)
    (folder / f"{'a' * 200}.md").write_text("# Opening\n\nThe gate opens at nine.\n")
    patterns = ["*a*a*/*a*a*b", "*a" * 100 + "b", "**/a*a*/" * 20 + "b", "**/" * 100 + "b"]
    (tmp_path / ".localtuneignore").write_text("\n".join(patterns))
    command = [sys.executable, "-m", "localtune", "corpus", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"status": "read"' in done.stdout
