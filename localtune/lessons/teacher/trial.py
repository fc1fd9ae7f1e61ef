"""Which kinds of requests a writer can answer: each kind is tried on a few sections first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from localtune.lessons.teacher.requests import Ask, Asker, Row, pairs_in

TRIAL_SECTIONS = 3
MIN_USABLE_SHARE = 0.1  # of a kind's pairs in its trial


def without_failing(
    asker: Asker,
    asks: list[Ask],
    usable: Callable[[Ask, str, str], bool],
    later: Callable[[Ask, Row], Iterable[Ask]] = lambda ask, row: (),
) -> tuple[list[Ask], list[Ask]]:
    """Return the requests without the kinds of which too little is usable, and the trial's own.

    `usable` is given a request with a question and an answer of its reply. The replies of the trial
    are in the ledger, so that it costs nothing for the kinds that are kept. So is its result, since
    another one would change the questions about documents that did not change. A kind of which no
    reply arrived is kept. Warns of the others. `later` is as in `Asker.replies`.
    """
    ids = list(dict.fromkeys(ask.section.id for ask in asks))
    tried_on = set(ids[:: max(1, len(ids) // TRIAL_SECTIONS)][:TRIAL_SECTIONS])
    trial = [ask for ask in asks if ask.section.id in tried_on and not ask.turn]
    kinds = list(dict.fromkeys(ask.name for ask in trial))

    def find() -> Row:
        received, made, good = Counter[str](), Counter[str](), Counter[str]()
        for ask, text in asker.replies(trial, "trial requests", later=later):
            received[ask.name] += bool(text)
            for question, answer in pairs_in(text):
                made[ask.name] += 1
                good[ask.name] += usable(ask, question, answer)
        failing = [k for k in kinds if received[k] and good[k] <= MIN_USABLE_SHARE * made[k]]
        return {"failing": {name: [good[name], made[name]] for name in failing}}

    failing = asker.kept(f"trial {' '.join(kinds)}", find)["failing"]
    if failing:
        listed = ", ".join(f"{k} ({good} of {made} usable)" for k, (good, made) in failing.items())
        asker.progress.warn(f"{asker.writer.identity} fails at some kinds of questions: {listed}")
    return [ask for ask in asks if ask.name not in failing], trial
