"""Time answers of llama.cpp in its child process against answers in this process.

    python benchmarks/llama_process.py [MODEL.gguf]

Without a file the built-in base is measured. Both sides answer the same prompts in turn, in the
same run; the ratio is child / in-process, so 1.05 means that the child process costs 5 %.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from localtune.config.stages import PLAIN_TEMPLATE, BaseConfig
from localtune.export.convert import convert
from localtune.llama import engine
from localtune.llama.llama import Model

ROUNDS, QUESTIONS, MAX_TOKENS = 9, 20, 32


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        gguf = Path(sys.argv[1]) if sys.argv[1:] else tiny(Path(folder) / "tiny.gguf")
        child = Model(gguf, template=PLAIN_TEMPLATE)
        here = engine.EngineModel(gguf, 512, 0, None)
        asked = [f"What is the fee for berth number {i} of the harbour?" for i in range(QUESTIONS)]
        prompts = [child.render([{"role": "user", "content": text}]) for text in asked]
        rounds = [
            (seconds(lambda: [child.call("ask", prompt, MAX_TOKENS) for prompt in prompts]),
             seconds(lambda: [here.ask(prompt, MAX_TOKENS) for prompt in prompts]))
            for _ in range(ROUNDS)
        ]  # fmt: skip
        trip = seconds(lambda: [child.token_ids("x") for _ in range(2000)]) / 2000
    ratios = [one / other for one, other in rounds]
    middle = [statistics.median(side) for side in zip(*rounds, strict=True)]
    sys.stdout.write(
        f"{gguf.name}: {QUESTIONS} answers of at most {MAX_TOKENS} tokens, {ROUNDS} rounds\n"
        f"child process {middle[0]:.3f} s, in-process {middle[1]:.3f} s (medians)\n"
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})\n"
        f"a request that does nothing: {trip * 1e6:.0f} microseconds\n"
    )


def tiny(gguf: Path) -> Path:
    base = BaseConfig("tiny").folder()
    assert base
    convert(base, gguf, name="tiny")
    return gguf


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
