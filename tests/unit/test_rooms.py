"""The house: which room imports which, without a cycle, and one name for one class.

Rooms are the folders of the package. Imports run downward: ground floor <- config <- rooms <- build
<- deploy, cli. A room imports no other room but `llama` and `ollama`, which are libraries to the
others. Imports inside functions and those for type checkers count.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import localtune

PACKAGE = Path(localtune.__file__).parent
MAX_MODULES = 14  # directly under localtune/
GROUND = {path.stem for path in PACKAGE.glob("*.py")} | {"machine"}
LIBRARIES = ("llama", "ollama")  # of the other rooms; ollama may import llama
ROOMS = {
    *("bases", "corpus", "estimate", "evaluation", "export", "lessons", "privacy", "report"),
    "training",
}
ABOVE = ("build", "deploy", "cli")  # each may import every room, and those before it

# Rooms that import other rooms all the same. To be emptied, never to be added to.
KNOWN: dict[str, set[str]] = {
    "corpus": {"privacy"},
    "corpus.read.document": {"privacy"},
    "corpus.split.gather": {"privacy"},
    "estimate.advice": {"lessons"},
    "estimate.base": {"bases"},
    "estimate.candidates": {"bases", "training"},
    "estimate.choose_base": {"bases"},
    "estimate.costs": {"training"},
    "estimate.disk": {"training"},
    "estimate.local_bases": {"bases", "export"},
    "estimate.measured": {"training"},
    "estimate.outline": {"export"},
    "estimate.shape": {"bases"},
    "estimate.speed": {"training"},
    "estimate.training": {"training"},
    "estimate.yardstick": {"evaluation", "export", "training"},
    "lessons.private": {"privacy"},
    "report.view": {"privacy"},
}


def modules() -> dict[str, Path]:
    """Return the file of each module by its name without `localtune.`; "" is the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of this package that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inner = name.partition(".")
            if package == "localtune":
                yield inner if inner in MODULES else inner.rpartition(".")[0]


IMPORTS = {name: {*imported(tree)} - {"", name} for name, tree in TREES.items()}


def allowed(room: str) -> set[str]:
    """Return what modules of a room may import."""
    if room in GROUND:
        return GROUND
    below = GROUND | {"config", room}
    if room == "ollama":
        return below | {"llama"}
    if room in ROOMS:
        return below | {*LIBRARIES}
    if room in ABOVE:
        return below | {*LIBRARIES} | ROOMS | {*ABOVE[: ABOVE.index(room)]}
    return below


def test_every_folder_is_a_room() -> None:
    rooms = {name.split(".")[0] for name in MODULES if name}
    assert rooms == {*GROUND - {"__init__"}, "config", *LIBRARIES, *ROOMS, *ABOVE}


def test_few_modules_lie_outside_a_room() -> None:
    assert len([*PACKAGE.glob("*.py")]) <= MAX_MODULES


def test_imports_run_downward() -> None:
    upward: dict[str, set[str]] = defaultdict(set)
    for name, found in IMPORTS.items():
        room = name.split(".")[0]
        if name not in ("", "__main__"):
            rooms = {other.split(".")[0] for other in found} - allowed(room)
            upward[name] |= rooms
    assert {name: rooms for name, rooms in upward.items() if rooms} == KNOWN


def test_no_import_goes_round_in_a_circle() -> None:
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


def test_a_name_is_of_one_public_class() -> None:
    defined: dict[str, list[str]] = defaultdict(list)
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined[node.name].append(module)
    assert {name: found for name, found in defined.items() if len(found) > 1} == {}


def test_the_function_build_stays_a_function() -> None:
    """The room of the same name is imported first, so that it never takes its place."""
    import localtune.build.job

    assert callable(localtune.build) and callable(localtune.plan)
