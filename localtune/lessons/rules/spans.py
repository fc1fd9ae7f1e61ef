"""What a clause can be asked for: the names, amounts, times, numbers and places in it.

Takes clauses (grammar.py), gives `Asked`: a question in its parts, with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localtune.lessons.rules.grammar import DANGLING, Clause, is_base
from localtune.lessons.values import COUNT, DAY, MONEY, MONTH, OFTEN, WHEN

_TIME = re.compile(
    rf"\b(at|from|until|by|before|after|on|in|every|between)\s+(?:the (?:last|first) )?({WHEN})"
    rf"(?: (?:to|and|until|on|at|or) {WHEN})*(?: (?:morning|afternoon|evening|night)s?)?"
    r"(?! (?:of|and|or|to)\b|\w)",
)
_AMOUNT = re.compile(
    rf"(?:^|\b(for|at|to|of|by) )(?:up to |about |at most |at least )?({MONEY})(?!/)"
)
_NUMBER = re.compile(
    r"(?:^|(?<=^have )|(?<=^hold )|(?<=^keep )|(?<=^take )|(?<=^stay )|(?<=^last )|(?<=^carry )"
    r"|\b(?<!up )(?<!after )(for|within|after|in|by|with|at|to|every|room for) )"
    rf"(?:the |up to |about |at most |at least |no more than )?({COUNT})\s+"
    r"((?:[a-z-]+ )?(?:[a-z-]+s|people|sheep|cattle|children|per cent))\b(?! ago)"
    r"( of(?: the)?(?: (?!(?:a|an|the|at|in|on|for|to|and|or|before|after|each|every|per)\b)"
    r"[a-z-]+){1,3})?",
)
_PLACE = re.compile(
    r"(?:^(?:be )?|(?<=kept )|(?<=stored )|(?<=held )|(?<=found )|(?<=served )|(?<=parked ))"
    r"((?:in|on|behind|beside|next to|opposite|above|below|under|inside|near|at) "
    r"((?:(?:the|a|an) |[A-Z])[\w'-]*(?: (?!in |on |at |of |for |from |to |until )[\w'-]+){0,4})"
    r"(?: of (?:the )?[\w'-]+(?: [A-Z0-9][\w'-]*)*)?)(?!\.?\w)"
)
_NO_PLACE = re.compile(
    rf"\b(?:same|day|week|month|year|morning|evening|afternoon|time|case|event|way|{MONTH}|{DAY}s?"
    r"|\d+(?:st|nd|rd|th)|(?:first|last)(?! floor)|basis|rate|end|company)\b"
)
_NAME = re.compile(r"^(?:(?:Dr|Mr|Mrs|Ms)\.? )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2}$")
_BY = re.compile(r"\bby ([A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2})\b(?! and| or)")
# One word of a noun phrase: nothing that begins another part of the sentence.
NOUN = (
    r"(?!(?:of|in|on|at|for|from|to|with|by|and|or|into|until|after|before|per|each"
    r"|through|as|within|than|about|under|over|between|via|using)\b)[\w'-]+"
)
_OBJECT = re.compile(
    r"^(?:the|a|an) ((?!(?:same|whole|one|few|lot|number|way|kind|part|variety|range|result|need"
    r"|big|new|place|list|good|great|most|best|only|example|exception|chance|opportunity|right"
    r"|main|key|long|large|extensive) )"
    rf"{NOUN}(?: {NOUN}){{0,3}}(?: of (?:the |a )?{NOUN}(?: {NOUN})?)?)$"
)
_OFTEN = re.compile(rf"\b{OFTEN}\b(?! of)")
_MEANS = re.compile(
    r"^((?:be )?(?:\w+ed|made|done|sent|found|given|paid)(?: (?!and |by |for |at |via )"
    r"[\w'-]+){0,3}) (?:via|through|using) "
    r"((?:the |a |an )?[\w'-]+(?: (?!to |for |in |on |and |or )[\w'-]+){0,4})$"
)
# Who may do what is done "by the …".
_ROLE = re.compile(
    r"\bby (?:the |a |an |your )?((?:[\w'-]+ ){0,4}(?:manager|owner|officer|director|lead|leader"
    r"|supervisor|team|office|agency|committee|board|council|ministry|department|administrator"
    r"|coordinator|president|secretary|treasurer|warden|keeper|captain|driver|contractor|host"
    r"|chair|parliament|court))$"
)
_THERE = re.compile(
    rf"There (are|were) (?:about |up to |at least |at most )?({COUNT}) ([a-z-]+(?: [a-z-]+)?s)"
    r"( (?:in|at|on|for|per|between|of) [\w' -]+)[.]?$"
)
_ORDER = re.compile(
    r"([A-Z][a-z]+) ((?:the|a|an|your) [\w'-]+(?: (?!to |from |in |on |at |by )[\w'-]+){0,4}) "
    r"(?:through|via|by using|using) ((?:the |a |an )?[\w'-]+(?: [\w'-]+){0,3})[.]?$"
)


@dataclass(frozen=True)
class SpanQuestion:
    """A question about one span of a clause, in its parts; any of `answers` will do.

    `sort` is what is asked for: who, money, time, number, place or object. Where the subject is
    what is asked for, `subject` is empty.
    """

    sort: str
    wh: str
    subject: str
    verb: str
    inverted: str
    rest: str
    answers: tuple[str, ...]

    @property
    def question(self) -> str:
        """The plain question: "When does the hall open?"."""
        return f"{self.wh} {self.inverted}?"

    @property
    def stated(self) -> str:
        """The clause in the order of a statement, without its answer: "the hall opens"."""
        return " ".join(f"{self.subject} {self.verb} {self.rest}".split())


def span_questions(clause: Clause, common: frozenset[str]) -> Iterator[SpanQuestion]:
    """Ask for the names, amounts, times, numbers and places in a clause, else for its object."""
    asks = [_persons(clause, common), _amounts(clause), _times(clause), _often(clause)]
    asks += [_numbers(clause), _places(clause), _means(clause), _roles(clause)]
    found = [asked for some in asks for asked in some] or list(_object(clause))
    return (asked for asked in found if not _is_broken(clause, asked))


def plain_questions(statement: str) -> Iterator[SpanQuestion]:
    """Ask what has no clause of subject and verb: "There are six …", "Send the form through …"."""
    if there := _THERE.match(statement):
        verb, number, things, rest = there.groups()
        inverted, answers = f"{verb} there{rest}", (f"{number} {things}", number)
        yield SpanQuestion(
            "number", f"How many {things}", "there", verb, inverted, rest.strip(), answers
        )
    order = _ORDER.match(statement)
    if order and is_base(order[1].lower()):
        did = f"{order[1].lower()} {order[2]}"
        yield SpanQuestion("means", "How", "I", did, f"do I {did}", "", (_bare(order[3]),))


def _is_broken(c: Clause, asked: SpanQuestion) -> bool:
    """Whether a question ends in the air, or holds a second statement."""
    also = re.search(r"\band\b(.*)", asked.rest)
    second = also and (_STATES.search(also[1]) or (c.asking == "did" and _DID.search(also[1])))
    second = second or _SECOND.search(asked.rest)
    helps = c.subject.endswith((" helps", " lets", " makes"))
    return bool(
        second or helps or _UNFINISHED.search(asked.rest) or DANGLING.search(asked.question)
    )


_STATES = re.compile(r"\b(?:is|are|was|were|has|have|must|may|can|will)\b")
_SECOND = re.compile(rf"^(?:and|or)\b|\band {COUNT}\b")  # "for crew and six months for others"
_DID = re.compile(r"^ \w+ed\b")
_PARTICIPLE_ENDS = re.compile(r"\b(?:\w+ed|built|held|made|found|given|known|written) $")
_UNFINISHED = re.compile(r"\b(?:rather|more|less|other|fewer|between)$")


def _ask(sort: str, wh: str, c: Clause, rest: str, *answers: str) -> SpanQuestion:
    return SpanQuestion(sort, wh, c.subject, c.verb, c.inverted(rest), rest, answers)


# What two capitals may also be: a house, a place, a thing that was given a name.
_NO_PERSON = frozenset(
    """Academy Act Agency Airport Angeles Association Avenue Award Bay Board Bridge Bureau Campus
    Castle Center Centre Church City College Committee Company Congress Corps Council County Court
    Day Department Empire Festival Form Foundation Francisco Gallery Garden Government Group Guide
    Hall Hospital House Inc Institute Island Islands Kingdom Lake Library Line Links Ltd Market
    Ministry Museum Network Office Palace Park Parliament Party Plan Policy Program Programme
    Project Register River Road Room School Service Services Society Square States Station Street
    System Talent Team Theatre Treaty Union University Valley War Week York""".split()
)


def is_name(text: str, common: frozenset[str]) -> bool:
    """Whether a text looks like a person's name: capitals, and no word that is a common one."""
    words = text.split()
    return (
        bool(_NAME.match(text))
        and not common & set(text.lower().split())
        and not (_NO_PERSON & set(words))
    )


