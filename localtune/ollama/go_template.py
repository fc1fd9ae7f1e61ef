"""What stands between the messages of a chat -> the Go template that puts it there.

Source: template/template.go of Ollama 0.33: `.Messages` in one pass, the system message among them,
and Go's text/template with no function that could trim or split a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from localtune.ollama.pieces import LATER, Pair, TemplatePieces

Between = Mapping[Pair, str]
# What a Go template, or a Modelfile, reads otherwise or drops; single characters are looked at.
ODD = re.compile(r'\{\{|\{\Z|""+|[^\n\t]')
NONE = ("", "")
MARKER = re.compile(r"<[^<>]*>|\[[^\[\]]*\]")


@dataclass(frozen=True)
class Turns:
    """The texts around each role's messages, as a person would write them down.

    `odd` stands in the place of `before` where a message of one role follows one of another.
    """

    start: str
    before: dict[str, str]
    after: dict[str, str]
    ask: str
    odd: dict[Pair, str]


def go_template(pieces: TemplatePieces, without: str = "") -> str:
    """Return a Go template; `without` is a text at the start that the runtime puts there.

    Raises ValueError where no template gives these texts.
    """
    between = {k: v if k[0] else v.removeprefix(without) for k, v in pieces.between.items()}
    last = _system(between, pieces.skips_empty) if pieces.system_last else ""
    turns = turns_of(between)
    if last and turns.odd:
        raise ValueError("the system message stands last, and what is first matters")
    ends = [pieces.trims.get(role, NONE) for role in turns.before]
    trims = {pair: f"trim{n or ''}" for n, pair in enumerate(dict.fromkeys(pieces.trims.values()))}
    roles = [
        _message(r, turns, trims.get(e), last) for r, e in zip(turns.before, ends, strict=True)
    ]
    inside = "{{ if " + "{{ else if ".join(roles) + "{{ end }}"
    inside = _if_shown(pieces, inside + _remembered(pieces, turns))
    each = "$i, $_ := .Messages" if "$i" in inside else ".Messages"
    return (
        "".join(_definition(name, *pair) for pair, name in trims.items())
        + literal(turns.start)
        + ('{{ $before := "" }}' if turns.odd else "")
        + f"{{{{ range {each} }}}}{inside}{{{{ end }}}}{literal(turns.ask)}"
    )


def _remembered(pieces: TemplatePieces, turns: Turns) -> str:
    """Return what keeps a message's role for the next one, where that matters."""
    if not turns.odd:
        return ""
    first = f'{{{{ if and $i (eq .Role "system") }}}}{{{{ $before = "{LATER}" }}}}{{{{ end }}}}'
    return "{{ $before = .Role }}" + (first if pieces.has_later else "")


def _system(between: dict[Pair, str], skips_empty: bool) -> str:
    """Take out the system message and return what shows it in front of the last question.

    Raises ValueError where it changes what stands in front of that question.
    """
    for role in ("", "assistant"):
        if between.pop((role, "system"), None) != between[role, "user"]:
            raise ValueError(f"a system message stands otherwise behind {role!r}")
    behind = literal(between.pop(("system", "user")))
    there = "$.System" if skips_empty else '(eq (index $.Messages 0).Role "system")'
    last = f"{{{{ if and {there} (eq (len (slice $.Messages $i)) 1) }}}}"
    return f"{last}{{{{ $.System }}}}{behind}{{{{ end }}}}"


def _if_shown(pieces: TemplatePieces, inside: str) -> str:
    """Leave out the system messages that aren't shown."""
    needed = [".Content"] * pieces.skips_empty + ["(eq $i 0)"] * pieces.skips_later
    if not needed:
        return inside
    shown = f"(and {' '.join(needed)})" if len(needed) > 1 else needed[0]
    return f'{{{{ if or (ne .Role "system") {shown} }}}}{inside}{{{{ end }}}}'


def _message(role: str, turns: Turns, trim: str | None, system: str) -> str:
    content = f'{{{{ template "{trim}" .Content }}}}' if trim else "{{ .Content }}"
    before, after = _before(role, turns), literal(turns.after[role])
    before += system if role == "user" else ""
    is_it = f'eq .Role "{role}"'
    if LATER in turns.before and role in ("system", LATER):
        is_it = 'and (eq $i 0) (eq .Role "system")' if role == "system" else 'eq .Role "system"'
    return f"{is_it} }}}}{before}{content}{after}"


def _before(role: str, turns: Turns) -> str:
    """Return what stands before a message, by the role of the one before it where that matters."""
    usual = turns.before[role]
    odd = {other: text for (other, mine), text in turns.odd.items() if mine == role}
    if odd and all(text.endswith(usual) for text in odd.values()):
        odd = {other: text.removesuffix(usual) for other, text in odd.items()}
        return _choice(odd, "") + literal(usual)
    return _choice(odd, usual)


