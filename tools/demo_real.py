"""Build examples/handbook on a real base, with lessons by a real teacher: `make demo-real`.

    python tools/demo_real.py BASE TEACHER

BASE is what `localtune build --base` takes, TEACHER a GGUF file, or OWNER/REPOSITORY/FILE.gguf on
the Hugging Face Hub. What must be fetched is shown with its size and asked about once.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from localtune.estimate.base import is_cached

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "handbook-real"
QUESTION = "Where is lost property kept?"
LOCALTUNE = [sys.executable, "-m", "localtune"]
WEIGHTS = (".safetensors", ".gguf")


def parts(teacher: str) -> tuple[str, str]:
    """Return repository and file of a teacher on the Hub, ("", "") for a local one."""
    if Path(teacher).expanduser().exists() or teacher.count("/") != 2:
        return "", ""
    owner, name, file = teacher.split("/")
    return f"{owner}/{name}", file


def to_fetch(base: str, teacher: str) -> list[tuple[str, str]]:
    """Return (repository, file or "" for all) of what is on the Hub and not on this machine."""
    repository, file = parts(teacher)
    found = []
    a_path = Path(base).expanduser().exists() or base.count("/") != 1
    if not a_path and not is_cached(base):
        found.append((base, ""))
    if repository and not isinstance(try_to_load_from_cache(repository, file), str):
        found.append((repository, file))
    return found


def size(repository: str, file: str) -> int:
    """Return the bytes of a file on the Hub, or of all weights of a repository."""
    info = HfApi().model_info(repository, files_metadata=True)
    return sum(
        row.size or 0
        for row in info.siblings or ()
        if row.rfilename == (file or row.rfilename) and row.rfilename.endswith(WEIGHTS)
    )


def main(base: str, teacher: str) -> None:
    """Fetch what is missing, build, ask one question."""
    try:
        missing = to_fetch(base, teacher)
        for repository, file in missing:
            click.echo(
                f"{repository} {file} must be fetched: {size(repository, file) / 1e9:.1f} GB"
            )
        if missing:
            click.confirm("Fetch?", abort=True)
        repository, file = parts(teacher)
        where = hf_hub_download(repository, file) if repository else teacher
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise click.ClickException(
            f"{str(error).splitlines()[0]}\nGive local files: make demo-real BASE=… TEACHER=…"
        ) from error
    built = ["build", "examples/handbook", "--base", base, "--teacher", where, "--out", str(OUT)]
    subprocess.run([*LOCALTUNE, *built], check=True, cwd=ROOT)
    subprocess.run([*LOCALTUNE, "ask", str(OUT), QUESTION], check=True, cwd=ROOT)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit("Nothing was fetched.")
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
