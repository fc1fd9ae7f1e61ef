"""Published vocabularies as tokenizer.json or tokenizer.model, from llama.cpp's ggml-vocab-*.gguf.

How each one splits text is as its own tokenizer.json says it; the special tokens in front are those
of its post-processor.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import TAIL, WORDS
from gguf_fields import fields
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, processors
from tokenizers import pre_tokenizers as pre

BYTES = pre.ByteLevel(add_prefix_space=False, use_regex=False)
PLAIN = pre.ByteLevel(add_prefix_space=False)
MARKED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
MARKED += r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern: str) -> pre.PreTokenizer:
    return pre.Sequence([pre.Split(Regex(pattern), "isolated"), BYTES])


def digits() -> pre.PreTokenizer:
    return pre.Sequence([pre.Digits(individual_digits=True), PLAIN])


# Vocabulary -> the family it is tried with, how it splits, whether whole words skip the merges,
# whether BOS goes in front.
BYTE_LEVEL: dict[str, tuple[str, pre.PreTokenizer, bool, bool]] = {
    "gpt-2": ("gpt2", PLAIN, False, False),
    "llama-bpe": ("llama", split(WORDS + r"\p{N}{1,3}" + TAIL), True, True),
    "qwen2": ("qwen3", split(WORDS + r"\p{N}" + TAIL), False, False),
    "qwen35": ("qwen3.5", split(MARKED), False, False),
    "starcoder": ("starcoder2", digits(), False, False),
    "refact": ("granite", digits(), False, False),
}
PIECED = {"llama-spm": "mistral", "phi-3": "phi3"}
GEMMA = "gemma-4"


def write_vocabulary(source: Path, name: str, folder: Path) -> int:
    """Write a vocabulary's files into a base's folder; return the number of its tokens."""
    held = fields(source / "models" / f"ggml-vocab-{name}.gguf")
    held = {key.removeprefix("tokenizer.ggml."): value for key, value in held.items()}
    folder.mkdir(exist_ok=True)
    if name == GEMMA:
        _write_gemma(held, folder)
    elif name in PIECED:
        _write_pieces(held, folder)
    else:
        _write_byte_level(name, held, folder)
    return len(held["tokens"])


def _write_byte_level(name: str, held: dict[str, Any], folder: Path) -> None:
    _, splits, skips, begins = BYTE_LEVEL[name]
    tokens, types = held["tokens"], held["token_type"]
    merges = [tuple(merge.split(" ")) for merge in held["merges"]]
    last = max(i for i, kind in enumerate(types) if kind == 1)  # what is added comes behind
    plain = {token: i for i, token in enumerate(tokens) if i <= last}
    made = Tokenizer(models.BPE(plain, merges, ignore_merges=skips))
    made.pre_tokenizer, made.decoder = splits, decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    stored = json.loads(made.to_str())
    stored["added_tokens"] = [
        {"id": i, "content": token, "special": types[i] == 3, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for i, token in enumerate(tokens)
        if types[i] != 1
    ]
    made = Tokenizer.from_str(json.dumps(stored))
    roles = {role: held.get(f"{role}_token_id") for role in ("bos", "eos")}
    config = {f"{role}_token": tokens[id_] for role, id_ in roles.items() if id_ is not None}
    if begins:
        bos = (config["bos_token"], roles["bos"])
        template = processors.TemplateProcessing(f"{bos[0]} $A", None, [bos])
        made.post_processor = processors.Sequence([made.post_processor, template])
    made.save(str(folder / "tokenizer.json"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _write_gemma(held: dict[str, Any], folder: Path) -> None:
    """Write Gemma 4's: BPE with byte fallback, spaces as "▁"; its tokens with a role by name."""
    tokens, types = held["tokens"], held["token_type"]
    merges = [tuple(merge.split(" ")) for merge in held["merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    made = Tokenizer(
        models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = [token for i, token in enumerate(tokens) if types[i] in (3, 4)]
    made.add_special_tokens(special)
    made.post_processor = processors.TemplateProcessing("<bos> $A", None, [("<bos>", 2)])
    made.save(str(folder / "tokenizer.json"))
    roles = {f"{role}_token": f"<{role}>" for role in ("bos", "eos", "unk", "pad", "mask")}
    named = {f"extra{i}_token": token for i, token in enumerate(special) if token not in roles}
    config = {**roles, **named, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _write_pieces(held: dict[str, Any], folder: Path) -> None:
    """Write a tokenizer.model, whose message is sentencepiece's own."""
    from sentencepiece import sentencepiece_model_pb2 as messages

    made = messages.ModelProto()
    made.trainer_spec.model_type = messages.TrainerSpec.BPE
    made.trainer_spec.byte_fallback = True
    rows = zip(held["tokens"], held["scores"], held["token_type"], strict=True)
    added: dict[str, Any] = {}
    for i, (token, score, kind) in enumerate(rows):
        if i < 32000:
            kind = kind if i > 2 else (2, 3, 3)[i]
            made.pieces.add(piece=token, score=score if i > 2 else 0.0, type=kind)
        elif not token.startswith("[PAD"):
            added[str(i)] = {"content": token, "special": kind == 3}
    (folder / "tokenizer.model").write_bytes(made.SerializeToString())
    config = {
        "bos_token": "<s>",
        "eos_token": held["tokens"][held["eos_token_id"]],
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": added,
        "tokenizer_class": "LlamaTokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
