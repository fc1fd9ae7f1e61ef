"""Questions out of statements that grammar.py finds too involved: for lessons, not for an exam.

"In a drought, a tenant who waters by hose pays £7" is asked for its condition, its persons, its
amount. Where a rule cuts wrongly the question limps, and the answer is still the whole statement;
an exam's question must not limp. Forms stand in forms.toml under `rough`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.lessons.rules.forms import FORMS
from localtune.lessons.rules.grammar import (
    AUXILIARIES,
    NO_SUBJECT,
    Clause,
    asking_with,
    base_of,
    is_verb,
    third_person,
    upper_first,
)
from localtune.lessons.values import COUNT, MONEY

_FORMS = FORMS["rough"]
_PARTS = re.compile(r";\s+|,? [–—] |, (?=(?:and|but|so|while|whereas|although|though|since) )")
_AND = re.compile(r"^(?:and|but|so|while|whereas|although|though|since|because) ")
_FRONT = re.compile(
    r"((?:If|When|Where|Should|Once|Unless|After|Before|During|In|On|At|With|Without|From|Until|For"
    r"|Under|Outside|Between|By|To|Because of|As) [^,;:]{3,90}), (?=\w)"
)
_CONDITION = re.compile(r"(?:if|when|where|once|unless|should|before|after|during|in) ", re.I)
_INNER = re.compile(r"\b(?:if|when|unless|once) [a-z][^,;:]{8,}$")
_WHO = re.compile(
    r"\b((?:[Aa]nyone|[Ee]veryone|[Ss]omeone|[Ee]verybody|[Aa]nybody|(?:[Aa]n?|[Tt]he|[Ee]ach) "
    r"[a-z-]+(?: [a-z-]+)?|[A-Z]?[a-z-]+s) (?:who|whose) [^,;:]+?)"
    r"(?= (?:must|may|can|should|will|has to|have to|gets?|receives?|pays?|goes|needs?|loses?|is"
    r"|are)\b)"
)
_VALUE = rf"(?:{MONEY}|\d[\d.,]*\s?(?:%|°C?|[a-z]+)|{COUNT} [a-z]+)"
_WORD = r"(?!(?:and|or|at|on|in|of|for|per|to|by|with|if|is|are)\b)[a-z-]+"
_OF_VALUE = re.compile(
    rf"\b(?:an?|the|our|its|their) ((?:[a-z-]+ ){{0,3}}[a-z-]+) (?:of|is) "
    rf"(?:up to |about |at least |at most |currently )?({_VALUE})"
)
_FOR_MONEY = re.compile(
    rf"{MONEY}(?: each| a head)? (?:for|towards) ((?:the |an? |each )?{_WORD}(?: {_WORD}){{0,2}})"
)
_BY_WHOM = re.compile(
    r"\b(?:is|are|was|were|been|be) (?:then |also |always )?(\w+(?:ed|en|pt|ld|lt|un|ght|ade|id))\b"
    r"((?: (?!by\b)[\w'’-]+){0,6}) by (?!(?:the end|then|\d|text|post|email|card|hand)\b)"
    r"(?:the |an? |our )?[\w&'-]+"
)
_BOUND = re.compile(rf"\b(?:no|not) ({'|'.join(_FORMS['adjectives'])}) than\b")
_UP_TO = re.compile(
    rf"\b(?:up to|at most|at least|a maximum of|no more than) {COUNT}\s?([a-z-]+)"
    r"(?: (long|high|deep|wide|tall|old|late))?"
)
_RULED = re.compile(
    r"\b(?:is|are|has been|have been) (?:never |strictly |not |always )?"
    r"(?:forbidden|banned|prohibited|allowed|permitted|compulsory|required|free|optional|welcome)\b"
)
_WHICH = re.compile(
    r"\b((?:the|an?|our|each) [\w-]+"
    r"(?: (?!(?:of|in|on|at|for|from|to|with|by|and|or)\b)[\w-]+){0,2}"
    r"|[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}), (?:which|who) ([a-z][^,;:]+)"
)
_EACH = re.compile(
    rf"(?:^|\b(?:for|at|to|of|by) )?(?:up to |at least |at most )?({MONEY}|\d[\d,.]*%)"
)
_RELATIVE = ("who", "whose", "that", "which")
_BEHIND = re.compile(r", (?:which|who|where|whose|with|as|at|by|so)\b|:")
_NOBODY = re.compile(r"^(?:nobody|no one|no-one)$")
_MODAL = ("must", "may", "can", "should")
_LONGEST = 14  # words of a subject with its relative clause


def rough_questions(statement: str) -> Iterator[str]:
    """Yield questions that a statement answers, some of them in poor English."""
    for front, rest in _parts(statement):
        yield from _about_part(front, rest)


def rough_clauses(statement: str) -> Iterator[tuple[Clause, str]]:
    """Yield clauses whose subject may hold a relative clause, each with what stood in front."""
    for front, rest in _parts(statement):
        if clause := _clause(rest):
            yield clause, front
        for match in _WHICH.finditer(rest):
            if clause := _clause(" ".join(match.groups())):
                yield clause, ""


def _parts(statement: str) -> Iterator[tuple[str, str]]:
    """Cut a statement at its conjunctions, and each part behind what stands in front of it."""
    for part in _PARTS.split(statement.rstrip(".!? ")):
        yield _fronted(_AND.sub("", part.strip()))


def _about_part(front: str, rest: str) -> Iterator[str]:
    conditions = [front] if _CONDITION.match(front) else []
    conditions += [match[0] for match in _INNER.finditer(rest)]
    for condition in conditions:
        yield from _filled("condition", c=condition)
    for match in _WHO.finditer(rest):
        yield from _filled("who", n=_lower(match[1]))
    for match in _OF_VALUE.finditer(rest):
        yield from _filled("sum" if re.match(MONEY, match[2]) else "value", n=match[1])
    for match in _FOR_MONEY.finditer(rest):
        yield from _filled("price", n=match[1])
    if clause := _clause(rest):
        yield from _about_clause(clause, front)
    yield from _bounds(rest)


def _about_clause(clause: Clause, front: str) -> Iterator[str]:
    whole = " ".join(f"{clause.inverted(clause.rest)} {front}".split())
    if not re.search(_VALUE, whole):
        yield f"{upper_first(whole)}?"
    yield from _each_price(clause, front)
    if clause.verb in _MODAL and clause.subject != "I":
        yield from _filled("may", n=clause.subject, a=clause.asking)
    said = f"{clause.verb} {clause.rest}"
    if _RULED.match(said):
        yield from _filled("ruled", n=clause.subject)
    if match := _BY_WHOM.match(said):
        base = base_of(match[1]) or re.sub(r"ed$", "", match[1])
        rest = f"{clause.subject}{match[2]}"
        yield from _filled("agent", v=third_person(base), b=base, n=rest)


def _each_price(clause: Clause, front: str) -> Iterator[str]:
    """ "are paid £135 for a half day and £220 for a full day" -> a question for each."""
    found = list(_EACH.finditer(clause.rest))
    for match in found if len(found) > 1 or front else ():
        behind = re.split(r" and |, | or ", clause.rest[match.end() :])[0]
        asked = clause.inverted(clause.rest[: found[0].start()].strip())
        yield " ".join(f"How much {asked} {behind} {front}".split()) + "?"


def _bounds(text: str) -> Iterator[str]:
    """ "Ponds no deeper than 45 cm" -> "How deep can ponds be?"."""
    if match := _BOUND.search(text):
        thing = _thing_before(text[: match.start()])
        adjective, noun = _FORMS["adjectives"][match[1]]
        if thing and " who " not in thing:
            yield from _filled("bound", n=thing, a=adjective, s=noun)
    for match in _UP_TO.finditer(text):
        yield from _filled("most", n=match[1])
        thing = _thing_before(text[: match.start()])
        if match[2] and thing:
            yield from _filled("bound", n=thing, a=match[2], s="size")


def _thing_before(text: str) -> str:
    """The noun phrase that a text ends with, or begins with where it is short."""
    words = re.split(r"[,;:(]", text)[0].split()
    taken = [word for word in words if not is_verb(word)][:4]
    return _lower(" ".join(taken))


def _clause(text: str) -> Clause | None:
    """The main clause: its verb stands behind a relative clause that the subject may hold."""
    words = _BEHIND.split(text)[0].split()
    at = next((i for i in range(1, len(words) - 1) if _is_main_verb(words, i)), 0)
    if not at or at > _LONGEST or words[0].lower() in NO_SUBJECT:
        return None
    verb, rest = words[at].strip(","), " ".join(words[at + 1 :])
    subject = _NOBODY.sub("I", _lower(" ".join(words[:at]).strip(",")))
    return Clause(subject, verb, rest, *asking_with(verb, rest), "")


def _is_main_verb(words: list[str], at: int) -> bool:
    before = words[at - 1].lower()
    relative = next((i for i, word in enumerate(words) if word in _RELATIVE), len(words))
    inside = at > relative and (before in (*_RELATIVE, "and", "or") or at < relative + 3)
    return not inside and _is_finite(words[at].strip(","), before)


def _is_finite(word: str, before: str) -> bool:
    if word in AUXILIARIES:
        return True
    plural = before.endswith("s") or before in ("people", "staff", "children", "you", "we")
    base = base_of(word)
    third = bool(base) and word != base and word.endswith("s")
    return (third and not plural and before not in ("the", "a", "an", "of", "to", "and")) or (
        bool(base) and word == base and plural
    )


def _fronted(text: str) -> tuple[str, str]:
    """Cut what stands in front of the main clause: "In a drought"."""
    match = _FRONT.match(text)
    return (_lower(match[1]), text[match.end() :]) if match else ("", text)


def _filled(which: str, **parts: str) -> Iterator[str]:
    for form in _FORMS[which]:
        yield upper_first(form.format(**parts))


def _lower(text: str) -> str:
    """Lower the capital that only the beginning of a sentence gave: not that of a name."""
    first, _, others = text.partition(" ")
    name = others[:1].isupper() or not (first[1:].islower() or first == "A")
    return text if name else text[:1].lower() + text[1:]
