"""llama.cpp's own script is run on data, never on code, and what it says is not lost.

The script is one that the test wrote, but for the last test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localtune.errors import DiskFullError, ExportError
from localtune.export.llama_cpp.script import convert_with_script, meaningful_line
from localtune.export.llama_cpp.source import SCRIPT, VARIABLE, fetch_script

# Writes what it was given: options, the model's files, a configuration, its environment.
COPY = """
import json, os, sys
from pathlib import Path
import gguf
model, (_, out, *options) = Path(sys.argv[1]), sys.argv[2:]
files = sorted(p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file())
config = json.loads((model / "config.json").read_text())
said = [options, files, config, model.name, os.environ["HF_HUB_OFFLINE"], gguf.WHERE]
Path(out).write_text(json.dumps(said))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder like a model's, with everything that might be run."""
    folder = tmp_path / "a model"
    (folder / "1_Pooling").mkdir(parents=True)
    config = {"hidden_size": 8, "auto_map": {"AutoConfig": "code.C"}, "text": {"auto_map": []}}
    (folder / "config.json").write_text(json.dumps(config))
    # The same name, written otherwise.
    (folder / "tokenizer_config.json").write_text('{"auto\\u005fmap": {"AutoTokenizer": "code.T"}}')
    (folder / "1_Pooling/config.json").write_text("{}")
    for name in ("model.safetensors", "tokenizer.json", "code.py", "pytorch_model.bin", "x.pt"):
        (folder / name).write_bytes(b"{}")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def as_source(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with a script the one that LOCALTUNE_LLAMA_CPP names."""
    folder.mkdir()
    (folder / SCRIPT).write_text(script)
    monkeypatch.setenv(VARIABLE, str(folder))


def test_the_script_sees_data_and_no_code(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_source(tmp_path / "source", COPY, monkeypatch)
    (tmp_path / "source/gguf-py").mkdir()
    (tmp_path / "source/gguf-py/gguf.py").write_text("WHERE = 'the sdist'")
    monkeypatch.chdir(tmp_path)
    convert_with_script(Path("a model"), Path("made/{x}.gguf"), "f16", "A name")
    options, files, config, name, offline, gguf = json.loads(
        (tmp_path / "made/{x}.gguf").read_text()
    )
    assert options == ["--outtype", "f16", "--model-name", "A name"]
    assert files == [
        "1_Pooling/config.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert config == {"hidden_size": 8, "text": {}} and name == "a model"
    assert (offline, gguf) == ("1", "the sdist")
    assert names(tmp_path / "made") == ["{x}.gguf"]
    assert names(tmp_path / "source/gguf-py") == ["gguf.py"]  # nothing was compiled beside it


def test_pickles_are_refused_before_anything_runs(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(ExportError, match="no safetensors"):
        convert_with_script(model, tmp_path / "m.gguf", "bf16", "m")


def failure(
    script: str, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ExportError | DiskFullError:
    as_source(folder / "source", script, monkeypatch)
    with pytest.raises((ExportError, DiskFullError)) as raised:
        convert_with_script(model, folder / "out" / "m.gguf", "bf16", "m")
    assert names(folder / "out") == ["m.gguf.log"]
    return raised.value


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("raise KeyError('rotary_pct')", "KeyError: 'rotary_pct'", "not the installed"),
        (
            "import logging, sys; logging.error('Model X is not supported'); sys.exit(1)",
            "root:Model X is not supported",
            "may not know",
        ),
        ("import google.no_such_part", "No module named", "pip install protobuf"),
        (
            "raise ModuleNotFoundError(\"No module named 'sentencepiece'\")",
            "sentencepiece",
            "pip install sentencepiece",
        ),
        ("import os; os.kill(os.getpid(), 9)", "signal 9 ended it, as when memory", "m.gguf.log"),
        ("print('all well')", "all well", "m.gguf.log"),
        ("raise FileNotFoundError('File not found: tokenizer.model')", "tokenizer.model", "first"),
    ],
)
def test_a_failure_says_why_and_keeps_the_log(
    script: str,
    message: str,
    hint: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for file in model.glob("*config.json"):
        file.write_text("{}")
    error = failure(script, model, tmp_path, monkeypatch)
    assert message.removeprefix("root:") in error.message and hint in error.hint
    assert str(tmp_path / "out" / "m.gguf.log") in error.hint


def test_a_model_that_needs_its_own_code_is_told_so(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure("raise ValueError('no tokenizer')", model, tmp_path, monkeypatch)
    assert "code of its own" in error.hint


def test_a_full_disk_is_said_to_be_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "raise OSError(28, 'No space left on device')"
    assert isinstance(failure(script, model, tmp_path, monkeypatch), DiskFullError)


def test_the_message_names_the_model_not_our_copy(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; raise OSError(f'{sys.argv[1]}/config.json is odd')"
    error = failure(script, model, tmp_path, monkeypatch)
    assert f"{model}/config.json is odd" in error.message


def test_the_line_that_means_something() -> None:
    log = (
        "INFO:x:y\nTraceback (most recent call last):\n  File z\nValueError: a\nb\nWriting: 1%\r\n"
    )
    assert meaningful_line(log) == "ValueError: a"
    assert meaningful_line("INFO:x:y\nERROR:hf-to-gguf:Model X\nINFO: bye") == "Model X"
    assert meaningful_line("one\rtwo\n\n") == "two"
    assert meaningful_line("") == "it said nothing"


CONVERT = """
import sys
from pathlib import Path
from localtune.export.llama_cpp.script import convert_with_script
convert_with_script(Path(sys.argv[1]), Path(sys.argv[2]), "bf16", "m")
"""


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_script_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "process"
    script = f"import os, time\nopen({str(said)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    as_source(tmp_path / "source", script, monkeypatch)
    out = tmp_path / "out" / "m.gguf"
    command = [sys.executable, "-c", CONVERT, str(model), str(out)]
    ours = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while ours.poll() is None and not (said.is_file() and said.read_text()):
        time.sleep(0.01)
    ours.send_signal(signal.SIGINT)
    ours.wait(timeout=10)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)
    assert names(tmp_path / "out") == []


@pytest.mark.slow
def test_the_real_script_converts_what_no_family_declares(tmp_path: Path) -> None:
    """A random StableLM with GPT-2's tokenizer; needs a network once, or LOCALTUNE_LLAMA_CPP."""
    try:
        source = fetch_script(also=("models/",))
    except ExportError as error:
        pytest.skip(error.message)
    make_stablelm(tmp_path / "model", source / "models")
    convert_with_script(tmp_path / "model", tmp_path / "m.gguf", "bf16", "A name")
    from transformers import AutoModelForCausalLM

    from localtune.evaluation.faithful import torch_logits
    from localtune.llama.llama import Model

    made = Model(tmp_path / "m.gguf")
    ids = made.token_ids("The fee for a mooring is due on 3 March.")
    wanted = torch_logits(AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval(), ids)
    got = made.logits(ids)
    assert got.shape == wanted.shape
    assert abs(got - wanted).max() < 0.05 * abs(wanted).max()


def make_stablelm(folder: Path, vocabularies: Path) -> None:
    """Save a random two-layer StableLM."""
    import torch
    from transformers import AutoTokenizer, StableLmConfig, StableLmForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(vocabularies, gguf_file="ggml-vocab-gpt-2.gguf")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2}
    ids = {"bos_token_id": 50256, "eos_token_id": 50256}
    config = StableLmConfig(vocab_size=50257, max_position_embeddings=128, **shape, **heads, **ids)
    StableLmForCausalLM(config).save_pretrained(folder)
