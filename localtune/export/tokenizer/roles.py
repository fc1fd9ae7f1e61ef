"""Which tokens begin, end and pad a text, and which of them a tokenizer adds by itself.

gguf's SpecialVocab reads them; up to 0.19 it believes tokenizer_config.json where the tokenizer's
own post-processor, which transformers obeys, says otherwise. Source: gguf-py/gguf/vocab.py of
llama.cpp, as vendored in the sdist of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf import SpecialVocab

from localtune.export.read.config_json import read_json
from localtune.export.tokenizer.pre_tokenizers import parts

Json = dict[str, Any]


class Roles(SpecialVocab):
    """SpecialVocab as the script's own gguf has it; an id below 0 stands for no token."""

    def __init__(self, base: Path, stored: Json | None, load_merges: bool, size: int) -> None:
        """Read a base's files; `stored` is its tokenizer.json, `size` the number of ids."""
        super().__init__(base, load_merges=load_merges, n_vocab=size)
        file = base / "tokenizer_config.json"
        config = read_json(file) if file.is_file() else {}
        added: dict[str, bool] = {}
        for step in parts((stored or {}).get("post_processor"), "processors"):
            if step["type"] == "ByteLevel":
                added = {"bos": False, "eos": False} | added
            elif step["type"] == "TemplateProcessing":
                added |= self._of_template(step["single"], config, stored or {})
        self.add_special_token |= added

    def _set_special_token(self, typ: str, tid: Any) -> None:
        if not isinstance(tid, int) or tid >= 0:
            super()._set_special_token(typ, tid)

    def _of_template(self, single: list[Json], config: Json, stored: Json) -> dict[str, bool]:
        """Return what a template puts around a text; its first token is BOS if no other is."""
        if len(single) < 2:
            return {}
        first, last = (piece.get("SpecialToken", {}).get("id") for piece in (single[0], single[-1]))
        begin, classes = (_text(config.get(f"{role}_token")) for role in ("bos", "cls"))
        added = {"eos": True} if last else {}
        if first:
            added["bos"] = first in (begin, classes or first)
        for token in stored.get("added_tokens", []):
            if config and not (begin or classes) and token["content"] == first:
                self.special_token_ids["bos"] = token["id"]
        return added


def _text(entry: Any) -> str | None:
    """Return a token's text; transformers 4 wrote some as objects."""
    found = entry.get("content") if isinstance(entry, dict) else entry
    return found if isinstance(found, str) else None
