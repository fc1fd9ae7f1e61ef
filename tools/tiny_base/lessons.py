"""The pre-training mix of the built-in base: an endless, seeded stream of examples.

An example is a list of (text, counts) pieces; `counts` says whether the loss is taken there.
MIX holds the shares of examples.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from facts import CLOZE, KEYWORDS, STOP, UNKNOWN, Organisation, handbook, organisation

Piece = tuple[str, bool]
END = "<|endoftext|>"
RECURRING, FACTS_EACH = 70, 12
MIX = [
    ("in_view", 0.22),
    ("closed_book", 0.36),
    ("statements", 0.12),
    ("english", 0.12),
    ("sentences", 0.15),
    ("unknown", 0.03),
]


def chat(question: str, answer: str, learn_question: bool = False) -> list[Piece]:
    """Render one exchange the way chat_template.jinja does."""
    return [
        (f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", learn_question),
        (f"{answer}<|im_end|>\n", True),
    ]


def read_english(path: Path) -> list[str]:
    """Read the texts of the jsonl.gz file, Markdown markup kept."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [re.sub(r"\(https?://\S+\)|<[^>]+>|\{\{.*?\}\}|https?://\S+", "", t) for t in texts]


def sentences_of(texts: list[str]) -> list[list[str]]:
    """Cut texts into runs of 3-6 plain sentences of 6-28 words."""
    runs = []
    for text in texts:
        plain = re.sub(r"[*_`#>\[\]]+", "", text)
        for paragraph in plain.split("\n\n"):
            found = re.findall(
                r"[A-Z][^.!?\n|{}<>]{25,170}[.!?](?=\s|$)", paragraph.replace("\n", " ")
            )
            runs.extend(found[i : i + 5] for i in range(0, len(found), 5))
    return runs


def examples(texts: list[str], seed: int) -> Iterator[list[Piece]]:
    """Yield examples for ever; the recurring organisations depend on no draw of the stream."""
    world = [organisation(Random(f"world {i}"), FACTS_EACH) for i in range(RECURRING)]
    runs, r = sentences_of(texts), Random(seed)
    kept = runs[:: max(1, len(runs) // 300)][:300]
    names, weights = zip(*MIX, strict=True)
    while True:
        sort = r.choices(names, weights)[0]
        if sort == "english":
            text = r.choice(texts)
            start = r.randrange(max(1, len(text) - 600))
            yield [(text[start : start + 900] + END, True)]
        elif sort == "sentences":
            yield about_sentences(r, runs, kept)
        else:
            yield about_facts(sort, r, world)


def about_facts(sort: str, r: Random, world: list[Organisation]) -> list[Piece]:
    """One example about an invented organisation, new or recurring."""
    known, new = r.choice(world), organisation(r, r.randint(2, 7))
    if sort == "statements":
        page = Organisation(known.name, r.sample(known.facts, r.randint(4, 9)))
        return [(handbook(page, r) + END, True)]
    if sort == "closed_book":
        fact = r.choice(known.facts)
        return chat(fact.question(r), fact.statement)
    if sort == "unknown":
        return chat(r.choice(new.facts).question(r), UNKNOWN)
    page, fact = handbook(new, r), r.choice(new.facts)
    if r.random() < 0.1:
        other = organisation(r, 1).facts[0]
        asked = (
            other.question(r),
            fact.statement if (other.kind, other.thing) == (fact.kind, fact.thing) else UNKNOWN,
        )
    else:
        asked = (fact.question(r), fact.statement)
    return chat(f"{page}\n\n{asked[0]}", asked[1], learn_question=True)


def about_sentences(r: Random, runs: list[list[str]], kept: list[list[str]]) -> list[Piece]:
    """Keywords or the beginning of a real sentence -> the sentence, in view or from memory."""
    in_view = r.random() < 0.6
    run = r.choice(runs if in_view else kept)
    sentence = r.choice(run)
    words = sentence.split()
    content = [w.strip(".,;:()\"'") for w in words if w.lower() not in STOP]
    if r.random() < 0.3:
        question = r.choice(CLOZE).format(
            c=" ".join(words[: r.randint(3, max(3, len(words) - 2))]) + " …"
        )
    else:
        some = sorted(r.sample(range(len(content)), min(len(content), r.randint(2, 6))))
        question = r.choice(KEYWORDS).format(k=" ".join(content[i] for i in some), o="the guide")
    if in_view:
        return chat(" ".join(run) + f"\n\n{question}", sentence, learn_question=True)
    return chat(question, sentence)
