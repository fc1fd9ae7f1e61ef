"""Just enough English grammar to turn a plain statement into questions.

A statement is cut at its first finite verb, found with closed lists (auxiliaries, and the verbs that
handbooks use); times, amounts, places and names in the rest become the answers of questions. Takes
and gives strings only. A statement that doesn't fit gives nothing, never a broken question on purpose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AUXILIARIES = frozenset("is are was were must may can should will has have cannot".split())
_BASE = """accept add admit allow answer apply approve arrive ask attend award bake begin belong book borrow bring buy
call carry change charge check chair choose clean close collect come complete consist contain contact cost count cover
cut deal decide deliver depart depend donate drive earn employ end enter entitle expire face fill find finish fit follow
get give go grant guide handle hang happen head help hire hold host house include inform inspect join keep know last
lead leave lend lie limit list live load lock look maintain make manage measure meet move need notify offer open order
organise oversee own park pay permit pick plan play post prepare print produce provide publish purchase put reach read
receive record recycle refund register reimburse remain remind rent repair replace reply report represent require rest
return review ride run sail say schedule seat seek sell send serve set share ship show shut sign sit sleep speak spend
stand start state stay stock stop store submit supervise supply support take teach test train travel treat trigger turn
unlock use visit wait warn wash watch wear weigh welcome work write""".split()
_PAST = {"began": "begin", "brought": "bring", "bought": "buy", "came": "come", "chose": "choose", "found": "find", "gave": "give",
         "got": "get", "held": "hold", "kept": "keep", "led": "lead", "left": "leave", "lent": "lend", "made": "make", "met": "meet",
         "paid": "pay", "ran": "run", "sent": "send", "sold": "sell", "spent": "spend", "stood": "stand", "took": "take",
         "taught": "teach", "went": "go", "wrote": "write", "built": "build", "drove": "drive", "wore": "wear", "won": "win"}


def _forms() -> dict[str, tuple[str, str]]:
    """Map each inflected form to (base form, the auxiliary that asks with it)."""
    forms: dict[str, tuple[str, str]] = {}
    for base in _BASE:
        es = base.endswith(("s", "sh", "ch", "x", "o"))
        third = base[:-1] + "ies" if re.search(r"[^aeiou]y$", base) else base + ("es" if es else "s")
        past = base + "d" if base.endswith("e") else base[:-1] + "ied" if re.search(r"[^aeiou]y$", base) else base + "ed"
        forms |= {third: (base, "does"), past: (base, "did"), base: (base, "do")}
    return forms | {past: (base, "did") for past, base in _PAST.items()}


_VERBS = _forms()
_NOT_BEFORE_VERB = frozenset("a an the this that these those to of in on at for and or by with its our your their every each no".split())
_MONEY = r"(?:[£$€]\s?\d[\d,.]*\d|[£$€]\d)"
_COUNT = r"(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|sixty|ninety)"
_CLOCK = r"(?:\d{1,2}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|noon|midnight)"
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_DATE = rf"(?:\d{{1,2}} {_MONTH}|{_MONTH} \d{{1,2}}|{_DAY}s?)"
_TIME = re.compile(rf"\b(?:at|from|until|by|before|after|on|every|between)\s+(?:the )?({_CLOCK}|{_DATE})\b[^,.;]*", re.I)
_AMOUNT = re.compile(_MONEY)
_NUMBER = re.compile(rf"\b({_COUNT})\s+((?:[a-z-]+ )?[a-z-]+)\b", re.I)
_PLACE = re.compile(r"\b((?:in|on|behind|beside|next to|opposite|above|below|under|inside|near)\s+(?:the |room |building |bay |aisle )?[\w' -]+?)(?=[,.;]| and |$)", re.I)
_NAME = re.compile(r"^(?:(?:Dr|Mr|Mrs|Ms)\.? )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2}$")


@dataclass(frozen=True)
class Clause:
    """subject + verb + rest; `asking` is the auxiliary in front, `base` the verb behind the subject."""

    subject: str
    verb: str
    rest: str
    asking: str
    base: str


def clause_of(statement: str) -> Clause | None:
    """Cut a statement at its first finite verb, or return None where none is found."""
    words = statement.rstrip(".! ").split()
    for i in range(1, min(len(words) - 1, 14)):
        word, before = words[i].lower(), words[i - 1].lower().strip(",")
        if before in _NOT_BEFORE_VERB or words[i - 1].endswith((",", ";", ":")) or not words[i].islower():
            continue
        after = words[i + 1].lower()
        if word in AUXILIARIES:
            subject, rest = " ".join(words[:i]), " ".join(words[i + 1 :])
            return Clause(subject, word, rest, "can" if word == "cannot" else word, "")
        if word in _VERBS and after not in AUXILIARIES and after not in _VERBS:
            base, asking = _VERBS[word]
            return Clause(" ".join(words[:i]), word, " ".join(words[i + 1 :]), asking, base)
    return None


def span_questions(c: Clause) -> list[tuple[str, tuple[str, ...]]]:
    """Ask for the name, time, amount, number or place in a clause, and for its subject or rest.

    Returns (question, short answers); the answers of a question are any of them.
    """
    subject = _mid_sentence(c.subject)
    found: list[tuple[str, tuple[str, ...]]] = []
    if _NAME.match(c.subject):
        found.append((f"Who {c.verb} {c.rest}?", (c.subject,)))
    elif c.verb in ("is", "are") and _NAME.match(c.rest):
        found.append((f"Who {c.verb} {subject}?", (c.rest,)))
    elif by := re.search(r"\bby ((?:[A-Z][\w'-]+ ?){2,3})", c.rest):
        found.append((f"By whom {_inverted(c, subject, c.rest.replace(by[0], ''))}?", (by[1].strip(),)))
    for match in _AMOUNT.finditer(c.rest):
        asked = "How much" if c.base in ("cost", "pay", "charge") else "What amount"
        found.append((f"{asked} {_inverted(c, subject, _without(c.rest, match))}?", (match[0],)))
    if match := _TIME.search(c.rest):
        found.append((f"When {_inverted(c, subject, _without(c.rest, match))}?", (match[1],)))
    for match in _NUMBER.finditer(c.rest):
        if not re.match(_MONEY, c.rest[max(0, match.start() - 1) :]) and match[2].split()[0] not in ("am", "pm", "and", "to", "or"):
            found.append((f"How many {match[2]} {_inverted(c, subject, _without(c.rest, match))}?", (match[1], match[0])))
    if (match := _PLACE.search(c.rest)) and (c.verb in ("is", "are") or c.base in ("lie", "stand", "hang", "sit")):
        found.append((f"Where {_inverted(c, subject, _without(c.rest, match))}?", (match[1],)))
    if not found and len(c.rest.split()) <= 8:
        rest = (re.sub(r"^(the|a|an) ", "", c.rest),)
        found.append((f"What {_inverted(c, subject, '')}?" if c.verb in ("is", "are") else f"What exactly {_inverted(c, subject, '')}?", rest))
    return [(re.sub(r"\s+([?,])", r"\1", " ".join(q.split())), a) for q, a in found]


def _inverted(c: Clause, subject: str, rest: str) -> str:
    return " ".join(f"{c.asking} {subject} {c.base} {rest}".split()).rstrip(",; ")


def _without(rest: str, match: re.Match[str]) -> str:
    """The rest of a clause with the answer taken out, and a preposition that is left hanging with it."""
    return re.sub(r"\b(?:at|of|for|to|by|up to|from|within|only|about|and|or)\s*$", "", rest[: match.start()]).strip() + " " + rest[match.end() :].strip()


def _mid_sentence(subject: str) -> str:
    """Lower a capital that only the beginning of the sentence gave."""
    first = subject.split()[0]
    common = first in ("The", "A", "An", "Each", "Every", "All", "Our", "Your", "Their", "This", "These", "No", "Any", "It", "They", "You", "Staff", "Members", "Employees", "Visitors", "Everyone")
    return subject[:1].lower() + subject[1:] if common else subject