def _choice(odd: dict[str, str], usual: str) -> str:
    cases = [f'if eq $before "{other}" }}}}{literal(text)}' for other, text in odd.items()]
    if not cases:
        return literal(usual)
    if [*odd.values()] == [""]:
        return f'{{{{ if ne $before "{next(iter(odd))}" }}}}{literal(usual)}{{{{ end }}}}'
    otherwise = f"{{{{ else }}}}{literal(usual)}" if usual else ""
    return "{{ " + "{{ else ".join(cases) + otherwise + "{{ end }}"


def _definition(name: str, left: str, right: str) -> str:
    """Return a template that trims: it cuts a text by one character, and calls itself."""
    last = "(len (slice . {0}))"
    cases = [
        *_cuts_of(name, left, "(slice . 0 {0})", "(slice . {0})"),
        *_cuts_of(name, right, f"(slice . {last})", f"(slice . 0 {last})"),
    ]
    inside = "{{ " + "{{ else ".join(cases) + "{{ else }}{{ . }}{{ end }}"
    return f'{{{{ define "{name}" }}}}{{{{ if . }}}}{inside}{{{{ end }}}}{{{{ end }}}}'


def _cuts_of(name: str, characters: str, end: str, rest: str) -> Iterator[str]:
    """Yield the cases of one end, by the bytes of a character, as Go's `slice` counts bytes."""
    for width in (1, 2, 3):
        those = [char for char in characters if len(char.encode()) == width]
        found = f"eq {end.format(width)} {_listed(those)}"
        if width > 1:
            found = f"and (ge (len .) {width}) ({found})"
        if those:
            yield f'if {found} }}}}{{{{ template "{name}" {rest.format(width)} }}}}'


def _listed(characters: Sequence[str]) -> str:
    named = {" ": " ", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
    escaped = (named.get(char, "\\u%04x" % ord(char)) for char in characters)  # noqa: UP031
    return " ".join(f'"{char}"' for char in escaped)


def literal(text: str) -> str:
    """Return a text as it stands in a template: what would be read otherwise as a Go string."""
    return ODD.sub(lambda found: _as_it_stands(found[0], found.end() == len(text)), text)


def _as_it_stands(text: str, last: bool) -> str:
    if len(text) == 1 and text.isprintable() and not (last and text == "{"):
        return text
    escaped = "".join(f"\\U{ord(char):08x}" for char in text)
    return f'{{{{ "{escaped}" }}}}'


def turns_of(between: Between) -> Turns:
    """Cut what stands between messages into what ends one and what begins the next.

    Any cut that gives every text again is right; of those the one that reads best is taken. Raises
    ValueError where there is none.
    """
    return min(_cuts(between), key=_awkwardness)


def _cuts(between: Between) -> Iterator[Turns]:
    answered, asked = between["user", "assistant"], between["assistant", "user"]
    for end, begin in product(range(len(asked) + 1), range(len(answered) + 1)):
        after = {"user": answered[:begin], "assistant": asked[:end]}
        before = {"user": asked[end:], "assistant": answered[begin:]}
        first = between["", "user"]
        for start in {"", first.removesuffix(before["user"])}:
            yield from _with_system(between, before, {"": start, **after})


def _with_system(
    between: Between, before: dict[str, str], after: dict[str, str]
) -> Iterator[Turns]:
    """Yield the turns of one cut, none where it doesn't give every text again."""
    if any(LATER in pair for pair in between):
        begun = between["user", LATER].removeprefix(after["user"])
        before, after = _with_role(LATER, begun, between, before, after)
    if any("system" in pair for pair in between):
        begun = between.get(("", "system"), "").removeprefix(after[""])
        later = between.get(("user", "system"), after["user"] + begun)
        begun = later.removeprefix(after["user"])
        before, after = _with_role("system", begun, between, before, after)
    odd = {}
    for (role, other), text in between.items():
        if not text.startswith(after[role]):
            return
        rest = text.removeprefix(after[role])
        if other and rest != before[other]:
            odd[role, other] = rest
    ask = between["user", ""].removeprefix(after["user"])
    yield Turns(after[""], before, after, ask, odd)


def _with_role(
    role: str, begun: str, between: Between, before: dict[str, str], after: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Add what stands around a role's messages."""
    folded = between.get((role, "user"), "")
    ends = folded.endswith(before["user"])
    behind = folded.removesuffix(before["user"]) if ends else ""
    return {role: begun, **before}, {**after, role: behind}


def _awkwardness(turns: Turns) -> tuple[int, ...]:
    """Return how far texts are from what a person would write, most important first."""
    ends = [turns.after["assistant"], turns.after["user"]]
    begins = [turns.before["user"], turns.before["assistant"]]
    torn = sum(_torn(end, begin) for end, begin in zip(ends, begins, strict=True))
    return (len(turns.odd), torn, ends[0] != ends[1], -sum(map(len, ends)), -len(turns.start))


def _torn(end: str, begin: str) -> bool:
    """Whether a cut goes through a marker, or between one and the name or space that follows."""
    cut = len(end)
    inside = any(m.start() < cut < m.end() for m in MARKER.finditer(end + begin))
    return inside or (bool(end) and bool(begin) and not begin.startswith(("<", "[")))
