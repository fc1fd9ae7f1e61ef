"""What install asks of Ollama: the request from a Modelfile, the model's name, the address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.errors import ConfigError, LocaltuneError, RuntimeFileError
from localtune.ollama.create_request import Blob, blob, create_request, oldest_version, read_version
from localtune.ollama.host import is_this_machine, server_url
from localtune.ollama.modelfile_grammar import Command, parse
from localtune.ollama.name import read_name, split_name, valid_name

BLOBS = {"./a.gguf": Blob("a.gguf", "sha256:aa"), "./b.gguf": Blob("b.gguf", "sha256:bb")}
MODELFILE = '''# a comment
FROM ./a.gguf
ADAPTER ./b.gguf
TEMPLATE """{{ .Prompt }}
"""
SYSTEM Be kind.
LICENSE "one"
LICENSE """two
lines"""
MESSAGE user "Who?"
MESSAGE assistant Okafor: he keeps them.
REQUIRES 0.30.0
RENDERER qwen3
PARSER qwen3
PARAMETER stop "<|im_end|>"
PARAMETER stop </s>
PARAMETER temperature 0
PARAMETER temperature 0.5
PARAMETER num_ctx 512
PARAMETER use_mmap false
PARAMETER mirostat 1
'''


def request(text: str, model: str = "x:latest") -> dict[str, Any]:
    return create_request(parse(text), model, BLOBS)


def test_every_command_of_a_modelfile_has_its_place() -> None:
    assert request(MODELFILE) == {
        "model": "x:latest",
        "stream": True,
        "files": {"a.gguf": "sha256:aa"},
        "adapters": {"b.gguf": "sha256:bb"},
        "template": "{{ .Prompt }}\n",
        "system": "Be kind.",
        "license": ["one", "two\nlines"],
        "messages": [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "Okafor: he keeps them."},
        ],
        "requires": "0.30.0",
        "renderer": "qwen3",
        "parser": "qwen3",
        "parameters": {
            "stop": ["<|im_end|>", "</s>"],
            "temperature": 0.5,
            "num_ctx": 512,
            "use_mmap": False,
        },
    }


def test_what_is_no_file_is_a_model_of_the_server() -> None:
    found = request("FROM llama3.2:1b\nADAPTER ./b.gguf\n")
    assert found["from"] == "llama3.2:1b" and "files" not in found
    assert found["adapters"] == {"b.gguf": "sha256:bb"}


def test_what_is_empty_is_left_away() -> None:
    assert request('FROM ./a.gguf\nTEMPLATE ""\nSYSTEM ""\n') == {
        "model": "x:latest", "stream": True, "files": {"a.gguf": "sha256:aa"},
    }  # fmt: skip


@given(st.text())
def test_any_text_reaches_the_request(text: str) -> None:
    """Also one that a Modelfile can't hold: commands are no text."""
    commands = [Command("FROM", "./a.gguf"), Command("SYSTEM", text)]
    commands.append(Command("PARAMETER", text, "stop"))
    found = create_request(commands, "x", BLOBS)
    assert found.get("system", "") == text and found["parameters"] == {"stop": [text]}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("num_ctx 4096", 4096),
        ("seed -1", -1),
        ("top_k +7", 7),
        ("temperature 1e-3", 0.001),
        ("top_p .9", 0.9),
        ("min_p 1.", 1.0),
        ('repeat_penalty "1.1"', 1.1),
        ("use_mmap T", True),
        ("use_mmap 0", False),
    ],
)
def test_values_have_the_types_that_ollama_gives_them(line: str, value: object) -> None:
    found = request(f"FROM ./a.gguf\nPARAMETER {line}\n")["parameters"]
    assert found == {line.split()[0]: value}
    assert type(found[line.split()[0]]) is type(value)


@pytest.mark.parametrize(
    "line",
    ["Stop x", "num_ctx 4k", "num_ctx 1.5", "num_ctx ٣", "temperature warm", "temperature nan",
     "top_p inf", "top_k 1_000", "use_mmap yes", "nosuch 1", "temperature \"\""],
)  # fmt: skip
def test_a_parameter_that_ollama_refuses_is_refused(line: str) -> None:
    with pytest.raises(RuntimeFileError, match=line.split()[0]) as raised:
        request(f"FROM ./a.gguf\nPARAMETER {line}\n")
    assert raised.value.hint


def test_a_draft_is_refused() -> None:
    with pytest.raises(RuntimeFileError, match="DRAFT"):
        request("FROM ./a.gguf\nDRAFT ./b.gguf\n")


def test_files_have_names_that_ollama_takes() -> None:
    assert blob(Path("/x y/größe 1.gguf"), "00") == Blob("größe 1.gguf", "sha256:00")
    assert blob(Path("/a/C:b\\c.gguf"), "00").name == "C-b-c.gguf"
    assert blob(Path("/a/\udcff.gguf"), "00").name == "?.gguf"


