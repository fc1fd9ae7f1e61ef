"""An adapter upon the GGUF that it was trained on: the steps of a build with --adapter-only.

Nothing of the base is written again: Ollama and llama.cpp lay the adapter upon the very file. Also
where a build's shipped file is loaded, be it a whole model or an adapter.
"""

from __future__ import annotations

from localtune.build.base import splitter
from localtune.build.job import ADAPTER, Build
from localtune.build.models import base_gguf, convert_base, load
from localtune.build.steps import set_aside
from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import EvaluationError
from localtune.progress import Progress
from localtune.workspace import read_jsonl, temporary_path, write_json, write_text


def export(build: Build, progress: Progress) -> None:
    """Write the adapter as GGUF."""
    from localtune.export.write.gguf_adapter import export_adapter
    from localtune.formatting import size

    at, out = build.at, build.at.level_gguf(ADAPTER)
    export_adapter(at.base, at.adapter, out, at.name, progress=progress)
    progress.note(f"{out.name}, {size(out.stat().st_size)}")


def verify(build: Build, progress: Progress) -> None:
    """Compare base and adapter in llama.cpp with what was trained.

    The adapter is judged on the base's weights in F32, a temporary file: on quantized ones
    llama.cpp rounds so much that a fault could pass for it, and a good adapter for a fault.
    """
    from localtune.evaluation.faithful import check
    from localtune.llama.llama import Model

    at, shipped, context = build.at, build.at.level_gguf(ADAPTER), build.config.grade.context
    questions = [row["question"] for row in read_jsonl(at.exam)]
    model = load(build, shipped, context)
    with temporary_path(at.work / "base-F32.gguf") as gguf:
        convert_base(build, gguf, progress, kind="f32")
        exact = Model(gguf, context=context, adapter=shipped, template=PLAIN_TEMPLATE)
        try:
            found = check(at.base, at.adapter, model, questions, progress, splitter(at.base), exact)
        except EvaluationError as error:
            raise set_aside(shipped, error) from error
    write_json(at.faithful, found)
    progress.note(
        f"llama.cpp and PyTorch choose the same word {found['top1']:.1%} of the time "
        f"(KL {found['kl']:.0e} nats; {found['quantized_kl']:.0e} on the base as it is quantized)"
    )


def modelfile(build: Build, progress: Progress) -> None:
    """Write FROM the base, as Ollama or as the disk names it, and ADAPTER."""
    write_text(build.at.modelfile, modelfile_text(build))
    progress.note(
        "Ollama 0.34.1 and later makes no model with an ADAPTER; `localtune serve` and "
        "llama-server load it, and a build without --adapter-only needs none"
    )


def modelfile_text(build: Build) -> str:
    """Return the Modelfile of a build's adapter. Raises RuntimeFileError, BaseModelError."""
    from localtune.build.modelfiles import lesson_tokens, licence_of
    from localtune.export.tokenizer.vocabulary import chat_template
    from localtune.ollama.adapter_modelfile import adapter_modelfile_text
    from localtune.ollama.modelfile import system_lines, text_of
    from localtune.ollama.store import find

    at, name = build.at, build.config.base.in_ollama()
    text = adapter_modelfile_text(
        *(at.level_gguf(ADAPTER), at.modelfile, base_gguf(build)),
        template=chat_template(at.adapter),
        known=find(name) if name else None,
        licence=licence_of(at.base),
        lesson_tokens=lesson_tokens(build),
    )
    return text + text_of(system_lines(build.config.chat.system))
