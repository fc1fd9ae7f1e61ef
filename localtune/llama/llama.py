"""Load a GGUF in llama.cpp, ask it, return its logits.

llama.cpp runs in a child process (engine.py, through machine/processes.py), which is kept between
requests: a signal or a failed assertion there is a RuntimeFileError here, after one retry in a new
process. Knows nothing of build folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune.errors import RuntimeFileError
from localtune.llama.chat import Message, render
from localtune.llama.header import Header
from localtune.machine.cores import chosen_threads
from localtune.machine.processes import ProcessEndedError, Remote

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NO_MEMORY = "Close other programs and try again; it may lack memory."
REPORT_CRASH = (
    "Run the command again. If it crashes again, fetch or make the GGUF anew, or use another "
    "model; please report it with the message above."
)


@dataclass(frozen=True)
class Answer:
    """A model's answer as text and token ids; `ended` by an end-of-turn token, not at a limit."""

    text: str
    ids: tuple[int, ...]
    ended: bool


class CrashError(RuntimeFileError):
    """The process of llama.cpp ended. `killed`: by SIGKILL, as when memory runs out."""

    def __init__(self, message: str, hint: str = "", killed: bool = False) -> None:
        super().__init__(message, hint)
        self.killed = killed


@contextmanager
def crash_is_an_error(gguf: Path) -> Iterator[None]:
    """Raise CrashError where the process of llama.cpp ends."""
    try:
        yield
    except ProcessEndedError as error:
        if error.killed:
            what = f"The process that ran {gguf.name} in llama.cpp was killed"
            raise CrashError(f"{what}; memory may have run out.", NO_MEMORY, True) from error
        what = f"llama.cpp crashed on {gguf.name} ({error.message})."
        raise CrashError(what, REPORT_CRASH) from error


def read_header(gguf: Path) -> Header:
    """Read a GGUF's header without loading its weights. Raises RuntimeFileError."""
    header: Header = Splitter(gguf).call("header")
    return header


class Loaded:
    """An object of engine.py that belongs to one GGUF."""

    def __init__(self, kind: str, gguf: Path, *args: Any) -> None:
        """Make an object of the class `kind` for a file. Raises RuntimeFileError."""
        self._gguf = gguf
        with crash_is_an_error(gguf):
            self._remote = Remote(f"localtune.llama.{kind}", gguf.absolute(), *args)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method in the child process. Raises RuntimeFileError."""
        with crash_is_an_error(self._gguf):
            return self._remote.call(method, *args, **kwargs)


class Splitter(Loaded):
    """A GGUF's tokenizer without its weights: how llama.cpp's server splits a text."""

    def __init__(self, gguf: Path) -> None:
        """Load a file's vocabulary. Raises RuntimeFileError."""
        super().__init__("engine:EngineSplitter", gguf)

    def token_ids(self, text: str) -> list[int]:
        """Tokenise a text; special tokens are parsed, BOS comes once where the file asks for it."""
        ids: list[int] = self.call("token_ids", text)
        return ids


class Model(Loaded):
    """A loaded GGUF that answers greedily, so the same question has the same answer."""

    def __init__(
        self,
        gguf: Path,
        context: int = 512,
        threads: int = 0,
        adapter: Path | None = None,
        template: str = "",
    ) -> None:
        """Load a file; `context` tokens, or as many as the model was trained on if fewer.

        `threads` 0 means one for a small model, otherwise what is measured to be fastest.
        `adapter` is a GGUF adapter for the model, `template` the chat template of a file without
        one. Raises RuntimeFileError.
        """
        super().__init__("engine:EngineModel", gguf, context, threads or chosen_threads(), adapter)
        self.context: int
        header, self.context = self.call("description")
        self.header: Header = replace(header, template=header.template or template)

    def ask(self, messages: list[Message], max_tokens: int = 64) -> Answer:
        """Answer the last message, with the file's own chat template.

        Raises RuntimeFileError where the conversation doesn't fit into the context.
        """
        answer: Answer = self.call("ask", self.render(messages), max_tokens)
        return answer

    def render(self, messages: list[Message]) -> str:
        """Return the prompt as text, up to where the answer begins."""
        return render(self.header.template, messages, self.header.bos, self.header.eos)

    def token_ids(self, text: str) -> list[int]:
        """Tokenise a prompt as llama.cpp's server does; special tokens are parsed, BOS is added."""
        ids: list[int] = self.call("token_ids", text)
        return ids

    def logits(self, ids: list[int]) -> npt.NDArray[np.float32]:
        """Return the logits after every token, (len(ids), vocabulary)."""
        logits: npt.NDArray[np.float32] = self.call("logits", ids)
        return logits

    def layers(self, ids: list[int]) -> list[npt.NDArray[np.float32]]:
        """Return the output of every layer, first layer first, each (len(ids), width)."""
        outputs: list[npt.NDArray[np.float32]] = self.call("layers", ids)
        return outputs
