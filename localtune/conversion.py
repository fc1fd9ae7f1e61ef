"""What `localtune convert` does: which folders are meant, and a Modelfile beside an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localtune.errors import ConfigError
from localtune.progress import Progress


def convert_model(model: Path, adapter: Path | None, out: Path, **options: Any) -> str:
    """Write a model, or a build's base and adapter, as GGUF; return who converted it.

    `options` are those of export.convert.convert. Raises LocaltuneError.
    """
    from localtune.export.convert import convert

    base, tuned = folders(model, adapter)
    options["name"] = options.get("name") or model.resolve().name
    return convert(base, out, adapter=tuned, **options)


def convert_adapter(
    model: Path,
    adapter: Path | None,
    out: Path,
    kind: str,
    name: str,
    base: str,
    progress: Progress,
) -> None:
    """Write an adapter alone as GGUF, and a Modelfile beside it where `base` is given.

    `base` is a GGUF file or the name of a model in Ollama. Raises LocaltuneError.
    """
    from localtune.export.convert import check_folders
    from localtune.export.gguf_adapter import export_adapter
    from localtune.export.vocabulary import chat_template
    from localtune.runtimes.adapter_modelfile import write_adapter_modelfile

    folder, tuned = folders(model, adapter)
    if tuned is None:
        raise ConfigError("--adapter-only needs an adapter.", "Name its folder with --adapter.")
    check_folders(folder, tuned)
    name = name or model.resolve().name
    export_adapter(folder, tuned, out, name, kind=kind, progress=progress)
    if base:
        file = Path(base).expanduser()
        found = file if file.suffix == ".gguf" or file.is_file() else base
        write_adapter_modelfile(
            out, out.with_name("Modelfile"), found, template=chat_template(tuned)
        )


def folders(model: Path, adapter: Path | None) -> tuple[Path, Path | None]:
    """Return the folders of base and adapter; a build folder has both."""
    base, tuned = model / "work" / "base", model / "work" / "adapter"
    if not base.is_dir():
        return model, adapter
    return base, adapter or (tuned if tuned.is_dir() else None)
