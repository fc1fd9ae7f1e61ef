"""What llama.cpp can't load, or loads and leaves away, though its converter writes it.

Source: src/models/*.cpp of llama.cpp, as vendored in llama-cpp-python 0.3.36: llama_model_loader
refuses a file with a tensor that nobody asks for, and one that lacks a tensor.
"""

from __future__ import annotations

from localtune.errors import ExportError
from localtune.export.families.family import Family
from localtune.export.read.config_json import Config, head_width

# Modules that may have a bias, by architecture; the attention's inputs may in all of them.
INPUTS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
EVERY = ("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
BIASED = {"llama": EVERY, "granite": EVERY, "qwen2": ("lm_head",)}
ALL_BIASED = ("starcoder2", "gpt2")
NARROW = ("qwen2", "olmo2", "phi3", "starcoder2")  # heads are as wide as hidden_size / heads
HEAD = "lm_head.weight"


def check_loadable(family: Family, config: Config, names: list[str], own_head: bool) -> None:
    """Raise ExportError for what llama.cpp has no place for. `names` are the weights' plain ones.

    `own_head` says that an adapter makes the output another than the embedding.
    """
    arch = family.arch
    for name in sorted(names):
        if name.endswith(".bias") and not name.startswith(family.dropped):
            _check_bias(arch, name.removesuffix(".bias"))
    if arch in ALL_BIASED:
        _check_unbiased(arch, names)
    width, heads = head_width(config), config["num_attention_heads"]
    if arch in NARROW and width * heads != config["hidden_size"]:
        raise _no_place(arch, f"heads of {width} dimensions")
    if arch == "olmo2" and HEAD not in names:
        raise _no_place(arch, "an output that is its embedding (tie_word_embeddings)")
    own_head |= HEAD in names and not config.get("tie_word_embeddings")
    if own_head and HEAD.startswith(family.dropped):
        raise _no_place(arch, "an output other than its embedding")


def _check_bias(arch: str, module: str) -> None:
    if arch not in ALL_BIASED and not module.endswith(INPUTS + BIASED.get(arch, ())):
        raise _no_place(arch, f"a bias of {module}")


def _check_unbiased(arch: str, names: list[str]) -> None:
    """Raise ExportError for a norm or a linear layer without bias."""
    there, bare = set(names), ("embed_tokens.weight", "wte.weight", "wpe.weight", HEAD)
    for name in sorted(there.difference(bare)):
        module = name.removesuffix(".weight")
        if module != name and f"{module}.bias" not in there:
            raise _no_place(arch, f"no bias of {module}")


def _no_place(arch: str, what: str) -> ExportError:
    return ExportError(
        f"The model has {what}, for which llama.cpp's {arch} has no place.",
        "Choose a base, or train an adapter, without it.",
    )
