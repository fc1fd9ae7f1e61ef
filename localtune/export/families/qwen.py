"""Qwen 2, 2.5, 3, 3-MoE and 3.5 (text). See the package's first lines."""

from __future__ import annotations

from localtune.export.families import linear_attention as linear
from localtune.export.families.family import Family
from localtune.export.families.rows import ATTENTION, COMMON, HEAD_NORMS, MLP, NORMS

QWEN2 = Family(
    "qwen2",
    ("Qwen2ForCausalLM",),
    {**NORMS, **ATTENTION, **MLP},
    {**COMMON, "num_key_value_heads": 32, "max_position_embeddings": 32768},
)
QWEN3 = Family(
    "qwen3",
    ("Qwen3ForCausalLM",),
    {**QWEN2.layer, **HEAD_NORMS},
    {**QWEN2.defaults, "head_dim": 128},
)
QWEN3_MOE = Family(
    "qwen3moe",
    ("Qwen3MoeForCausalLM",),
    {
        **NORMS,
        **ATTENTION,
        **HEAD_NORMS,
        "mlp.gate": ("ffn_gate_inp", "e d"),
        "mlp.experts.{}.gate_proj": ("ffn_gate_exps", "x d"),
        "mlp.experts.{}.up_proj": ("ffn_up_exps", "x d"),
        "mlp.experts.{}.down_proj": ("ffn_down_exps", "d x"),
    },
    {
        **COMMON,
        "num_key_value_heads": 4,
        "intermediate_size": 6144,
        "max_position_embeddings": 32768,
        "num_local_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    },
    extra=lambda config: {"expert_feed_forward_length": int(config["moe_intermediate_size"])},
)
QWEN35 = Family(
    "qwen35",
    ("Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"),
    {
        "input_layernorm": ("attn_norm", "d"),
        "post_attention_layernorm": ("post_attention_norm", "d"),
        **ATTENTION,
        "self_attn.q_proj": ("attn_q", "2q d"),  # with its gate
        **HEAD_NORMS,
        **MLP,
        **linear.LAYER,
    },
    {
        **COMMON,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "partial_rotary_factor": 0.25,
        **linear.DEFAULTS,
    },
    order=linear.ORDER,
    columns=linear.COLUMNS,
    plus_one=frozenset({"attn_norm", "post_attention_norm", "output_norm"})
    | {"attn_q_norm", "attn_k_norm"},
    negative_exp=frozenset({"ssm_a"}),
    optional=frozenset({"lm_head", *ATTENTION, *HEAD_NORMS, *linear.LAYER}),
    dropped=("mtp.", "visual."),
    bare=frozenset({"linear_attn.A_log", "linear_attn.dt_bias"}),
    extra=linear.metadata,
)
