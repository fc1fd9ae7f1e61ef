"""The importance matrix: llama.cpp sees the same go into its weights, and levels gain by it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import CHATML, KINDS, make_adapter, make_base, real_models
from gguf import GGUFReader
from random_models import make_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers import PreTrainedTokenizerFast as Fast

from localtune.config.stages import BaseConfig
from localtune.errors import ExportError
from localtune.evaluation.faithful import divergence, load_merged
from localtune.export.imatrix import GENERAL, _write, linear_layers, measure, pieces, write_imatrix
from localtune.export.read.config_json import read_config
from localtune.export.write.master import export_master
from localtune.llama.imatrix_file import read_imatrix
from localtune.llama.llama import Model
from localtune.llama.quantize import quantize

TINY = BaseConfig("tiny").folder()
ROOT = Path(__file__).parents[2]
PASSAGES = ["The fee for a mooring is 1,250 euros a year; it is due on 3 March. " * 60]
# Text that no importance matrix here is made from.
HELD_OUT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


class Tensor(ctypes.Structure):
    """ggml's struct of a tensor; ggml/include/ggml.h."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


def array_of(tensor: Tensor, kind: type[ctypes.c_float] | type[ctypes.c_int32]) -> np.ndarray:
    """Return the first three dimensions of a tensor, numpy's way round, as its strides say."""
    size = (tensor.ne[2] * tensor.nb[2]) // 4
    flat = np.ctypeslib.as_array(ctypes.cast(tensor.data, ctypes.POINTER(kind)), (size,))
    shape, strides = tuple(tensor.ne[:3][::-1]), tuple(tensor.nb[:3][::-1])
    return np.lib.stride_tricks.as_strided(flat, shape, strides)


class Collector:
    """Sums the squares of what goes into the weights while llama.cpp runs, as its own tool does."""

    def __init__(self) -> None:
        self.sums: dict[str, npt.NDArray[np.float64]] = {}
        self.rows: dict[str, npt.NDArray[np.float64]] = {}

    def __call__(self, address: int, ask: bool, _: object) -> bool:
        tensor = ctypes.cast(address, ctypes.POINTER(Tensor)).contents
        if not tensor.src[0] or not tensor.src[1]:
            return False
        name = tensor.src[0].contents.name.decode()
        wanted = name.startswith("blk.") and name.endswith(".weight")
        if wanted and not ask:
            chosen = tensor.src[2].contents if tensor.src[2] else None
            self.add(name, tensor.src[0].contents, tensor.src[1].contents, chosen)
        return wanted

    def add(self, name: str, weight: Tensor, given: Tensor, chosen: Tensor | None) -> None:
        """Count a product: (rows, columns), or (tokens, 1 or chosen, columns) for experts."""
        x = array_of(given, ctypes.c_float).astype(np.float64) ** 2
        experts = np.zeros(x.shape[:-1], int)
        if chosen is not None:
            experts = array_of(chosen, ctypes.c_int32)[0]
            x = np.broadcast_to(x, (*experts.shape, x.shape[-1]))
        sums = self.sums.setdefault(name, np.zeros((weight.ne[2], weight.ne[0])))
        np.add.at(sums, experts.ravel(), x.reshape(-1, x.shape[-1]))
        rows = self.rows.setdefault(name, np.zeros(weight.ne[2]))
        np.add.at(rows, experts.ravel(), 1)


def seen_by_llama_cpp(gguf: Path, texts: list[list[int]]) -> Collector:
    """Run texts through llama.cpp and collect what goes into its matrix products."""
    collector = Collector()
    loading = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(str(gguf).encode(), loading)
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = 512
    settings.cb_eval = callback = llama_cpp.ggml_backend_sched_eval_callback(collector)
    context = llama_cpp.llama_init_from_model(model, settings)
    batch = llama_cpp.llama_batch_init(512, 0, 1)
    for ids in texts:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), False)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.logits[i] = token, i, True
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        assert llama_cpp.llama_decode(context, batch) == 0
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    assert callback
    return collector


# One variant a family: enough that a layer's name or its columns' order can't be wrong.
FAMILIES = ["llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3 moe", "qwen3.5", "gemma2",
            "gemma3", "phi3", "granite", "olmo2", "smollm3", "starcoder2", "gpt2"]  # fmt: skip


@pytest.mark.parametrize("variant", FAMILIES)
def test_llama_cpp_sees_the_same_in_every_family(variant: str, tmp_path: Path) -> None:
    tokenizer = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
    base = make_model(tmp_path / "base", variant, len(tokenizer))
    tokenizer.save_pretrained(base)
    export_master(base, None, tmp_path / "m.gguf", "m", kind="f32", template=CHATML)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    texts = list(pieces(tokenizer, PASSAGES, 64, 4))
    ours = measure(model, linear_layers(model, read_config(base)), texts)
    theirs = seen_by_llama_cpp(tmp_path / "m.gguf", texts)
    _write(tmp_path / "i.gguf", ours, ["passages"], 4, 64)
    quantized = quantized_tensors(tmp_path)
    assert quantized <= set(ours) <= set(theirs.rows)
    for name, counted in ours.items():
        assert (counted.rows == theirs.rows[name]).all(), name
        for expert, squares in zip(counted.squares, theirs.sums[name], strict=True):
            assert np.abs(expert - squares).max() <= 5e-3 * squares.max(), name


