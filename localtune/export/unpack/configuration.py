"""A GGUF's metadata -> config.json: mapping.metadata and the families' `extra` inverted.

Where transformers asks for something that llama.cpp takes for granted (families/assumed.py), what
llama.cpp computes with is written: the weights are served by it. Source: load_arch_hparams of
src/models/*.cpp of llama.cpp, as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Callable

from localtune.errors import BaseModelError
from localtune.export.families import FAMILIES
from localtune.export.families.family import Family
from localtune.export.families.rope import FIRST
from localtune.export.read.config_json import ALIASES, Config, head_width
from localtune.export.unpack.gemma import gemma2, gemma3, gemma4
from localtune.export.unpack.rotary import THETA, by_kind, longrope, rope_parameters
from localtune.export.unpack.said import GgufMetadata
from localtune.export.write.mapping import KEYS

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
Reader = Callable[[GgufMetadata, Config], tuple[str, Config]]
SLIDING, FULL, LINEAR = "sliding_attention", "full_attention", "linear_attention"


def configuration(said: GgufMetadata) -> tuple[Family, Config]:
    """Return the family and what config.json says, in transformers' names.

    Raises BaseModelError for an architecture that isn't declared, or values that aren't there.
    """
    found = _common(said)
    model_type, more = READERS[said.arch](said, found)
    name = CLASSES[model_type]
    config = {"architectures": [name], "model_type": model_type, **found, **more}
    return FAMILIES[name], config


def _common(said: GgufMetadata) -> Config:
    """Return what every family says by the same keys."""
    found: Config = {}
    for key, (name, kind) in KEYS.items():
        value = said.real(key) if kind is float else said.get(key)
        if value is not None:
            found[name] = value
    for key in ("block_count", "embedding_length", "attention.head_count"):
        said.needed(key)
    if EMBEDDING not in said.tensors:
        raise BaseModelError(
            f"{said.file.name} holds no {EMBEDDING}.", "Give the GGUF of a whole language model."
        )
    found["vocab_size"] = said.tensors[EMBEDDING][0]
    found["tie_word_embeddings"] = HEAD not in said.tensors
    return found


def _llama(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    _check_rotated(said, config)
    found = {"rope_parameters": rope_parameters(said, config)}
    if "num_local_experts" in config:
        return "mixtral", {**found, "hidden_act": "silu"}
    return "llama", {**found, **_biases(said)}


def _check_rotated(said: GgufMetadata, config: Config) -> None:
    rotated, width = said.get("rope.dimension_count"), head_width(config)
    if rotated not in (None, width):
        raise BaseModelError(
            f"{said.file.name} rotates {rotated} of {width} dimensions of a head, which "
            f"transformers' {said.arch} doesn't.",
            "Choose another base.",
        )


def _biases(said: GgufMetadata) -> Config:
    """Return where a Llama has biases: transformers knows all of attention's or none."""
    attention, mlp = said.has("attn_q.bias"), said.has("ffn_up.bias")
    if attention and not said.has("attn_output.bias"):
        raise BaseModelError(
            f"{said.file.name} has biases in some of attention only, which transformers' Llama "
            "can't have.",
            "Choose another base.",
        )
    return {"attention_bias": attention, "mlp_bias": mlp}


def _granite(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    scales = {
        "attention_multiplier": said.real("attention.scale"),
        "embedding_multiplier": said.real("embedding_scale"),
        "residual_multiplier": said.real("residual_scale"),
        "logits_scaling": said.real("logit_scale"),
    }
    found = {name: scale for name, scale in scales.items() if scale is not None}
    return "granite", {"rope_parameters": rope_parameters(said, config), **found, **_biases(said)}


def _plain(model_type: str) -> Reader:
    def read(said: GgufMetadata, config: Config) -> tuple[str, Config]:
        return model_type, {"rope_parameters": rope_parameters(said, config)}

    return read


def _qwen3moe(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    return "qwen3_moe", {
        "rope_parameters": rope_parameters(said, config),
        "num_experts": config.pop("num_local_experts"),
        "moe_intermediate_size": int(said.needed("expert_feed_forward_length")),
        "norm_topk_prob": True,
    }


def _qwen35(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    values = int(said.needed("ssm.time_step_rank"))
    every = int(said.get("full_attention_interval", 4))
    layers = range(1, config["num_hidden_layers"] + 1)
    recurrent = said.get("attention.recurrent_layers") or [bool(n % every) for n in layers]
    rope = rope_parameters(said, config)
    rotated = said.get("rope.dimension_count")
    if rotated:
        rope["partial_rotary_factor"] = rotated / head_width(config)
    if sections := said.get("rope.dimension_sections"):
        rope |= {"mrope_section": sections[:3], "mrope_interleaved": True}
    return "qwen3_5_text", {
        "rope_parameters": rope,
        "linear_conv_kernel_dim": int(said.needed("ssm.conv_kernel")),
        "linear_key_head_dim": int(said.needed("ssm.state_size")),
        "linear_num_key_heads": int(said.needed("ssm.group_count")),
        "linear_num_value_heads": values,
        "linear_value_head_dim": int(said.needed("ssm.inner_size")) // values,
        "full_attention_interval": every,
        "layer_types": [LINEAR if one else FULL for one in recurrent],
    }


def _phi3(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    width = head_width(config)
    share = int(said.get("rope.dimension_count", width)) / width
    theta = said.real("rope.freq_base", THETA)
    rope = {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": share}
    first = int(said.get("rope.scaling.original_context_length", config["max_position_embeddings"]))
    return "phi3", {
        "rope_parameters": {**rope, **longrope(said)},
        FIRST: first,
        "sliding_window": said.get("attention.sliding_window") or None,
    }


def _olmo2(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    window, rope = said.get("attention.sliding_window"), rope_parameters(said, config)
    if not window:
        return "olmo2", {"rope_parameters": rope}
    layers = range(1, config["num_hidden_layers"] + 1)
    sliding = said.get("attention.sliding_window_pattern") or [bool(n % 4) for n in layers]
    theta = said.real("rope.freq_base_swa", rope["rope_theta"])
    return "olmo3", {
        "rope_parameters": by_kind(rope, theta),
        "sliding_window": int(window),
        "layer_types": [SLIDING if slides else FULL for slides in sliding],
    }


def _named(other: str, *aliases: str) -> Reader:
    """Return a reader for a family whose config.json has names of its own."""

    def read(said: GgufMetadata, config: Config) -> tuple[str, Config]:
        for alias in aliases:
            if (value := config.pop(ALIASES[alias], None)) is not None:
                config[alias] = value
        if other == "gpt2":
            return other, {}
        return other, {"rope_parameters": rope_parameters(said, config), "use_bias": True}

    return read


CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "granite": "GraniteForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma4_text": "Gemma4ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "olmo3": "Olmo3ForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
}
GPT2 = ("n_embd", "n_layer", "n_head", "n_positions", "n_inner", "layer_norm_epsilon")
# Each returns transformers' model_type and what config.json says beside what all families say.
READERS: dict[str, Reader] = {
    "llama": _llama,
    "granite": _granite,
    "smollm3": _plain("smollm3"),
    "qwen2": _plain("qwen2"),
    "qwen3": _plain("qwen3"),
    "qwen3moe": _qwen3moe,
    "qwen35": _qwen35,
    "gemma2": gemma2,
    "gemma3": gemma3,
    "gemma4": gemma4,
    "phi3": _phi3,
    "olmo2": _olmo2,
    "starcoder2": _named("starcoder2", "norm_epsilon"),
    "gpt2": _named("gpt2", *GPT2),
}
