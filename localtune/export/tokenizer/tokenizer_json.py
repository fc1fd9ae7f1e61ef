"""tokenizer.json as transformers takes it: with what tokenizer_config.json says of its tokens.

Source: TokenizersBackend.__init__ of transformers 5.23, which adds the tokens of
added_tokens_decoder that are missing, and makes special those of them that have a role.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from localtune.errors import ExportError, UnsupportedError
from localtune.export.read.config_json import read_json

Json = dict[str, Any]
AGAIN = "Fetch or save the base again."


def read_tokenizer(file: Path) -> Json:
    """Read a tokenizer.json. Raises ExportError for one that is damaged or of another kind."""
    stored = read_json(file)
    model, added = stored.get("model"), stored.get("added_tokens", [])
    kind = model.get("type") if isinstance(model, dict) else model
    if not isinstance(model, dict) or kind != "BPE":
        raise UnsupportedError(
            f"The base's tokenizer is {kind}, which can't be written yet.",
            "Choose a base whose tokenizer is BPE; nearly every Llama's is.",
        )
    vocabulary, merges = model.get("vocab"), model.get("merges")
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else []
    if set(map(type, ids)) != {int} or not isinstance(merges, list) or not _are_tokens(added):
        raise ExportError(f"{file} isn't as the tokenizers library writes it.", AGAIN)
    return stored


def _are_tokens(added: Any) -> bool:
    return isinstance(added, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("id"), int)
        and isinstance(entry.get("content"), str)
        for entry in added
    )


def with_config(stored: Json, folder: Path) -> Json:
    """Return a tokenizer.json with the tokens that only tokenizer_config.json has."""
    file = folder / "tokenizer_config.json"
    config = read_json(file) if file.is_file() else {}
    more = config.get("added_tokens_decoder")
    named = [value for key, value in config.items() if key.endswith("_token")]
    added = list(stored.get("added_tokens", []))
    ids = {entry["id"] for entry in added} | set(stored["model"]["vocab"].values())
    for id_, entry in more.items() if isinstance(more, dict) else ():
        if int(id_) not in ids:  # the next one is free, whatever the file says
            special = bool(entry.get("special")) or entry["content"] in named
            added.append({**entry, "id": max(ids) + 1, "special": special})
            ids.add(max(ids) + 1)
    return {**stored, "added_tokens": added}


def check_texts(tokens: list[str]) -> None:
    """Raise ExportError where two ids have the same text; llama.cpp ends the process over it."""
    if len(set(tokens)) < len(tokens):
        text, count = Counter(tokens).most_common(1)[0]
        raise ExportError(f"{count} of the tokenizer's ids have the same text {text!r}.", AGAIN)