def quantized_tensors(folder: Path) -> set[str]:
    """Return the tensors of layers that a level stores in fewer bits."""
    quantize(folder / "m.gguf", folder / "q.gguf", "Q8_0", folder / "i.gguf")
    tensors = GGUFReader(folder / "q.gguf").tensors
    return {t.name for t in tensors if t.name.startswith("blk.") and t.tensor_type.name == "Q8_0"}


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("kind", ["gpt-2", "spm-metaspace"])
def test_llama_cpp_sees_the_same(kind: str, tuned: bool, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", kind)
    adapter = make_adapter(base, tmp_path / "adapter") if tuned else None
    export_master(base, adapter, tmp_path / "m.gguf", "m", kind="f32")
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    if adapter:
        tokenizer, model = load_merged(base, adapter)
    texts = list(pieces(tokenizer, PASSAGES, 64, 6))
    assert [len(ids) for ids in texts] == [64] * 6
    ours = measure(model, linear_layers(model, read_config(base)), texts)
    theirs = seen_by_llama_cpp(tmp_path / "m.gguf", texts)
    # Without what is multiplied by norms.
    assert set(ours) == {name for name in theirs.rows if "norm" not in name} and len(ours) == 14
    for name, counted in ours.items():
        assert counted.rows == theirs.rows[name] == 6 * 64
        # The merged model is rounded to BF16 in PyTorch and isn't in a float32 GGUF.
        close = 0.05 if tuned else 1e-3
        worst = np.abs(counted.squares - theirs.sums[name]).max()
        assert worst < close * theirs.sums[name].max(), name


def test_the_file_is_llama_cpps_form(base: Path, adapter: Path, tmp_path: Path) -> None:
    tokenizer, model = load_merged(base, adapter)
    out = tmp_path / "imatrix.gguf"
    assert write_imatrix(model, tokenizer, base, PASSAGES, out, 2048) == 14
    reader = GGUFReader(out)
    read = {
        name: field.contents()
        for name, field in reader.fields.items()
        if name.startswith(("general.", "imatrix."))
    }
    assert read == {
        "general.type": "imatrix",
        "imatrix.datasets": ["passages", "general.txt"],
        "imatrix.chunk_count": 4,
        "imatrix.chunk_size": 512,
    }
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert len(tensors) == 28
    assert [n for n in tensors["blk.1.ffn_down.weight.in_sum2"].shape if n > 1] == [96]
    assert tensors["blk.1.ffn_down.weight.counts"].data.ravel().tolist() == [4 * 512]
    matrix = read_imatrix(out)["blk.1.ffn_down.weight"]
    assert np.allclose(matrix.mean() * 2048, tensors["blk.1.ffn_down.weight.in_sum2"].data)


def test_a_model_of_no_family_has_none(base: Path, adapter: Path, tmp_path: Path) -> None:
    tokenizer, model = load_merged(base, adapter)
    config = (base / "config.json").read_text().replace("LlamaForCausalLM", "FooForCausalLM")
    (tmp_path / "config.json").write_text(config)
    out = tmp_path / "imatrix.gguf"
    assert write_imatrix(model, tokenizer, tmp_path, PASSAGES, out, 512) == 0
    assert read_imatrix(out) == {}


def strays(level: Path, master: Model, texts: list[list[int]]) -> float:
    """Return the mean KL divergence of a level from its master, in nats."""
    model = Model(level)
    found = [divergence(master.logits(ids), model.logits(ids)) for ids in texts]
    return float(np.concatenate(found).mean())


@pytest.mark.parametrize("base", [TINY, *real_models()], ids=lambda path: path.name)
def test_levels_stray_less_with_one(base: Path, tmp_path: Path) -> None:
    try:
        export_master(base, None, tmp_path / "m.gguf", "m")
    except ExportError as error:
        pytest.skip(error.message)
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    readme = [(ROOT / "README.md").read_text(encoding="utf-8")]
    assert write_imatrix(model, tokenizer, base, readme, tmp_path / "i.gguf", 8192)
    master = Model(tmp_path / "m.gguf")
    texts = list(pieces(tokenizer, [HELD_OUT], min(256, master.context - 1), 4))
    for level in ("Q4_K_M", "Q3_K_M", "Q2_K"):
        quantize(tmp_path / "m.gguf", tmp_path / "without.gguf", level)
        quantize(tmp_path / "m.gguf", tmp_path / "with.gguf", level, tmp_path / "i.gguf")
        without = strays(tmp_path / "without.gguf", master, texts)
        with_one = strays(tmp_path / "with.gguf", master, texts)
        print(f"{base.name} {level}: KL {without:.4f} without, {with_one:.4f} with")
        assert with_one < without, level


def test_the_general_text_names_its_source() -> None:
    head, text = GENERAL.read_text(encoding="utf-8").split("\n\n", 1)
    assert "CC0" in head and len(text) > 50_000 and "#" not in text
