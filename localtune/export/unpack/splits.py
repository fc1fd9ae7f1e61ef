"""llama.cpp's names for how a text is split before merging -> steps of a tokenizer.json.

The other way round than pre_tokenizers.py, whose rules are used. Names that llama.cpp splits alike
are listed behind one another. Source: llm_tokenizer_bpe and llama_vocab::impl::load in
src/llama-vocab.cpp of llama.cpp, as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from typing import Any

from localtune.export.tokenizer.pre_tokenizers import GPT2, RULES

Json = dict[str, Any]
Step = tuple[tuple[str, ...], bool]
# The first is RULES' own name.
ALIKE = (
    ("gpt-2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "gigachat", "a.x-4.0", "mellum"),
    ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"),
    (
        *("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0"),
        *("lfm2", "jina-v5-nano"),
    ),
    ("dbrx", "smaug-bpe", "glm4", "chatglm-bpe"),
    ("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "megrez"),
    ("qwen35",),
    ("tekken",),
    ("gpt-4o", "llama4", "kanana2"),
)
HAN = "[一-龥ࠀ-一가-퟿]+"
MARKS = r"[\p{P}\$\+<=>\^~\|`]+"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
OTHERS: dict[str, Step] = {
    "default": ((MARKS.replace("`", ""), WORDS, r"\p{N}+", "[0-9][0-9][0-9]"), False),
    "deepseek-coder": (("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, r"\p{N}"), False),
    "deepseek-v3": (
        (
            r"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        False,
    ),
    "falcon": ((MARKS, WORDS, "[0-9][0-9][0-9]"), False),
}


def steps(name: str) -> Json | None:
    """Return the pre-tokenizer that splits as llama.cpp does by this name, None for others."""
    found = _split(name)
    return None if found is None else {"type": "Sequence", "pretokenizers": _steps(found[0])}


def ignores_merges(name: str) -> bool:
    """Whether whole words of the vocabulary are taken without merging."""
    found = _split(name)
    return found is not None and found[1]


def known() -> list[str]:
    """Return all names."""
    return sorted([*OTHERS, *(name for names in ALIKE for name in names)])


def _split(name: str) -> Step | None:
    own = next((names[0] for names in ALIKE if name in names), name)
    return OTHERS.get(own) or {value: key for key, value in RULES.items()}.get(own)


def _steps(split: tuple[str, ...]) -> list[Json]:
    made = [_step(part) for part in split if part != GPT2]
    return [*made, _bytes(GPT2 in split)]


def _step(part: str) -> Json:
    if part == "Digits":
        return {"type": "Digits", "individual_digits": True}
    return {
        "type": "Split",
        "pattern": {"Regex": part},
        "behavior": "Isolated",
        "invert": False,
    }


def _bytes(splits: bool) -> Json:
    """Return the step that maps bytes to characters, and splits as GPT-2 does if asked for."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": splits,
    }
