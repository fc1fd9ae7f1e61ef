"""A Jinja chat template -> what it puts between messages, where it does no more than that.

The Jinja is not read but probed: it renders conversations with marked contents, and what stands
between the marks is taken down. What was found must then render many conversations exactly as the
Jinja does; a template that looks further than from one message to the next, or at the date, gives
None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from localtune.errors import RuntimeFileError
from localtune.llama.chat import DAYS, Message, render
from localtune.ollama.go_template import go_template
from localtune.ollama.pieces import LATER, Pair, TemplatePieces, moved, roles_of

# What every template accepts; many refuse a system message, most one behind the first message.
TALKS = ("u", "uau", "uauau")
# A chat that has grown too long begins with an answer: Ollama drops the oldest messages but those
# of the system (server/prompt.go, 0.33).
MORE_TALKS = ("su", "suau", "suauau", "usu", "uasu", "suasu", "au", "auau", "sau", "sauau")
LONG_TALKS = ("u" + 8 * "au", "su" + 8 * "au")  # for templates that count
TRIMMED = ("uau", "suau", "usuau")
ROLES = {"s": "system", "u": "user", "a": "assistant", "": ""}
Contents = Sequence[Sequence[str]]
# What is said may be anything; @ becomes role and number.
CONTENTS = (
    ("@ says: é.", '@: {{ x }} {% y %} "z" """ 东京 🚀\n\n# No. 1\n'),
    ("  @ x", "@ x\n", "\n\t@ x \n ", "\t\n@ x \r\n"),
    ("@ [/INST] <|im_end|> </s>", "<b>@</b> [x]", ""),
    ("\u3000@ x\u00a0", "\x1f\u2028 @\x85\n"),
    ("# @?", "No. @\n\n\n\nis  42", "@ " + 900 * "a word. "),
)
THOUGHTS = (("<think>\nhm @\n</think>\n\n@", "@ </think> @", "<think>@"),)
# A probe's ends: what may be left of them, and which characters a template takes then.
AROUND = "\n \t\n"
WHITESPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())  # all there are
LEFT = {AROUND: "", AROUND.lstrip("\n"): "\n", "": WHITESPACE}
RIGHT = {AROUND: "", AROUND.rstrip("\n"): "\n", "": WHITESPACE}


def derive(template: str, bos: str, eos: str) -> TemplatePieces | None:
    """Take a Jinja template apart; None where a Go template can't do what it does."""
    probe = Probe(template, bos, eos)
    try:
        later, last = probe.skips_later(), probe.system_last()
        between, trims = _merged(probe.between(later, last), probe.trims(later, last))
        pieces = TemplatePieces(between, trims, probe.skips_empty(), later, last)
        go_template(pieces)
    except (RuntimeFileError, ValueError):
        return None
    if not probe.equals(pieces, CONTENTS):
        return None
    return replace(pieces, keeps_thoughts=not probe.equals(pieces, THOUGHTS))


def conversations(contents: Contents = CONTENTS) -> Iterator[list[Message]]:
    """Yield the conversations on which templates are compared.

    Only a user and a first system message may be empty: others are nobody's plain chat.
    """
    for talk in (*TALKS, *MORE_TALKS, *LONG_TALKS):
        for patterns in contents:
            for shift in range(len(patterns)):
                texts = [patterns[(shift + i) % len(patterns)] for i in range(len(talk))]
                named = [text.replace("@", f"{talk[i]}{i}") for i, text in enumerate(texts)]
                begun = talk.startswith("s")
                later = zip(talk[begun:], named[begun:], strict=True)
                if all(text.strip() for role, text in later if role != "u"):
                    yield _messages(talk, named)


def _messages(talk: str, texts: Sequence[str]) -> list[Message]:
    return [{"role": ROLES[r], "content": text} for r, text in zip(talk, texts, strict=True)]


