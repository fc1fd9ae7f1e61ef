"""What a GGUF says about asking it -> the Go template for its Modelfile, and what to say of it.

A hand-written one where it does the same as the Jinja with tools and thoughts too, else one that is
worked out for conversations, else none: then Ollama must render the Jinja itself, as it does since
0.30. From that version it does so for the first two as well, wherever it finds in the Jinja what
it doesn't find in the Go template (server/images.go of 0.33, shouldPreferChatTemplate). The
hand-written ones are spelled so that it doesn't find results of tools there: its own rendering
keeps the order in which a client wrote down a tool, which Go's maps lose.
"""

from __future__ import annotations

from dataclasses import dataclass

from localtune.llama.header import Header
from localtune.ollama.create_request import takes_newer
from localtune.ollama.go_template import go_template, literal
from localtune.ollama.hand_written import HandWritten, hand_written
from localtune.ollama.pieces import TemplatePieces
from localtune.ollama.template import derive

PLAIN = """\
# For Ollama before 0.30; a later one may render the chat template in the GGUF. Both are alike."""
NO_TOOLS = """\
# Tools and thoughts of their own need 0.30: they aren't in it."""
TOOLS = """\
# For Ollama before 0.30, with tools from 0.9 on; a later one may render the chat template in the
# GGUF. Both are alike, but that here what a tool takes stands in the order of the alphabet."""
THINKS = """\
# For Ollama before 0.30, with thoughts from 0.9 on; a later one may render the chat template in the
# GGUF. Both are alike, but that tools need the later one."""
NEWER = """\
# It takes Ollama 0.12 or later."""
KEPT = """\
# But for one thing: thoughts between <think> and </think> in earlier answers stay."""


@dataclass(frozen=True)
class GoTemplate:
    """A Go template, the lines of comment that stand above it, and what it puts behind an answer.

    `behind` is "" where that isn't known.
    """

    text: str
    about: str
    behind: str = ""


def choose(header: Header) -> GoTemplate | None:
    """Return the Go template for a model, None where no Go template does what its Jinja does."""
    if not header.template:
        return None
    written = hand_written(header.template, header.bos, header.eos)
    if written:
        return _written(written, header)
    pieces = derive(header.template, header.bos, header.eos)
    return _derived(pieces, header) if pieces else None


def _written(written: HandWritten, header: Header) -> GoTemplate:
    # The runtime puts BOS in front itself where the file says so; twice would be another prompt.
    bos = literal(header.bos) if written.begins and not header.adds_bos else ""
    about = [TOOLS if written.takes_tools else THINKS]
    about += [NEWER] if takes_newer(written.text) else []
    about += [KEPT] if written.keeps_thoughts else []
    return GoTemplate(bos + written.text, "\n".join(about))


def _derived(pieces: TemplatePieces, header: Header) -> GoTemplate:
    text = go_template(pieces, without=header.bos if header.adds_bos else "")
    more = any(word in header.template for word in ("tools", "enable_thinking"))
    about = [PLAIN, *([NO_TOOLS] if more else []), *([KEPT] if pieces.keeps_thoughts else [])]
    return GoTemplate(text, "\n".join(about), pieces.between["assistant", "user"])
