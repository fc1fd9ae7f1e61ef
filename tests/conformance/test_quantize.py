"""Levels: llama.cpp's own bytes, sizes known before, what doesn't fit told, nothing half done."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from conftest import make_base
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize

from localtune.config.stages import QuantizeConfig
from localtune.errors import ConfigError, DiskFullError, RuntimeFileError
from localtune.export.imatrix import Sums, _write
from localtune.export.levels import quantize_file, told
from localtune.export.write.master import export_master
from localtune.llama.level_names import LEVELS
from localtune.llama.quantize import Quantizer, quantize
from localtune.llama.quantize_dry_run import LevelSettings
from localtune.progress import Silent

NEED_IMATRIX = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS",
                "Q2_K_S"}  # fmt: skip


def make_master(folder: Path, width: int = 256, **config: object) -> Path:
    """Write a random two-layer model as a GGUF."""
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, **config}
    export_master(make_base(folder / "base", "gpt-2", **sizes), None, folder / "m-BF16.gguf", "m")
    return folder / "m-BF16.gguf"


def make_imatrix(master: Path, out: Path) -> Path:
    """Write a random importance matrix for every matrix of a model's layers."""
    random, sums = np.random.default_rng(7), {}
    for tensor in GGUFReader(master).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            sums[tensor.name] = counted = Sums(int(tensor.shape[0]))
            counted.squares += random.gamma(0.5, size=counted.squares.shape) * 99
            counted.rows += 99
    _write(out, sums, ["random"], 1, 512)
    return out


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose widths every level fits."""
    return make_master(tmp_path_factory.mktemp("wide"))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rows K-quants can't be cut into."""
    return make_master(tmp_path_factory.mktemp("narrow"), width=96)


@pytest.fixture(scope="module")
def imatrix(master: Path) -> Path:
    return make_imatrix(master, master.parent / "imatrix.gguf")


def types_of(file: Path) -> dict[str, str]:
    return {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(file).tensors}


def test_the_levels_are_those_of_the_installed_llama_cpp() -> None:
    known = {name.split("_", 3)[-1] for name in dir(llama_cpp) if name.startswith("LLAMA_FTYPE_M")}
    assert {*LEVELS} == known - {"NVFP4", "TQ1_0", "TQ2_0"} | {"F32"}


SLOW = {level for level in LEVELS if level.startswith(("IQ1", "IQ2"))}  # llama.cpp makes tables


