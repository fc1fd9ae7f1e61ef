"""Random two-layer Llama models with tokenizers trained in the test: small, but of every kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from script_reference import Script, running
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.config.stages import PLAIN_TEMPLATE

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TEXT = (
    "The fee for a mooring at Tarnbrook Boatyard is 1,250 euros a year; it's due on 3 March.",
    "Don't leave the slipway before 16:45. We've 12 cranes, and THEY'RE old -- very old!",
    "Größe, naïve, Ærøskøbing, Łódź; 東京 と 大阪; нещо на Български; emoji 🚀 and ✅.",
    "def keep(x):\n    return x ** 2  # tabs\there\n\n\nEnd of file.   \n",
)
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
NASTY = (
    *("", " ", "  two", "two  ", "\n", "\n\n\n", "\t\t x", "\r\n", " \n \n", "a\u00a0b", "\u3000"),
    *("I've I'VE don't DON'T we'll 'S 's", "''''''```````", "------=======", "......!!!!??"),
    *("3 33 333 3333 33333 3.3 3..3 1,000 ½ ²", "2026-11-21 16:45", "x" * 300, " " * 70 + "y"),
    *("Größe naïve Å", "ﬁ ﬂ ｆｕｌｌ", "ạ̈ (decomposed)", "東京タワー", "កាន់តែ", "مرحبا", "שלום"),
    *("🚀 😶\u200d🌫️ 🏳️\u200d🌈 ✅", "\u200b\u200e\ufeff", "\u2028 \u0085", "\x01\x02\x7f"),
    *("<|im_start|>user\nhi<|im_end|>\n", "<|im_start", "<s>", "[INST] x [/INST]", "<0x0A>"),
    *("_under_score snake_case", "a▁b", "▁", "https://x.org/a?b=c&d=%20", "{{ x }} {% y %}"),
)

Maker = Callable[[], Tokenizer]


def byte_level(split: pre.PreTokenizer, ignore_merges: bool = False) -> Tokenizer:
    """Train a byte-level BPE that splits text as `split` does."""
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.pre_tokenizer, made.decoder = split, decoders.ByteLevel()
    specials = [AddedToken(t, special=True) for t in ("<pad>", "<|im_start|>", "<|im_end|>")]
    made.train_from_iterator(
        TEXT * 2,
        BpeTrainer(
            vocab_size=460,
            special_tokens=specials,
            initial_alphabet=pre.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return made


def by_regex(pattern: str) -> pre.PreTokenizer:
    split = pre.Split(Regex(pattern), "isolated")
    return pre.Sequence([split, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_fallback(metaspace: bool) -> Tokenizer:
    """Train a BPE like SentencePiece's: spaces are "▁", what isn't known is split into bytes."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if metaspace:
        made.pre_tokenizer = pre.Metaspace("▁", prepend_scheme="first", split=False)
    else:
        spaces = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        made.normalizer = normalizers.Sequence(spaces)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    specials = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    trainer = BpeTrainer(
        vocab_size=600, special_tokens=specials + bytes_, limit_alphabet=60, show_progress=False
    )
    words = [word for line in TEXT for word in line.split()]
    made.train_from_iterator(words * 2, trainer)
    stored = made.to_str()
    # Bytes must not be found in text as if they were special tokens.
    import json

    plain = json.loads(stored)
    plain["added_tokens"] = [t for t in plain["added_tokens"] if t["content"] not in bytes_]
    return Tokenizer.from_str(json.dumps(plain))


KINDS: dict[str, Maker] = {
    "gpt-2": lambda: byte_level(pre.ByteLevel(add_prefix_space=False)),
    "smollm": lambda: byte_level(
        pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
    ),
    "llama-bpe": lambda: byte_level(by_regex(WORDS + r"\p{N}{1,3}" + TAIL), ignore_merges=True),
    "dbrx": lambda: byte_level(by_regex(WORDS + r"\p{N}{1,3}" + TAIL)),
    "qwen2": lambda: byte_level(by_regex(WORDS + r"\p{N}" + TAIL)),
    "spm-prepend": lambda: byte_fallback(metaspace=False),
    "spm-metaspace": lambda: byte_fallback(metaspace=True),
}


def make_base(folder: Path, kind: str, template: str = CHATML, **config: object) -> Path:
    """Save a random model with a tokenizer of a kind as a base."""
    made = KINDS[kind]()
    spm = kind.startswith("spm")
    eos = "</s>" if spm else "<|im_end|>"
    tokenizer = Fast(tokenizer_object=made, eos_token=eos, bos_token="<s>" if spm else None)
    tokenizer.chat_template = template
    torch.manual_seed(7)
    chosen = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "eos_token_id": made.token_to_id(eos),
        "bos_token_id": made.token_to_id("<s>") if spm else None,
        "initializer_range": 0.2,
    }
    settings = LlamaConfig(vocab_size=made.get_vocab_size(), **{**chosen, **config})
    LlamaForCausalLM(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(
    base: Path, folder: Path, *, seed: int = 8, std: float = 0.1, **config: object
) -> Path:
    """Save a random LoRA adapter that changes a base noticeably, or less with a smaller `std`."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(model, LoraConfig(**{**chosen, **config}))
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=std)
    tuned.save_pretrained(folder)
    tokenizer = Fast.from_pretrained(base)
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base like the built-in one: byte-level BPE, ChatML, tied embeddings."""
    return make_base(tmp_path_factory.mktemp("base"), "gpt-2")


@pytest.fixture(scope="session")
def script() -> Iterator[Script]:
    """llama.cpp's convert_hf_to_gguf.py."""
    yield from running("reference_process.py")


@pytest.fixture(scope="session")
def lora_script() -> Iterator[Script]:
    """llama.cpp's convert_lora_to_gguf.py."""
    yield from running("lora_reference_process.py")


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter"))


def real_models() -> list[Path]:
    """Return the models in the folder LOCALTUNE_MODELS, which conformance is tried on too."""
    folder = os.environ.get("LOCALTUNE_MODELS")
    return sorted(p.parent for p in Path(folder).glob("*/config.json")) if folder else []