def _persons(c: Clause, common: frozenset[str]) -> Iterator[SpanQuestion]:
    if is_name(c.subject, common) and c.verb in ("is", "was"):
        yield SpanQuestion("who", "Who", c.rest, c.verb, f"{c.verb} {c.rest}", "", (c.subject,))
    elif is_name(c.subject, common):
        yield SpanQuestion("who", "Who", "", c.verb, f"{c.verb} {c.rest}", c.rest, (c.subject,))
    elif c.verb in ("is", "are") and is_name(c.rest, common):
        yield _ask("who", "Who", c, "", c.rest)
    elif (by := _BY.search(c.rest)) and is_name(by[1], common):
        yield _ask("who", "By whom", c, _without(c.rest, by), by[1])


def _roles(c: Clause) -> Iterator[SpanQuestion]:
    """ "are approved by the finance committee" -> "By whom are claims approved?"."""
    if (match := _ROLE.search(c.rest)) and c.verb in ("is", "are", "was", "were", "will", "must"):
        yield _ask("by", "By whom", c, _without(c.rest, match), match[1])


def _means(c: Clause) -> Iterator[SpanQuestion]:
    """ "can be accessed via the portal" -> "How can timesheets be accessed?"."""
    match = _MEANS.match(c.rest)
    if match and not c.base:
        yield _ask("means", "How", c, match[1], _bare(match[2]))


