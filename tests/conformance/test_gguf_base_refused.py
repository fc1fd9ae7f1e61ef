"""GGUFs that can't be tuned are refused by name and reason before anything is written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import make_base
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from localtune.build.base import check_gguf
from localtune.config.file import from_dict
from localtune.config.stages import BaseConfig, BuildConfig
from localtune.errors import BaseModelError, ConfigError
from localtune.export.unpack.folder import unpack
from localtune.export.write.gguf_adapter import export_adapter
from localtune.export.write.master import export_master, export_vocabulary


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    export_master(make_base(folder / "base", "gpt-2"), None, folder / "m.gguf", "m")
    return folder / "m.gguf"


def refused(file: Path, said: str, hint: str = "") -> None:
    out = file.with_name("folder")
    with pytest.raises(BaseModelError, match=said) as error:
        unpack(file, out)
    assert not out.exists()
    assert hint in error.value.hint
    with pytest.raises(BaseModelError):
        check_gguf(BaseConfig(base=str(file)))


def written(gguf: Path, file: Path, change: Callable[[GGUFWriter], None], arch: str = "") -> Path:
    """Write a GGUF again by the gguf package, with another architecture or more keys."""
    source = GGUFReader(gguf)
    writer = GGUFWriter(file, arch or "llama")
    for key, field in source.fields.items():
        if not key.startswith(("GGUF.", "general.architecture")):
            sub = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub)
    for tensor in source.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_files_that_are_cut_short(gguf: Path, tmp_path: Path) -> None:
    whole = gguf.read_bytes()
    for size, said in ((0, "no GGUF"), (3, "no GGUF"), (20, "broken"), (900, "broken")):
        (tmp_path / "m.gguf").write_bytes(whole[:size])
        refused(tmp_path / "m.gguf", said)
    (tmp_path / "m.gguf").write_bytes(whole[:-5000])
    refused(tmp_path / "m.gguf", "cut short")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60))
    refused(tmp_path / "m.gguf", "broken")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 0, 0))
    refused(tmp_path / "m.gguf", "version")


def test_other_architectures_are_listed(gguf: Path, tmp_path: Path) -> None:
    def nothing(writer: GGUFWriter) -> None: ...

    file = written(gguf, tmp_path / "m.gguf", nothing, arch="falcon")
    refused(file, "architecture falcon", "gemma3, gemma4, gpt2, granite, llama")


def test_what_is_no_whole_model(gguf: Path, tmp_path: Path) -> None:
    from conftest import make_adapter

    base = gguf.parent / "base"
    export_vocabulary(base, tmp_path / "v.gguf")
    refused(tmp_path / "v.gguf", "a vocabulary only")
    lora = make_adapter(base, tmp_path / "lora")
    export_adapter(base, lora, tmp_path / "a.gguf", "a")
    refused(tmp_path / "a.gguf", "a LoRA adapter")
    file = written(gguf, tmp_path / "p.gguf", lambda w: None, arch="clip")
    refused(file, "projector")
    file = written(gguf, tmp_path / "s.gguf", lambda w: w.add_uint16("split.count", 3))
    refused(file, "split model", "--merge")


def test_tensors_that_a_family_has_not(gguf: Path, tmp_path: Path) -> None:
    import numpy as np

    def more(writer: GGUFWriter) -> None:
        writer.add_tensor("blk.0.attn_sinks.weight", np.zeros(4, np.float32))

    refused(written(gguf, tmp_path / "m.gguf", more), "attn_sinks")


def test_weights_of_a_type_that_is_newer(gguf: Path, tmp_path: Path) -> None:
    data = bytearray(gguf.read_bytes())
    name = b"blk.0.attn_q.weight"
    at = data.index(name) + len(name) + 4 + 2 * 8  # behind the number of dimensions and both
    assert struct.unpack_from("<I", data, at)[0] == GGMLQuantizationType.BF16
    for kind, said in ((99, "type 99"), (int(GGMLQuantizationType.I16), "I16")):
        struct.pack_into("<I", data, at, kind)
        (tmp_path / "m.gguf").write_bytes(data)
        refused(tmp_path / "m.gguf", said)


def test_tokenizers_that_are_not_known(gguf: Path, tmp_path: Path) -> None:
    file = written(gguf, tmp_path / "m.gguf", lambda w: w.add_tokenizer_pre("of-next-year"))
    refused(file, "of-next-year", "llama-bpe")
    file = written(gguf, tmp_path / "m.gguf", lambda w: w.add_tokenizer_model("bert"))
    refused(file, "kind bert")


def test_weights_that_are_no_numbers(gguf: Path, tmp_path: Path) -> None:
    data = bytearray(gguf.read_bytes())
    data[-64:] = b"\xff" * 64
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(BaseModelError, match="no numbers"):
        unpack(tmp_path / "m.gguf", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_options(gguf: Path) -> None:
    with pytest.raises(ConfigError, match="There is no base"):
        BaseConfig(base="./nosuch.gguf").check()
    BaseConfig(base=str(gguf)).check()
    BaseConfig(base="ollama:llama3.2:1b").check()
    with pytest.raises(ConfigError, match="--adapter-only"):
        from_dict({"export": {"adapter_only": True}}, "here").check()
    assert not BuildConfig().export.adapter_only