@pytest.mark.parametrize(
    "levels", [{*LEVELS} - SLOW, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["most", "slow"]
)
def test_levels_are_made_in_the_size_foretold(
    levels: set[str], master: Path, imatrix: Path, tmp_path: Path
) -> None:
    with Quantizer() as quantizer:
        for level in levels:
            out = tmp_path / f"{level}.gguf"
            plan = quantizer.write(master, out, LevelSettings(level, imatrix))
            assert not plan.fallbacks and plan.size == out.stat().st_size, level


def test_only_some_levels_need_an_importance_matrix(master: Path, imatrix: Path) -> None:
    sizes = {}
    with Quantizer() as quantizer:
        for level in LEVELS:
            sizes[level] = quantizer.dry_run(master, LevelSettings(level, imatrix)).size
            if level in NEED_IMATRIX:
                with pytest.raises(ConfigError, match="without an importance matrix"):
                    quantizer.dry_run(master, LevelSettings(level))
            else:
                quantizer.dry_run(master, LevelSettings(level))
    assert sizes["Q8_0"] > sizes["Q6_K"] > sizes["Q4_K_M"] > sizes["IQ3_XXS"] > sizes["IQ1_S"]


def llama_cpp_itself(source: Path, out: Path, level: str, matrix: Path | None) -> bytes:
    """Quantize through llama.cpp's function, an importance matrix read and given as C."""
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{level}")
    if matrix:
        read = {tensor.name: tensor.data for tensor in GGUFReader(matrix).tensors}
        names = [name.removesuffix(".counts") for name in read if name.endswith(".counts")]
        rows = (llama_cpp.llama_model_imatrix_data * (len(names) + 1))()
        means = [np.ravel(read[f"{n}.in_sum2"] / read[f"{n}.counts"]) for n in names]
        for row, name, mean in zip(rows, names, means, strict=False):
            row.name, row.size = name.encode(), mean.size
            row.data = mean.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        settings.imatrix = rows
    source_, out_ = os.fsencode(source), os.fsencode(out)
    assert llama_cpp.llama_model_quantize(source_, out_, ctypes.byref(settings)) == 0
    return out.read_bytes()


@pytest.mark.parametrize("level", ["Q4_K_M", "Q3_K_S", "Q4_0", "IQ4_XS"])
def test_the_bytes_are_llama_cpps(master: Path, imatrix: Path, level: str, tmp_path: Path) -> None:
    matrix = imatrix
    quantize(master, tmp_path / "with.gguf", level, matrix)
    with_one = (tmp_path / "with.gguf").read_bytes()
    assert with_one == llama_cpp_itself(master, tmp_path / "theirs.gguf", level, matrix)
    quantize(master, tmp_path / "without.gguf", level)
    without = (tmp_path / "without.gguf").read_bytes()
    assert without == llama_cpp_itself(master, tmp_path / "theirs.gguf", level, None)
    assert without != with_one


@pytest.mark.parametrize("level", ["Q4_K_M", "Q2_K", "Q5_K_S", "Q6_K", "IQ4_XS"])
def test_widths_that_do_not_fit_are_told(narrow: Path, level: str, tmp_path: Path) -> None:
    with Quantizer() as quantizer:
        plan = quantizer.write(narrow, tmp_path / "q.gguf", LevelSettings(level))
    types = types_of(tmp_path / "q.gguf")
    matrices = {name for name, type_ in types.items() if type_ != "F32"}
    assert {fallback.tensor.name for fallback in plan.fallbacks} == matrices
    for fallback in plan.fallbacks:
        assert fallback.tensor.becomes.upper() == types[fallback.tensor.name]
        assert fallback.wanted.upper() != types[fallback.tensor.name]
    assert plan.size == (tmp_path / "q.gguf").stat().st_size
    said = told(level, plan)
    assert f"{len(matrices)} tensors" in said and "instead of" in said and "more" in said


def test_the_cost_of_a_width_is_that_of_its_type(narrow: Path) -> None:
    with Quantizer() as quantizer:
        plan = quantizer.dry_run(narrow, LevelSettings("Q4_K_S"))
    fallen = [fallback for fallback in plan.fallbacks if fallback.wanted == "q4_K"]
    assert fallen
    for fallback in fallen:
        elements = fallback.tensor.shape[0] * fallback.tensor.shape[1]
        assert fallback.tensor.becomes == "q5_0"
        assert fallback.extra == elements * 22 // 32 - elements * 144 // 256


def broken(kind: str, master: Path, folder: Path) -> Path:
    """Make a file that no level can be made of."""
    data, file = master.read_bytes(), folder / "broken.gguf"
    if kind == "a level":
        quantize(master, file, "Q8_0")
    elif kind == "no tensors":
        writer = GGUFWriter(file, "llama")
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    elif kind != "not there":
        cut = {"empty": 0, "half a header": 2000, "half the data": len(data) // 2}
        file.write_bytes(b"PK\3\4" + data[4:] if kind == "a zip" else data[: cut[kind]])
    return file


@pytest.mark.parametrize(
    "kind",
    ["not there", "empty", "a zip", "half a header", "half the data", "a level", "no tensors"],
)
def test_a_file_that_cannot_be_quantized(kind: str, master: Path, tmp_path: Path) -> None:
    source = broken(kind, master, tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeFileError) as raised:
        quantize_file(source, QuantizeConfig(levels=("Q4_0", "Q2_K")), None, Silent())
    assert raised.value.hint and source.name in raised.value.message
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"levels": ("Q4_0", "Q4_K_X")}, "'Q4_K_X' that doesn't exist"),
        ({"levels": ("Q4_0", "IQ2_XS")}, "IQ2_XS can't be made without"),
        ({"levels": ("Q4_0", "TQ2_0")}, "'TQ2_0' that doesn't exist"),
        ({"levels": ("BF16",)}, "is the file that it would be made from"),
        ({"levels": ("Q4_0",), "imatrix": "m-BF16.gguf"}, "not an importance matrix"),
        ({"levels": ("Q4_0",), "imatrix": "narrow.gguf"}, "made for another model"),
        ({"levels": ("Q4_0",), "imatrix": "cut.gguf"}, "not an importance matrix"),
    ],
    ids=str,
)
def test_what_cannot_be_made_is_said_before_anything_is(
    chosen: dict[str, tuple[str, ...]],
    said: str,
    master: Path,
    narrow: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(master, tmp_path)
    made = make_imatrix(narrow, tmp_path / "narrow.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(made[: len(made) // 2])
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=said):
        quantize_file(Path("m-BF16.gguf"), QuantizeConfig(**chosen), None, Silent())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_disk_without_room(master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    out = tmp_path / "new" / "folder"
    made = quantize_file(master, QuantizeConfig(levels=("Q4_0",)), out, Silent())
    assert [file.name for file in made] == ["m-Q4_0.gguf"]
    with pytest.raises(DiskFullError, match="needed"):
        quantize_file(master, QuantizeConfig(levels=("Q4_1", "Q5_0", "Q5_1")), out, Silent())
    assert list(out.iterdir()) == made


def test_a_quantizer_that_dies_is_an_error(master: Path, tmp_path: Path) -> None:
    with Quantizer() as quantizer:
        quantizer.dry_run(master, LevelSettings("Q4_0"))
        quantizer._process.kill()
        with pytest.raises(RuntimeFileError, match="Killed"):
            quantizer.write(master, tmp_path / "q.gguf", LevelSettings("Q4_0"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(sent: int, code: int, tmp_path: Path) -> None:
    master = make_master(tmp_path, 1024, num_hidden_layers=4)
    out = tmp_path / "out"
    out.mkdir()
    arguments = [master, "--to", "IQ4_XS", "--out", out]
    process = subprocess.Popen(
        [sys.executable, "-m", "localtune", "quantize", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(out.iterdir()) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(sent)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == code and "Traceback" not in said, said
    assert list(out.iterdir()) == []


def test_a_copy_in_bf16_has_the_values_of_the_quantized_file(master: Path, tmp_path: Path) -> None:
    quantize(master, tmp_path / "m-Q4_K_M.gguf", "Q4_K_M")
    with Quantizer() as quantizer:
        quantizer.unpack(tmp_path / "m-Q4_K_M.gguf", tmp_path / "copy.gguf")
    copied = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "copy.gguf").tensors}
    source = GGUFReader(tmp_path / "m-Q4_K_M.gguf").tensors
    assert len(copied) == len(source)
    for tensor in source:
        copy = copied[tensor.name]
        assert copy.tensor_type.name == ("BF16" if len(tensor.shape) > 1 else "F32")
        values, expected = (dequantize(t.data, t.tensor_type) for t in (copy, tensor))
        assert np.allclose(values, expected, rtol=2**-8, atol=1e-9)


def test_a_file_that_is_no_gguf_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"none")
    with Quantizer() as quantizer, pytest.raises(RuntimeFileError, match="is not a GGUF"):
        quantizer.unpack(tmp_path / "a.gguf", tmp_path / "copy.gguf")
    assert not (tmp_path / "copy.gguf").exists()