def _often(c: Clause) -> Iterator[SpanQuestion]:
    match = _OFTEN.search(c.rest)
    named = c.verb in ("is", "are", "was", "were") and not re.match(r"(?:\w+ )?\w+ed\b", c.rest)
    before = c.rest[: match.start()] if match else ""
    if match and not named and not re.search(r"\b(?:for|of|to|per|at) $", before):
        yield _ask("often", "How often", c, _without(c.rest, match), match[0])


def _amounts(c: Clause) -> Iterator[SpanQuestion]:
    found = list(_AMOUNT.finditer(c.rest))
    if len(found) == 1 and found[0][1] != "of":
        wh = f"{found[0][1].capitalize()} how much" if found[0][1] else "How much"
        yield _ask("money", wh, c, _without(c.rest, found[0]), found[0][2])


def _times(c: Clause) -> Iterator[SpanQuestion]:
    if match := _TIME.search(c.rest):
        wh = {"by": "By when", "until": "Until when"}.get(match[1], "When")
        rest = _without(c.rest, match)
        answer = match[0].split(" ", 1)[1] if match[1] == "between" else match[2]
        of_another = _PARTICIPLE_ENDS.search(c.rest[: match.start()])  # "a market built in 1808"
        if (rest or c.after != "that") and not (c.base and of_another):
            yield _ask("time", wh, c, rest, answer)


def _numbers(c: Clause) -> Iterator[SpanQuestion]:
    """ "within five days of delivery" -> "Within how many days of delivery …?"; only one number."""
    found = list(_NUMBER.finditer(c.rest))
    if (
        len(found) != 1
        or c.rest.startswith("not ")
        or re.search(r"\b(?:and|or) (?:up to )?\d", c.rest)
    ):
        return
    (match,) = found
    before, number, thing, of = match.groups()
    if thing.split()[0] in _NO_UNIT or (before == "in" and thing.split()[-1] not in _SPANS):
        return
    rest, answers = _without(c.rest, match), (f"{number} {thing}", number)
    if before == "every":
        return  # _often asks for it
    if before == "room for":
        start, end = match.span()
        rest = f"{c.rest[:start]}room {c.rest[end:]}".strip()
        yield _ask("number", f"For how many {thing}{of or ''}", c, rest, *answers)
    else:
        wh = f"{before.capitalize()} how many" if before else "How many"
        yield _ask("number", f"{wh} {thing}{of or ''}", c, rest, *answers)


_SPANS = frozenset("minutes hours days weeks months years".split())
_NO_UNIT = frozenset("hundred thousand million of in at for on the to by from and or".split())


def _places(c: Clause) -> Iterator[SpanQuestion]:
    match = _PLACE.search(c.rest)
    copula = c.verb in ("is", "are") or c.base in _STANDING
    copula |= bool(re.match(r"be (?:found|kept|stored|held|parked)\b", c.rest))
    copula &= not c.subject.lower().startswith("no ")
    if match and copula and not _NO_PLACE.search(match[1]):
        yield _ask("place", "Where", c, _without(c.rest, match), match[1], _bare(match[2]))


_RELATIVE = ("", "that", "which", "who", "where", "whose")
_ANYBODY = ("we", "you", "people", "everyone", "everybody", "anyone", "somebody", "someone")
_STANDING = frozenset("lie stand hang sit meet live".split())


def _object(c: Clause) -> Iterator[SpanQuestion]:
    match = _OBJECT.match(c.rest)
    plain = c.base or c.verb in ("is", "are")
    if match and plain and c.after in _RELATIVE and " " in match[1] and c.subject not in _ANYBODY:
        yield _ask("object", "What", c, "", match[1])


_LAST = re.compile(
    r"^((?:.+ )?(?:on|by|to|with|in|for|from|of|at|into|through|over|about|behind)) "
    rf"((?:the|a|an|your) {NOUN}(?: {NOUN}){{0,4}})$"
)


def end_questions(c: Clause) -> Iterator[SpanQuestion]:
    """ "are made on the green form" -> "What are claims made on?": good enough for lessons."""
    if match := _LAST.match(c.rest):
        yield _ask("object", "What", c, match[1], match[2])


def _without(rest: str, match: re.Match[str]) -> str:
    return " ".join(f"{rest[: match.start()]} {rest[match.end() :]}".split())


def _bare(phrase: str) -> str:
    return re.sub(r"^(the|a|an) ", "", phrase)