@dataclass(frozen=True)
class Probe:
    """A Jinja template that is asked what it makes of conversations."""

    template: str
    bos: str
    eos: str

    def between(self, skips_later: bool, system_last: bool) -> dict[Pair, str]:
        """Return what stands between roles. Raises ValueError where that isn't always the same.

        With `skips_later` system messages behind the first message aren't there, with `system_last`
        it stands before the last question.
        """
        found: dict[Pair, str] = {}
        for talk in (*TALKS, *MORE_TALKS):
            marked = _messages(talk, [f"MARK{i}{r}KRAM" for i, r in enumerate(talk)])
            texts = self._rendered(marked)
            if not texts and talk in TALKS:
                raise ValueError(f"a talk of {talk} is refused")
            if skips_later:
                marked = marked[:1] + [m for m in marked[1:] if m["role"] != "system"]
            roles = ["", *roles_of(marked), ""]
            if system_last:
                marked = moved(marked)
                roles = ["", *(message["role"] for message in marked), ""]
            for pair, part in zip(pairwise(roles), _parts(texts, marked), strict=False):
                if found.setdefault(pair, part) != part:
                    raise ValueError(f"{pair}: {found[pair]!r} or {part!r}")
        return found

    def trims(self, skips_later: bool, system_last: bool) -> dict[str, tuple[str, str]]:
        """Return which characters the roles' messages lose. Raises ValueError for others."""
        found: dict[str, tuple[str, str]] = {}
        without = skips_later or system_last
        for talk in ("uau",) if system_last else ("uau", "suau") if without else TRIMMED:
            if self._rendered(_messages(talk, "x" * len(talk))):
                for role, ends in self._trims(talk):
                    if found.setdefault(role, ends) != ends:
                        raise ValueError(f"{role} loses {found[role]} or {ends}")
        return {role: ends for role, ends in found.items() if any(ends)}

    def _trims(self, talk: str) -> Iterator[tuple[str, tuple[str, str]]]:
        marks = [f"MARK{i}KRAM" for i in range(len(talk))]
        marked = _messages(talk, marks)
        bare = list(_parts(self._rendered(marked), marked))
        for at, role in enumerate(roles_of(marked)):
            texts = [AROUND + mark + AROUND if i == at else mark for i, mark in enumerate(marks)]
            spaced = list(_parts(self._rendered(_messages(talk, texts)), marked))
            left = spaced[at].removeprefix(bare[at])
            right = spaced[at + 1].removesuffix(bare[at + 1])
            if left not in LEFT or right not in RIGHT:
                raise ValueError(f"{role} loses {left!r} or {right!r}")
            yield role, (LEFT[left], RIGHT[right])

    def skips_empty(self) -> bool:
        """Whether a system message without content is as good as none."""
        empty = self._rendered(_messages("su", ["", "MARK"]))
        return bool(empty) and empty == self._rendered(_messages("u", ["MARK"]))

    def skips_later(self) -> bool:
        """Whether a system message behind the first message isn't shown."""
        texts = self._rendered(_messages("usu", ["1", "MARK", "2"]))
        return bool(texts) and not any("MARK" in text for text in texts)

    def system_last(self) -> bool:
        """Whether a system message is shown with the last question, not in front."""
        texts = self._rendered(_messages("suau", ["SYSTEM", "1", "ANSWER", "2"]))
        return bool(texts) and all(0 < t.find("ANSWER") < t.find("SYSTEM") for t in texts)

    def equals(self, pieces: TemplatePieces, contents: Contents) -> bool:
        """Whether pieces render every conversation as the template does, where that renders it."""
        for messages in conversations(contents):
            wanted = self._rendered(messages)
            try:
                if wanted and wanted != {pieces.render(messages)}:
                    return False
            except KeyError:
                return False
        return True

    def _rendered(self, messages: list[Message]) -> set[str]:
        """Return what a conversation becomes on two days, nothing where it is refused."""
        try:
            return {render(self.template, messages, self.bos, self.eos, day=day) for day in DAYS}
        except RuntimeFileError:
            return set()


def _merged(
    between: dict[Pair, str], trims: dict[str, tuple[str, str]]
) -> tuple[dict[Pair, str], dict[str, tuple[str, str]]]:
    """Make later system messages system messages, where they are treated as a first one."""
    named = {pair: tuple("system" if r == LATER else r for r in pair) for pair in between}
    found: dict[Pair, str] = {}
    for pair, text in between.items():
        if found.setdefault((named[pair][0], named[pair][1]), text) != text:
            return between, trims
    first, later = ("", "system") in between, any(LATER in pair for pair in between)
    if first and later and trims.get("system") != trims.get(LATER):
        return between, trims
    return found, {"system" if role == LATER else role: ends for role, ends in trims.items()}


def _parts(texts: set[str], marked: list[Message]) -> Iterator[str]:
    """Yield what stands around the marks of a conversation, nothing where it was refused.

    Raises ValueError where a mark isn't shown once, in its turn, or the text isn't one.
    """
    if len(texts) > 1:
        raise ValueError("the date is named")
    for text in texts:
        for message in marked:
            before, mark, text = text.partition(message["content"])
            if not mark or message["content"] in text:
                raise ValueError(f"{message['content']} is not shown once, in its turn")
            yield before
        yield text
