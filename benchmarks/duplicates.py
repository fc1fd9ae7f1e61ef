"""Near-duplicates found by localtune and by datasketch on the same texts: time, recall, precision.

Run `python benchmarks/duplicates.py [N]`. The texts are made from a seed: 9 in 10 are their own,
1 in 10 is a copy of one of these with some words changed, at a known Jaccard index.
"""

from __future__ import annotations

import importlib.util
import random
import resource
import sys
import time
from collections.abc import Callable

from localtune.corpus.split.duplicates import jaccard, representatives

THRESHOLD = 0.8
Found = dict[int, int]  # a text that is dropped -> the text that stands for it
Copies = dict[int, tuple[int, float]]  # a copy -> its original, their Jaccard index


def corpus(n: int) -> tuple[list[str], Copies]:
    """Make `n` texts of about 100 words, and say which are copies: text -> (original, Jaccard)."""
    rng = random.Random(7)
    words = ["".join(rng.choices("abcdeilmnorstu", k=rng.randint(3, 9))) for _ in range(20_000)]
    texts: list[str] = []
    copies: Copies = {}
    originals: list[int] = []
    for i in range(n):
        if i % 10 == 9:
            origin = originals.pop(rng.randrange(len(originals)))  # one copy each: no chains
            copy = texts[origin].split()
            for place in rng.sample(range(len(copy)), rng.randint(1, 6)):
                copy[place] = rng.choice(words)
            texts.append(" ".join(copy))
            copies[i] = origin, jaccard(texts[origin], texts[i])
        else:
            texts.append(" ".join(rng.choices(words, k=rng.randint(80, 120))))
            originals.append(i)
    return texts, copies


def ours(texts: list[str]) -> Found:
    """Find near-duplicates with localtune."""
    return {i: j for i, j in enumerate(representatives(texts, THRESHOLD)) if i != j}


def datasketch(texts: list[str]) -> Found:
    """Find near-duplicates with datasketch's MinHashLSH, its candidates taken as they come."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]

    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    found: Found = {}
    for i, text in enumerate(texts):
        words = text.split()
        minhash = MinHash(num_perm=128, seed=42)
        minhash.update_batch([" ".join(words[k : k + 5]).encode() for k in range(len(words) - 4)])
        met = index.query(minhash)
        if met:
            found[i] = min(met)
        else:
            index.insert(i, minhash)
    return found


def measure(
    name: str, find: Callable[[list[str]], Found], texts: list[str], copies: Copies
) -> float:
    """Print one line of the table; return the seconds."""
    began = time.perf_counter()
    found = find(texts)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    near = {i: origin for i, (origin, index) in copies.items() if index >= THRESHOLD}
    right = sum(near.get(i) == j for i, j in found.items())
    recall, precision = right / max(len(near), 1), right / max(len(found), 1)
    say(f"{name:12}{seconds:9.1f} s{peak:9.0f} MB{recall:10.4f}{precision:12.4f}")
    return seconds


def say(line: str) -> None:
    """Write one line now, so that a long run shows where it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure both in one process, ours first, so that its peak memory is its own."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    texts, copies = corpus(n)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    near = sum(index >= THRESHOLD for _, index in copies.values())
    say(f"{n:,} texts, {len(copies):,} copies, {near:,} of them at Jaccard >= {THRESHOLD}")
    say(f"the texts alone: {base:.0f} MB")
    say(f"{'':12}{'time':>11}{'peak':>12}{'recall':>10}{'precision':>12}")
    mine = measure("localtune", ours, texts, copies)
    if importlib.util.find_spec("datasketch") is None:
        say("datasketch isn't installed: nothing to compare with (pip install datasketch).")
        return
    say(f"ratio: {measure('datasketch', datasketch, texts, copies) / mine:.1f}")


if __name__ == "__main__":
    main()
