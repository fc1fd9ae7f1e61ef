"""What `localtune convert` does: which folders are meant, and a Modelfile beside an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localtune.errors import ConfigError
from localtune.progress import Progress
from localtune.workspace import temporary_path


def convert_model(model: Path, adapter: Path | None, out: Path, **options: Any) -> str:
    """Write a model, or a build's base and adapter, as GGUF; return who converted it.

    `options` are those of export.convert.convert. Raises LocaltuneError.
    """
    from localtune.export.convert import convert
    from localtune.ollama.modelfile import UNLIKE

    options["name"] = options.get("name") or _name(model)
    with folders(model, adapter, out, options["progress"]) as (base, tuned):
        return convert(base, out, adapter=tuned, comment=UNLIKE, **options)


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

    `base` is a GGUF file or the name of a model in Ollama; a `model` that is a GGUF is its own.
    Raises LocaltuneError.
    """
    from localtune.export.convert import check_folders
    from localtune.export.tokenizer.vocabulary import chat_template
    from localtune.export.write.gguf_adapter import export_adapter
    from localtune.ollama.adapter_modelfile import write_adapter_modelfile

    name, base = name or _name(model), base or (str(model) if model.is_file() else "")
    with folders(model, adapter, out, progress) as (folder, tuned):
        if tuned is None:
            raise ConfigError("--adapter-only needs an adapter.", "Name its folder with --adapter.")
        check_folders(folder, tuned)
        export_adapter(folder, tuned, out, name, kind=kind, progress=progress)
        template = chat_template(tuned)
    if base:
        file = Path(base).expanduser()
        found = file if file.suffix == ".gguf" or file.is_file() else base
        write_adapter_modelfile(out, out.with_name("Modelfile"), found, template=template)


def _name(model: Path) -> str:
    return model.resolve().stem if model.is_file() else model.resolve().name


@contextmanager
def folders(
    model: Path, adapter: Path | None, out: Path, progress: Progress
) -> Iterator[tuple[Path, Path | None]]:
    """Yield the folders of base and adapter: a build folder has both, a GGUF becomes one for now.

    That folder lies beside `out` and is removed at the end.
    """
    base, tuned = model / "work" / "base", model / "work" / "adapter"
    if base.is_dir():
        yield base, adapter or (tuned if tuned.is_dir() else None)
    elif not model.is_file():
        yield model, adapter
    else:
        from localtune.export.unpack.folder import unpack

        with temporary_path(out.with_name(f"{out.name}.base")) as folder:
            unpack(model, folder, progress)
            yield folder, adapter