@pytest.mark.parametrize(
    ("text", "oldest"),
    [
        ("FROM ./a.gguf\nTEMPLATE x\n", (0, 30, 0)),
        ("FROM ./a.gguf\n", (0, 30, 0)),
        ("FROM llama3.2\nADAPTER ./b.gguf\n", (0, 30, 0)),
        ("FROM ./a.gguf\nTEMPLATE x\nREQUIRES v0.31\n", (0, 31, 0)),
        ("FROM ./a.gguf\nREQUIRES 0.1.0\n", (0, 30, 0)),
    ],
)
def test_the_oldest_version(text: str, oldest: tuple[int, int, int]) -> None:
    assert oldest_version(request(text))[0] == oldest


def test_versions() -> None:
    assert read_version("0.33.0-rc2") == (0, 33, 0) and read_version("v1.2") == (1, 2, 0)
    assert read_version("0.0.0") is None and read_version("newest") is None


@pytest.mark.parametrize(
    ("text", "whole", "shown"),
    [
        ("office", "registry.ollama.ai/library/office:latest", "office:latest"),
        ("Office:Q4_K_M", "registry.ollama.ai/library/Office:Q4_K_M", "Office:Q4_K_M"),
        ("me/office:v1", "registry.ollama.ai/me/office:v1", "me/office:v1"),
        ("hf.co/me/office", "hf.co/me/office:latest", "hf.co/me/office:latest"),
        ("localhost:5000/me/office", "localhost:5000/me/office:latest", None),
        ("_x", "registry.ollama.ai/library/_x:latest", "_x:latest"),
    ],
)
def test_names_are_read_as_ollama_reads_them(text: str, whole: str, shown: str | None) -> None:
    name = read_name(text)
    assert f"{name.host}/{name.namespace}/{name.model}:{name.tag}" == whole
    assert str(name) == (shown or whole) and name.same(split_name(str(name).upper()))


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "größe", "a:", ":a", "a:b:c", "-a", ".a", "a/", "/a", "a.b/c", "x" * 81,
     "x" * 5000, "a\n", "a@b", "http://x/y/z", "office:cloud", "office:7b-Cloud", "office:local",
     "./office", "😀", "a:" + "t" * 81],
)  # fmt: skip
def test_names_that_ollama_refuses_or_reads_otherwise(text: str) -> None:
    with pytest.raises(ConfigError, match="no name for a model") as raised:
        read_name(text)
    assert len(raised.value.message) < 400
    read_name(raised.value.hint.rstrip(".").rpartition(" ")[2])  # what it proposes is one


@given(st.text())
def test_any_text_becomes_a_name(text: str) -> None:
    name = read_name(valid_name(text))
    assert name.model == valid_name(name.model) == name.model.lower()


def test_names_become_what_people_expect() -> None:
    assert valid_name("Größe 2") == "grosse-2" and valid_name("Handbook_v1.2") == "handbook_v1.2"
    assert valid_name("") == valid_name("東京") == "model"


# The forms are those of envconfig/config_test.go in Ollama, with loopback where it listens on all.
ADDRESSES = {
    "": "http://127.0.0.1:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    ":1234": "http://127.0.0.1:1234",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "http://0.0.0.0:8080": "http://127.0.0.1:8080",
    "[::]": "http://[::1]:11434",
    "[0:0::0]:99": "http://[::1]:99",
    "[::1]": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "[::1]:1337": "http://[::1]:1337",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    ' " 1.2.3.4 " ': "http://1.2.3.4:11434",
    "'1.2.3.4'": "http://1.2.3.4:11434",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "HTTP://1.2.3.4/": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "https://1.2.3.4:4321": "https://1.2.3.4:4321",
    "https://example.com/ollama": "https://example.com:443/ollama",
    "example.com:80/ollama/": "http://example.com:80/ollama",
    "ollama.com": "https://ollama.com:443",
}


@pytest.mark.parametrize(("text", "url"), ADDRESSES.items())
def test_ollama_host_in_all_its_forms(text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", text)
    assert server_url() == url
    assert server_url(url) == url, "the whole address means itself"
    assert server_url("other:1") == "http://other:1", "--host wins"
    monkeypatch.delenv("OLLAMA_HOST")
    if '"' not in text and "'" not in text:
        assert server_url(text) == url


@pytest.mark.parametrize("port", ["66000", "-1", "x", ""])
def test_a_port_that_is_none(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ollama takes the usual one, so that `ollama list` and install ask the same server."""
    monkeypatch.setenv("OLLAMA_HOST", f"1.2.3.4:{port}")
    assert server_url() == "http://1.2.3.4:11434"
    with pytest.raises(ConfigError, match="no port"):
        server_url(f"1.2.3.4:{port}")


def test_another_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocaltuneError, match="neither http"):
        server_url("unix:///run/ollama.sock")
    monkeypatch.setenv("OLLAMA_HOST", "tcp://1.2.3.4")
    with pytest.raises(LocaltuneError, match="neither http"):
        server_url()


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://127.0.0.1:1", True), ("http://127.9.9.9:1", True), ("http://[::1]:1", True),
     ("http://localhost:1", True), ("http://192.168.0.1:1", False), ("http://box:1", False)],
)  # fmt: skip
def test_which_server_runs_on_this_machine(url: str, here: bool) -> None:
    assert is_this_machine(url) is here
