"""How a byte-level tokenizer splits text before merging -> llama.cpp's name for it.

First as llama.cpp's converter does: a text is encoded and its ids are looked up by their SHA-256
(pre_tokenizers.json, made by tools/pre_tokenizers.py from conversion/base.py of llama.cpp as
vendored in the sdist of llama-cpp-python 0.3.36). That knows published vocabularies only; any
other is told by the rules in its tokenizer.json.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from localtune.errors import UnsupportedError

Json = dict[str, Any]
KNOWN = Path(__file__).with_suffix(".json")
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = _SUFFIX + r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = r"[^\r\n\p{L}\p{N}]?" + _UPPER + "*" + _LOWER + "+{0}|"
_CASED += r"[^\r\n\p{L}\p{N}]?" + _UPPER + "+" + _LOWER + "*{0}|"
_SLASHED = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = "ByteLevel"
# How text is split, then whether merges are skipped for whole words: llama.cpp's name for it.
RULES = {
    ((GPT2,), False): "gpt-2",
    (("Digits", GPT2), False): "smollm",
    ((_WORDS + r"\p{N}{1,3}" + _TAIL,), True): "llama-bpe",
    ((_WORDS + r"\p{N}{1,3}" + _TAIL,), False): "dbrx",
    ((_WORDS + r"\p{N}" + _TAIL,), False): "qwen2",
    (
        (
            _SUFFIX
            + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
            + r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        False,
    ): "qwen35",
    ((_CASED.replace("{0}", "") + r"\p{N}" + _SLASHED,), True): "tekken",
    ((_CASED.replace("{0}", _SUFFIX + "?") + r"\p{N}{1,3}" + _SLASHED,), False): "gpt-4o",
}


def pre_tokenizer(stored: Json, file: Path) -> str:
    """Return llama.cpp's name for the way a tokenizer.json splits text; raise ExportError.

    `stored` is what `file` holds.
    """
    return _by_ids(file) or _by_rules(stored)


def _by_ids(file: Path) -> str | None:
    from tokenizers import Tokenizer

    known = json.loads(KNOWN.read_text(encoding="utf-8"))
    ids = list(Tokenizer.from_file(str(file)).encode(known["text"]).ids)
    name: str | None = known["names"].get(sha256(str(ids).encode()).hexdigest())
    return name


def _by_rules(stored: Json) -> str:
    steps = parts(stored.get("pre_tokenizer"), "pretokenizers")
    split = tuple(filter(None, map(_split, steps)))
    name = RULES.get((split, bool(stored["model"].get("ignore_merges"))))
    normalizers = {step["type"] for step in parts(stored.get("normalizer"), "normalizers")}
    # Documents are NFC when they are learned from, so that nothing is lost without it.
    if name is None or normalizers - {"NFC"}:
        raise UnsupportedError(
            f"The base's tokenizer splits text in a way that isn't known here ({split}).",
            "Choose a base with the tokenizer of GPT-2, SmolLM, Llama 3, Qwen or Mistral; "
            "--base tiny has one.",
        )
    return name


def parts(step: Json | None, name: str) -> list[Json]:
    """Return the steps of a pre-tokenizer, normalizer or post-processor; `name` is their key."""
    if step is None:
        return []
    return list(step[name]) if step["type"] == "Sequence" else [step]


def _split(step: Json) -> str:
    """Return what one pre-tokenizer splits by; "" where it only maps bytes to characters."""
    if step["type"] == "Split":
        return str(step["pattern"].get("Regex", step["pattern"]))
    if step["type"] == "ByteLevel":
        if step.get("add_prefix_space"):
            return "ByteLevel with a space in front"
        return GPT2 if step.get("use_regex", True) else ""
    if step["type"] == "Digits" and not step.get("individual_digits"):
        return "groups of digits"
    return str(step["type"])
