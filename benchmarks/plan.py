"""What `localtune plan` says beside what a build then takes: time, memory and disk, three shapes.

    python benchmarks/plan.py [--shapes tiny,135M,0.5B] [--docs FOLDER] [--keep DIR]

Each base has random weights of the real shape and the built-in base's tokenizer. First
`localtune plan --json` runs, then, in another process, the build's own stages as far as the levels,
with the same options; training makes few steps. `verify` and the exam are left out: a model of
random weights has nothing to say. Use an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHAPES = {
    "tiny": ("tiny", 60),
    "135M": ("HuggingFaceTB/SmolLM2-135M-Instruct", 16),
    "0.5B": ("Qwen/Qwen2.5-0.5B-Instruct", 8),
}
OPTIONS = {"lessons": "structure", "questions": "8", "quantize": "Q4_K_M", "imatrix-tokens": "1024"}
BUILT = ("corpus", "exam", "lessons", "base", "train", "export", "imatrix", "quantize Q4_K_M")
TIME, MEMORY = 0.25, 0.10  # the goals


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make(which: str, folder: Path) -> Path:
    """Write a base of a shape with random weights, and return its folder."""
    from localtune.bases.catalogue import find
    from localtune.estimate.shape import write_base

    entry = find(SHAPES[which][0])
    assert entry
    return write_base(entry.config, entry.config["num_hidden_layers"], folder, filled=True)


def plan(base: Path, docs: Path, steps: int) -> dict[str, Any]:
    """Run `localtune plan`, in a process of its own."""
    options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "localtune", "plan", str(docs), "--base", str(base)]
    said = subprocess.run(
        [*command, "--steps", str(steps), *options, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return dict(json.loads(said.stdout))


def build(base: Path, docs: Path, steps: int, out: Path) -> dict[str, Any]:
    """Run a build's stages as far as the levels, in a process of its own; return its lock."""
    subprocess.run(
        [sys.executable, __file__, "--stages", str(base), str(docs), str(steps), str(out)],
        check=True, capture_output=True,
    )  # fmt: skip
    return dict(json.loads((out / "work" / "lock.json").read_text()))


def run_stages(base: str, docs: str, steps: str, out: str) -> None:
    """Run the stages of `build` in this process."""
    from localtune.build.hashes import Hashes
    from localtune.build.open_build import start
    from localtune.build.pipeline import keep_settings, run_stage, stages
    from localtune.build.stage import Lock
    from localtune.config.file import load, sections_of_options
    from localtune.progress import Silent

    given = {name.replace("-", "_"): value for name, value in OPTIONS.items()}
    given |= {"base": base, "steps": int(steps)}  # type: ignore[dict-item]
    numbers = {name: int(given[name]) for name in ("questions", "imatrix_tokens")}
    chosen = load(None, sections_of_options({**given, **numbers}))
    made = start(Path(docs), Path(out), chosen)
    with made.at.hold():
        keep_settings(made)
        lock = Lock(made.at.lock, Hashes(made.at.hashes))
        for stage in stages(made):
            if stage.name in BUILT:
                run_stage(stage, lock, Silent())


def compare(which: str, planned: dict[str, Any], built: dict[str, Any], out: Path) -> bool:
    """Print planned beside measured; return whether time and memory of training are in reach."""
    _say(f"\n{which}: {planned['base']['parameters']:,} parameters, {SHAPES[which][1]} steps")
    _say(f"{'':18}{'planned':>10}{'measured':>10}{'off':>8}")
    rows = {row["stage"]: row for row in planned["stages"]}
    met, sums = True, [0.0, 0.0]
    for name in BUILT:
        if name in rows:
            expected, took = rows[name]["seconds"], built[name]["seconds"]
            sums = [sums[0] + expected, sums[1] + took]
            _line(f"{name}, s", expected, took)
    met &= abs(_line("all of these, s", *sums)) <= TIME
    met &= abs(_line("train, s", rows["train"]["seconds"], built["train"]["seconds"])) <= TIME
    held = built["train"]["memory"] / 1e6
    met &= abs(_line("memory, MB", planned["memory"]["bytes"] / 1e6, held)) <= MEMORY
    for what, pattern in (("master", "work/*-BF16.gguf"), ("Q4_K_M", "*-Q4_K_M.gguf")):
        (file,) = out.glob(pattern)
        _line(f"{what}, MB", planned["disk"][what] / 1e6, file.stat().st_size / 1e6)
    return met


def _line(what: str, expected: float, found: float) -> float:
    off = expected / found - 1 if found else 0.0
    _say(f"{what:18}{expected:10.1f}{found:10.1f}{off:+8.0%}")
    return off


def main() -> None:
    """Make the bases, plan, build, compare."""
    if sys.argv[1:2] == ["--stages"]:
        return run_stages(*sys.argv[2:6])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--docs", type=Path, default=ROOT / "examples" / "handbook")
    parser.add_argument(
        "--keep", type=Path, help="write bases, plans and builds here, and keep them"
    )
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="plan-"))
    folder.mkdir(parents=True, exist_ok=True)
    met = True
    try:
        for which in given.shapes.split(","):
            base, out, steps = folder / f"base-{which}", folder / f"out-{which}", SHAPES[which][1]
            make(which, base)
            planned = plan(base, given.docs, steps)
            (folder / f"plan-{which}.json").write_text(json.dumps(planned, indent=1))
            met &= compare(which, planned, build(base, given.docs, steps, out), out)
    finally:
        if not given.keep:
            shutil.rmtree(folder)
    _say(f"\nGoals (time ± {TIME:.0%}, memory ± {MEMORY:.0%}): {'met' if met else 'NOT met'}")
    return None


if __name__ == "__main__":
    main()
