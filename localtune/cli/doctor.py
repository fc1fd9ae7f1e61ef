"""The command `doctor`."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localtune.cli.command import echo
from localtune.cli.options import as_json, print_json
from localtune.config.extras import library_version
from localtune.config.stages import TINY, BaseConfig
from localtune.formatting import size
from localtune.machine.cores import usable_cores

ROOM_NEEDED = 2_000_000_000  # bytes: a small base, its master and two levels
NEEDED = {
    "torch": "torch",
    "transformers": "transformers",
    "peft": "peft",
    "accelerate": "accelerate",
    "gguf": "gguf",
    "llama-cpp-python": "llama_cpp",
    "safetensors": "safetensors",
    "trafilatura": "trafilatura",
    "markdown-it-py": "markdown_it",
}


@dataclass(frozen=True)
class MachineCheck:
    """`state` is "ok", "missing" (a build can't run) or "note" (it can, with less)."""

    state: str
    what: str
    detail: str
    fix: str = ""


def examine() -> Iterator[MachineCheck]:
    """Look at Python, libraries, processor, memory, GPU, disk, the built-in base and Ollama."""
    yield _python()
    yield from map(_library, NEEDED, NEEDED.values())
    yield MachineCheck("ok", "processor", f"{usable_cores()} cores, {platform.machine()}")
    yield from _memory()
    yield _gpu()
    yield _disk(Path.cwd())
    yield _tiny()
    yield _ollama()


def _python() -> MachineCheck:
    return MachineCheck("ok", "python", f"{platform.python_version()} ({sys.executable})")


def _library(name: str, module: str) -> MachineCheck:
    if importlib.util.find_spec(module):
        return MachineCheck("ok", name, library_version(name))
    return MachineCheck("missing", name, "not installed", f"pip install {name}")


def _memory() -> Iterator[MachineCheck]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return  # no such call on this system
    if total < 4_000_000_000:
        yield MachineCheck("note", "memory", size(total), "Enough for --base tiny.")
    else:
        yield MachineCheck("ok", "memory", size(total))


def _gpu() -> MachineCheck:
    if importlib.util.find_spec("torch") is None:
        return MachineCheck("note", "gpu", "can't be looked for without torch")
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return MachineCheck("ok", "gpu", f"{torch.cuda.get_device_name(0)}, {size(memory)}")
    return MachineCheck(
        "note",
        "gpu",
        "none that torch can use",
        "Not needed; bases of 1B parameters and more train slowly without one.",
    )


def _disk(folder: Path) -> MachineCheck:
    free = shutil.disk_usage(folder).free
    if free < ROOM_NEEDED:
        return MachineCheck(
            "note",
            "disk",
            f"{size(free)} free in {folder}",
            "Enough for --base tiny only; free some space or build elsewhere (--out).",
        )
    return MachineCheck("ok", "disk", f"{size(free)} free in {folder}")


def _tiny() -> MachineCheck:
    folder = BaseConfig(TINY).folder()
    if folder and (folder / "model.safetensors").is_file():
        return MachineCheck(
            "ok", "base tiny", f"{size((folder / 'model.safetensors').stat().st_size)}"
        )
    return MachineCheck("missing", "base tiny", "not in this installation", "Reinstall localtune.")


def _ollama() -> MachineCheck:
    program = shutil.which("ollama")
    if not program:
        return MachineCheck(
            "note",
            "ollama",
            "not found",
            "Install it from https://ollama.com to use `ollama create`; "
            "`localtune ask`, `chat` and `serve` work without it.",
        )
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return MachineCheck("note", "ollama", f"{program} doesn't answer", "Reinstall Ollama.")
    return MachineCheck("ok", "ollama", (done.stdout or done.stderr).strip().splitlines()[-1])


@as_json
def doctor(as_json: bool) -> None:
    """Say what this machine has and lacks, with the fix."""
    findings = list(examine())
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            echo(f"{finding.state:<8}{finding.what:<18}{finding.detail}")
            if finding.fix:
                echo(f"{'':<26}{finding.fix}")
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)
