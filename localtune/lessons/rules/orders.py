"""What an order can be asked for: "Contact the travel team for refunds", "If …, ask your lead".

Takes statements, gives `Asked` with the answer. Handbooks tell more than they state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.lessons.rules.grammar import DANGLING, is_base
from localtune.lessons.rules.spans import NOUN, SpanQuestion

_PERSONS = "contact|email|ask|notify|inform|tell|message|call"
_THINGS = "use|read|visit|consult|complete|submit|sign|join|request|review"
# A name, or something that is said to be known: not "first", "us", "analytics".
_WHAT = (
    rf"((?:(?:the|a|an|your) {NOUN}|[A-Z][\w-]*)"
    rf"(?: (?!(?:via|through|using|prior|if|when|about) ){NOUN}){{0,4}})"
)
_PURPOSE = re.compile(
    rf"(?:Please )?((?i:{_PERSONS}|{_THINGS})) {_WHAT} "
    r"((?:for|about|to|if|when|before|after|within) [^,;:!]+?)[.]?$"
)
_CONDITION = re.compile(
    rf"((?:If|When|Before|After|To|For) [^,;:]+), (?:please |you (?:must|should|can|may|need to) )?"
    rf"({_PERSONS}|{_THINGS}) {_WHAT}[.]?$"
)
_OPEN = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|here|there|above|below|following|so"
    r"|step|page|section|link|virtual)\b"
    r"|\bfor (?:more|further|other|additional|details|examples)\b(?!.*\b(?:about|on|of)\b)",
    re.I,
)
_NO_ANSWER = re.compile(
    r"\d|\b(?:it|them|this|that|these|those|following|linked|listed|above|below|filled|more|one|any|some|all)\b",
    re.I,
)


def orders_in(statement: str) -> Iterator[SpanQuestion]:
    """Ask whom to turn to, or what to use, for what the order is about."""
    if match := _PURPOSE.match(statement):
        verb, what, why = match.groups()
    elif match := _CONDITION.match(statement):
        why, verb, what = match.groups()
        why = why[:1].lower() + why[1:]
    else:
        return
    asked, aim = _asked(verb.lower(), why, what), re.match(r"to (\w+)", why)
    thing_to_somebody = aim and not is_base(aim[1])  # "email the form to the desk"
    open_end = _OPEN.search(why) or _NO_ANSWER.search(what) or DANGLING.search(asked.question)
    if not (thing_to_somebody or open_end):
        yield asked


def _asked(verb: str, why: str, what: str) -> SpanQuestion:
    wh = "Who" if re.fullmatch(_PERSONS, verb) else "What"
    answers = (re.sub(r"^(?:the|a|an|your) ", "", what),)
    return SpanQuestion("order", wh, "you", verb, f"do you {verb} {why}", why, answers)
