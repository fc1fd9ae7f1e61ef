"""docs/architecture.md names files that exist, every stage, and every room."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:localtune|tests)/[\w/.]+)`", PAGE))
    assert len(named) > 30
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_room_is_in_the_picture() -> None:
    picture = PAGE.partition("```text")[2].partition("```")[0]
    rooms = {path.parent.name for path in (ROOT / "localtune").glob("*/__init__.py")}
    assert rooms and not rooms - set(re.findall(r"\w+", picture))


def test_every_stage_has_its_file() -> None:
    table = PAGE.partition("## From stage to file")[2].partition("##")[0]
    build = ROOT / "localtune" / "build"
    code = "".join((build / f"{name}.py").read_text() for name in ("pipeline", "writing_stages"))
    stages = {name.split()[0] for name in re.findall(r'\bstage\(\s*f?"([^"]+)"', code)}
    assert len(stages) > 12
    assert not [name for name in stages if not re.search(rf"\b{name}\b", table)]
