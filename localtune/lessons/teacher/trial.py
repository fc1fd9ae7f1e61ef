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
    are in the ledger, so that it costs nothing for the kinds that are kept. Warns of the others.
    `later` is as in `Asker.replies`.
    """
    ids = list(dict.fromkeys(ask.section.id for ask in asks))
    tried_on = set(ids[:: max(1, len(ids) // TRIAL_SECTIONS)][:TRIAL_SECTIONS])
    trial = [ask for ask in asks if ask.section.id in tried_on and not ask.turn]
    made, good = Counter[str](), Counter[str]()
    for ask, text in asker.replies(trial, "trial requests", later=later):
        for question, answer in pairs_in(text):
            made[ask.name] += 1
            good[ask.name] += usable(ask, question, answer)
    kinds = dict.fromkeys(ask.name for ask in trial)
    failing = [name for name in kinds if good[name] <= MIN_USABLE_SHARE * made[name]]
    if failing:
        listed = ", ".join(f"{name} ({good[name]} of {made[name]} usable)" for name in failing)
        asker.progress.warn(f"{asker.writer.identity} fails at some kinds of questions: {listed}")
    return [ask for ask in asks if ask.name not in failing], trial
