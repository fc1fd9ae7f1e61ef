"""Turn a folder of your own documents into a small model in your Ollama list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "build", "plan"]

# The room `build` is imported before the function of that name is defined: what imports one of
# its modules later doesn't put the room in the function's place.
import localtune.build  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from localtune.build.pipeline import Result
    from localtune.progress import Progress


def build(
    docs: str | Path,
    out: str | Path | None = None,
    *,
    name: str = "",
    config: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Build a model from a folder of documents, as `localtune build` does. Raises LocaltuneError.

    `options` are the command's, with underscores: base="tiny", quantize="Q4_K_M,Q8_0", steps=300.
    `config` is a localtune.toml. Nothing is said unless a `progress` is given.
    """
    from pathlib import Path

    from localtune.build.open_build import start
    from localtune.build.pipeline import run
    from localtune.config.file import load, sections_of_options

    chosen = load(Path(config) if config else None, sections_of_options(options), name)
    return run(start(Path(docs), Path(out) if out else None, chosen), progress)


def plan(
    docs: str | Path,
    out: str | Path | None = None,
    *,
    name: str = "",
    config: str | Path | None = None,
    progress: Progress | None = None,
    country: str = "",
    price: float = 0.0,
    watts: float = 0.0,
    hosted_price: float = 0.0,
    **options: Any,
) -> dict[str, Any]:
    """Return what a build would take, as `localtune plan --json` prints it. Raises LocaltuneError.

    The base is planned with that a build with the same options would take.
    `price` is of a kWh, `watts` what the machine draws, `hosted_price` of a million tokens.
    """
    from pathlib import Path

    from localtune.build.estimate import EstimateRequest, make_estimate
    from localtune.build.open_build import start
    from localtune.config.file import load, sections_of_options
    from localtune.progress import Silent

    file = Path(config) if config else None
    chosen = load(file, sections_of_options(options), name)
    asked = EstimateRequest(country, price, watts, hosted_price)
    build = start(Path(docs), Path(out) if out else None, chosen)
    return make_estimate(build, asked, progress or Silent())
