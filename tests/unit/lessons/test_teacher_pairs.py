"""Pairs of a writer: how replies are read, which facts a pair is about, what is asked again."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from prompt_parts import parts_of
from scripted_writer import Heard, Reply, ScriptedWriter, lines

from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.collection import PairCollection, is_about
from localtune.lessons.teacher.facts import SectionFact, facts_in
from localtune.lessons.teacher.pair import Pair
from localtune.lessons.teacher.pairs import PairWriter
from localtune.lessons.teacher.requests import Ask, Asker, pairs_in, questions_in
from localtune.lessons.teacher.sections import sections_of
from localtune.lessons.teacher.trial import without_failing
from localtune.progress import Progress, Silent

KEYS = "Ruben Okafor keeps the keys of the boatyard."
FEE = "Hull cleaning costs 85 euros in summer."
LEASE = "A mooring lease lasts eleven months."


def written(*texts: str) -> PairCollection:
    rows = [
        {"id": str(n), "document": f"{n}.md", "title": f"Yard {n}", "headings": [], "text": text}
        for n, text in enumerate(texts)
    ]
    sections = sections_of(rows)
    return PairCollection({s.id: s for s in sections}, facts_in(sections), Checks(sections))


def run(
    writer: ScriptedWriter,
    pairs: PairCollection,
    ledger: Path,
    effort: str = "quick",
    progress: Progress = Silent(),
) -> PairCollection:
    PairWriter(Asker(writer, Ledger(ledger), progress), pairs).write(effort)
    return pairs


def once(reply: Reply) -> Reply:
    """Give a reply to the first request about a text only."""
    seen = set[str]()

    def answer(shown: str, task: str) -> str:
        if shown in seen:
            return ""
        seen.add(shown)
        return reply(shown, task)

    return answer


def echo(shown: str, task: str) -> str:
    """Answer a check with all that is shown: it confirms every pair."""
    return shown


@pytest.mark.parametrize(
    "reply",
    [
        "Q: Who keeps them?\nA: Okafor does.",
        "Here you are:\n\nQ:  Who keeps   them?\nA: Okafor does.\n",
        "**Q:** Who keeps them?\n**A:** Okafor does.",
        "1. Q: Who keeps them?\n   A: Okafor does.",
        "- Question 1: Who keeps them?\n- Answer 1: Okafor does.",
        "**Question:** Who keeps them?\n\n**Answer:** Okafor does.",
        "### Q1: Who keeps them?\nA1: Okafor does.",
        "> q: Who keeps them?\n> a: *Okafor does.*",
        "A: lost\nQ: Who keeps it?\nQ: Who keeps them?\nA: Okafor does.\nA: another\nQ: And?",
    ],
)
def test_pairs_are_read_from_a_reply_however_it_is_set(reply: str) -> None:
    assert list(pairs_in(reply)) == [("Who keeps them?", "Okafor does.")]


@pytest.mark.parametrize("reply", ["", "Sure! What would you like?", "Q:\nA:", "A: yes\nQ: no"])
def test_a_reply_without_pairs_has_none(reply: str) -> None:
    assert list(pairs_in(reply)) == []


def test_questions_are_read_with_or_without_a_mark() -> None:
    reply = "Q: Who keeps them?\n2. Who has them?\n**Q:** Who holds them?\nThat is all.\n- Whose?"
    assert list(questions_in(reply)) == [
        "Who keeps them?",
        "Who has them?",
        "Who holds them?",
        "Whose?",
    ]


@pytest.mark.parametrize(
    ("fact", "question", "answer", "about"),
    [
        (("number", "85 euros", FEE), "What does hull cleaning cost?", "85 euros", True),
        (("number", "85 euros", FEE), "What does hull cleaning cost?", "It costs 85.", True),
        (("number", "85 euros", FEE), "What costs 85 euros?", "Hull cleaning", True),
        (("number", "85 euros", FEE), "Is anything 85 euros?", "Yes, 85 euros.", False),
        (("number", "eleven months", LEASE), "How long is a lease?", "11 months", True),
        (("name", "Ruben Okafor", KEYS), "Who keeps the keys?", "Ruben Okafor", True),
        (("name", "Ruben Okafor", KEYS), "Who keeps the keys?", "Okafor", False),
        (("name", "Ruben Okafor", KEYS), "What does Ruben Okafor keep?", "The keys.", True),
        (("name", "Ruben Okafor", KEYS), "What does hull cleaning cost?", "85 euros", False),
    ],
)
def test_a_pair_is_about_a_fact_that_it_asks_for_or_gives(
    fact: tuple[str, str, str], question: str, answer: str, about: bool
) -> None:
    kind, value, statement = fact
    pair = Pair("s", "cover", question, answer)
    assert is_about(pair, SectionFact("s", kind, value, statement)) is about


def test_a_pair_is_about_the_cell_of_the_row_that_it_names() -> None:
    cells = [
        SectionFact("s", "cell", "3 days", f"Service: {name}; Time: 3 days", name)
        for name in ("Hull cleaning", "Mast storage")
    ]
    pair = Pair("s", "cover", "How long does the cleaning of a hull take?", "3 days")
    assert [is_about(pair, cell) for cell in cells] == [True, False]


def test_a_pair_is_about_an_item_or_a_definition_of_which_it_has_half() -> None:
    item = SectionFact("s", "item", "Wear a helmet near the crane", "Wear a helmet near the crane")
    term = SectionFact("s", "definition", "a fixed place for one boat", "", "Mooring")
    assert is_about(Pair("s", "cover", "What is worn near the crane?", "A helmet."), item)
    assert not is_about(Pair("s", "cover", "Where is the crane?", "In the yard."), item)
    assert is_about(Pair("s", "cover", "What is a mooring?", "A fixed place for a boat."), term)
    assert not is_about(Pair("s", "cover", "What is a mooring?", "Something wet."), term)


def test_kept_and_dropped_pairs_are_counted() -> None:
    pairs = written(f"{KEYS} {FEE}")
    (section,) = pairs.sections
    pairs.add(Pair(section, "cover", "Who keeps the keys of the boatyard?", "Ruben Okafor"))
    again = Pair(section, "short", "who keeps the keys of the boatyard??", "Ruben Okafor")
    pairs.add(again)
    pairs.add(Pair(section, "short", "Who keeps the keys there?", "Mirlo Banquist"))
    pairs.drop(Pair(section, "short", "Who has the keys of the yard?", "Okafor"), "why")
    assert len(pairs.kept) == 1 and len(pairs.dropped) == 3
    assert pairs.dropped[0] == (again, "the question was asked before")
    assert pairs.reasons()["why"] == 1
    assert [pairs.covered(number) for number in (1, 2)] == [1, 0]
    assert "1 of 4 pairs kept" in pairs.summary() and "1 of 2 facts" in pairs.summary()
    name, number = sorted(pairs.all_facts(), key=lambda fact: fact.kind)
    assert [len(pairs.about(fact)) for fact in (name, number)] == [1, 0]


def uneven(shown: str, task: str) -> str:
    """Write four pairs about the keys, one about the fee, and none about the lease."""
    verbs = ("keeps", "has", "holds", "guards")
    many = [(f"Who {verb} the keys of the boatyard?", "Ruben Okafor") for verb in verbs]
    one = ("What does hull cleaning cost in summer?", "85 euros")
    return lines(*many, one) if FEE in shown and KEYS in shown else lines(("Eh?", "Eh."))


def statements_asked(writer: ScriptedWriter, *statements: str) -> list[list[str]]:
    """Return, for each request that shows no whole section, which of the statements it shows."""
    shown = [parts_of(prompt)[1] for prompt in writer.prompts("pairs")]
    found = [[text for text in statements if text in view] for view in shown]
    return [texts for texts in found if len(texts) == 1]


def test_a_second_round_asks_about_facts_that_too_few_pairs_ask_about(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=uneven, answer=echo)
    pairs = run(writer, written(f"{KEYS} {FEE} {LEASE}"), tmp_path / "ledger")
    counts = {fact.value: len(pairs.about(fact)) for fact in pairs.all_facts()}
    assert counts == {"Ruben Okafor": 4, "85 euros": 1, "eleven months": 0}
    first = [[KEYS], [FEE], [LEASE]] * 2
    assert statements_asked(writer, KEYS, FEE, LEASE) == [*first, [FEE], [LEASE]]


def test_a_third_round_asks_again(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=uneven, answer=echo)
    run(writer, written(f"{KEYS} {FEE} {LEASE}"), tmp_path / "ledger", "normal")
    asked = statements_asked(writer, KEYS, FEE, LEASE)
    assert asked[6:] == [[FEE], [LEASE], [FEE], [LEASE]]


def good(shown: str, task: str) -> str:
    """Write pairs about the keys and the fee, whichever of them is shown."""
    found = []
    if "keys" in shown:
        found.append((f"Who keeps the keys of the boatyard, {len(task)}?", "Ruben Okafor"))
    if "85" in shown:
        found.append((f"What does hull cleaning cost in summer, {len(task)}?", "85 euros"))
    return lines(*found).replace(f", {len(task)}", " by the way" * (len(task) % 3))


def test_what_a_ledger_holds_is_not_asked_again(tmp_path: Path) -> None:
    first, second = (ScriptedWriter(pairs=good, answer=echo) for _ in range(2))
    texts = (f"{KEYS} {FEE}", LEASE)
    pairs = run(first, written(*texts), tmp_path / "ledger", "normal")
    again = run(second, written(*texts), tmp_path / "ledger", "normal")
    assert pairs.kept and first.asked and not second.asked
    assert again.kept == pairs.kept and again.dropped == pairs.dropped
    asked = [(prompt, options["seed"]) for prompt, options in first.asked]
    assert len(set(asked)) == len(asked)


def test_a_changed_section_is_asked_about_and_the_others_are_not(tmp_path: Path) -> None:
    first, second = (ScriptedWriter(pairs=good, answer=echo) for _ in range(2))
    run(first, written(KEYS, FEE), tmp_path / "ledger")
    run(second, written(KEYS, FEE.replace("summer", "autumn")), tmp_path / "ledger")
    assert second.asked and all("autumn" in prompt for prompt, _ in second.asked)


def test_another_writer_is_asked_anew(tmp_path: Path) -> None:
    first, second = (ScriptedWriter(pairs=good, answer=echo) for _ in range(2))
    second.identity = "another"
    for writer in (first, second):
        run(writer, written(KEYS), tmp_path / "ledger")
    assert len(first.asked) == len(second.asked) > 0


def test_a_pair_that_a_second_answer_contradicts_is_dropped(tmp_path: Path) -> None:
    def doubtful(shown: str, task: str) -> str:
        return "95 euros" if "cleaning" in task else "Ruben Okafor keeps them."

    def once_each(shown: str, task: str) -> str:
        return good(shown, task) if task.startswith("Write ") else ""

    writer = ScriptedWriter(pairs=once_each, answer=doubtful)
    pairs = run(writer, written(f"{KEYS} {FEE}"), tmp_path / "ledger")
    assert {pair.answer for pair in pairs.kept} == {"Ruben Okafor"}
    reasons = {reason for pair, reason in pairs.dropped if "cleaning" in pair.question}
    assert "a second answer says something else" in reasons
    (options, *_) = [o for prompt, o in writer.asked if prompt in writer.prompts("answer")]
    assert options["temperature"] == 0


def test_a_pair_that_two_requests_give_needs_no_second_answer(tmp_path: Path) -> None:
    same = lines(("Who keeps the keys of the boatyard?", "Ruben Okafor"))
    writer = ScriptedWriter(pairs=lambda shown, task: same, answer=echo)
    pairs = run(writer, written(KEYS), tmp_path / "ledger")
    assert len(pairs.kept) == 1 and not writer.prompts("answer")


def test_only_pairs_that_pass_the_checks_get_a_second_answer(tmp_path: Path) -> None:
    writer = ScriptedWriter(
        pairs=lambda shown, task: lines(("Who keeps the keys?", "Mirlo Banquist")), answer=echo
    )
    pairs = run(writer, written(KEYS), tmp_path / "ledger")
    assert not writer.prompts("answer") and not pairs.kept


KEEPERS = "\n\n".join(
    f"{name} keeps the keys of the {place}."
    for name, place in [
        ("Ruben Okafor", "boatyard"), ("Mirlo Banquist", "bakery"), ("Tove Lindqvist", "chapel"),
        ("Ansel Dray", "sluice"), ("Petra Quillon", "granary"), ("Osric Vane", "ropewalk"),
        ("Wilma Thorne", "tannery"), ("Hugo Plessis", "smithy"), ("Nadia Korr", "cellar"),
        ("Ivo Strand", "gatehouse"), ("Lena Marsh", "pumphouse"), ("Bram Aldous", "weighbridge"),
        ("Carla Dune", "boathouse"), ("Emil Roth", "stable"),
    ]
)  # fmt: skip


def keepers(shown: str, task: str) -> str:
    """Ask for each keeper, in the words of the task."""
    found = re.findall(r"(\w+ \w+) keeps the keys of the (\w+)", shown)
    verb = "holds" if "Details" in task else "keeps"
    return lines(*((f"Who {verb} the keys of the {place}?", name) for name, place in found))


def is_kept_by(shown: str, task: str) -> bool:
    """Whether the statement that is shown has both the place and the keeper."""
    question, _, answer = task.partition("\nAnswer: ")
    return answer in shown and question.rpartition(" ")[2].strip("?") in shown


def test_a_pair_that_the_writer_takes_for_wrong_is_dropped(tmp_path: Path) -> None:
    def judge(shown: str, task: str) -> str:
        return "yes" if is_kept_by(shown, task) and "bakery" not in task else "no"

    writer = ScriptedWriter(pairs=keepers, answer=echo, judge=judge)
    pairs = run(writer, written(KEEPERS), tmp_path / "ledger")
    assert len(pairs.kept) > 20 and not any("bakery" in pair.question for pair in pairs.kept)
    assert pairs.reasons()["the writer takes the answer for wrong"] >= 2


def test_a_writer_that_says_yes_to_everything_is_not_a_judge(tmp_path: Path) -> None:
    writer, heard = ScriptedWriter(pairs=keepers, answer=echo), Heard()
    pairs = run(writer, written(KEEPERS), tmp_path / "ledger", progress=heard)
    assert any("cannot tell right pairs from wrong ones" in text for text in heard.warned)
    assert any("bakery" in pair.question for pair in pairs.kept)


def test_a_rewritten_question_that_asks_something_else_is_dropped(tmp_path: Path) -> None:
    def rewrite(shown: str, task: str) -> str:
        place = shown.partition(" the keys of the ")[2].partition("?")[0]
        return f"Q: Who has the {place} keys?\nQ: Who sold the keys of the {place}?"

    def judge(shown: str, task: str) -> str:
        if "\nAnswer: " in task:
            return "yes" if is_kept_by(shown, task) else "no"
        places = re.findall(r"keys of the (\w+)", KEEPERS)
        same = [place for place in places if place in shown and place in task]
        return "yes" if same and "sold" not in task else "no"

    writer = ScriptedWriter(pairs=keepers, answer=echo, questions=rewrite, judge=judge)
    pairs = run(writer, written(KEEPERS), tmp_path / "ledger")
    rewritten = [pair.question for pair in pairs.kept if pair.style == "rewrite"]
    assert rewritten and all(question.startswith("Who has the") for question in rewritten)


def test_a_style_that_fails_its_trial_is_left_out_and_reported(tmp_path: Path) -> None:
    texts = [KEYS.replace("boatyard", f"boatyard {n}") for n in range(12)]

    def by_style(shown: str, task: str) -> str:
        if task.startswith("Write "):  # with the whole section in view
            return lines(("Who keeps the keys?", "Mirlo Banquist"))
        return lines((f"Who keeps the keys of {shown.split(' of the ')[1][:11]}?", "Ruben Okafor"))

    writer, heard = ScriptedWriter(pairs=by_style, answer=echo), Heard()
    pairs = run(writer, written(*texts), tmp_path / "ledger", progress=heard)
    whole = sum("\n---\n" in prompt for prompt in writer.prompts("pairs"))
    assert whole < len(texts) < len(writer.prompts("pairs")) - whole
    (warning,) = heard.warned
    assert "0 of" in warning and "fails at" in warning
    assert {pair.style for pair in pairs.kept} & {"statement", "situation"}


def test_the_trial_counts_no_lost_reply_and_is_not_made_again(tmp_path: Path) -> None:
    tasks: list[str] = []

    def reply(shown: str, task: str) -> str:
        tasks.append(task)
        lost = task == tasks[0]
        return "" if lost else lines(("Who keeps the keys of the boatyard?", "Mirlo Banquist"))

    writer = ScriptedWriter(pairs=reply, answer=echo)
    pairs = written(*(KEYS.replace("boatyard", f"boatyard {n}") for n in range(12)))
    names = ("everyday", "cover")
    asks = [Ask("lessons", name, s, 1) for s in pairs.sections.values() for name in names]
    asker = Asker(writer, Ledger(tmp_path / "ledger"), Silent())
    kept, trial = without_failing(asker, asks, lambda *_: False)
    assert {ask.name for ask in kept} == {"everyday"} and len(trial) == len(tasks) == 6
    assert without_failing(asker, asks, lambda *_: True) == (kept, trial)
    assert len(tasks) == 6


def test_the_last_line_of_a_reply_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    reply = lines(("Who keeps the keys of the boatyard?", "Ruben"))
    writer = ScriptedWriter(pairs=lambda shown, task: reply, answer=echo)
    writer.ended = False
    pairs = run(writer, written(KEYS), tmp_path / "ledger")
    assert not pairs.kept and not pairs.dropped


def test_a_request_without_a_reply_costs_only_itself(tmp_path: Path) -> None:
    def one_of_two(shown: str, task: str) -> str:
        return good(shown, task) if "keys" in shown else ""

    writer = ScriptedWriter(pairs=one_of_two, answer=echo)
    pairs = run(writer, written(KEYS, FEE), tmp_path / "ledger")
    assert {pair.answer for pair in pairs.kept} == {"Ruben Okafor"}


def test_a_question_in_other_words_keeps_the_answer(tmp_path: Path) -> None:
    def reworded(shown: str, task: str) -> str:
        assert "Ruben Okafor" in shown
        return "Q: I lost my keys of the boatyard, who has others?\nQ: Whose are they?"

    one = lines(("Who keeps the keys of the boatyard?", "Ruben Okafor"))
    writer = ScriptedWriter(pairs=lambda *_: one, questions=reworded, answer=echo)
    pairs = run(writer, written(KEYS), tmp_path / "ledger")
    (pair,) = [pair for pair in pairs.kept if pair.style == "rewrite"]
    assert pair.answer == "Ruben Okafor" and pair.question.startswith("I lost my keys")


def test_more_effort_asks_for_more_pairs_in_other_draws(tmp_path: Path) -> None:
    numbers = {}
    for effort in ("quick", "normal", "max"):
        writer = ScriptedWriter(pairs=good, answer=echo)
        run(writer, written(f"{KEYS} {FEE}"), tmp_path / effort, effort)
        shown = [prompt for prompt in writer.prompts("pairs") if KEYS in prompt and FEE in prompt]
        numbers[effort] = len(shown)
        seeds = [options["seed"] for _, options in writer.asked]
        assert len(set(seeds)) == len(seeds)
    assert numbers["quick"] < numbers["normal"] < numbers["max"]


def test_requests_of_a_kind_begin_alike_with_examples(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=good, answer=echo)
    run(writer, written(f"{KEYS} {FEE} {LEASE}"), tmp_path / "ledger")
    begins = defaultdict(set)
    for *examples, last in writer.conversations:
        roles = [message["role"] for message in examples]
        assert examples and roles == ["user", "assistant"] * (len(examples) // 2)
        assert "Okafor" not in str(examples) and last["role"] == "user"
        begins[parts_of(last["content"])[0], "\n---\n" in last["content"]].add(str(examples))
    assert {kind for kind, _ in begins} == {"pairs", "questions", "answer"}
    statements = ("pairs", False)  # in two styles
    assert all(len(seen) == 1 + (kind == statements) for kind, seen in begins.items())


def test_a_pair_about_an_example_is_dropped(tmp_path: Path) -> None:
    copied = lines(("Who keeps the keys of the wheelbarrow?", "Ruben Okafor"))
    pairs = run(
        ScriptedWriter(pairs=lambda *_: copied, answer=echo), written(KEYS), tmp_path / "ledger"
    )
    assert not pairs.kept and {reason for _, reason in pairs.dropped} == {
        "is about an example of the request"
    }


def test_questions_that_a_document_asks_itself_are_pairs(tmp_path: Path) -> None:
    text = f"## Who keeps the keys of the boatyard?\n\n{KEYS}\n\nWhat is a lease?\n\n{LEASE}"
    pairs = run(ScriptedWriter(), written(text), tmp_path / "ledger")
    assert [(pair.question, pair.answer) for pair in pairs.kept if pair.style == "document"] == [
        ("Who keeps the keys of the boatyard?", KEYS),
        ("What is a lease?", LEASE),
    ]


def test_braces_in_a_document_are_no_places_to_fill(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=good, answer=echo)
    run(writer, written(f"{KEYS} Write {{task}} and {{text}} as {{n}}."), tmp_path / "ledger")
    prompts = [prompt for prompt in writer.prompts("pairs") if "\n---\n" in prompt]
    assert prompts and all("{task} and {text} as {n}" in prompt for prompt in prompts)


def test_once_it_is_late_every_section_was_asked_about_and_no_more_is(tmp_path: Path) -> None:
    names = ("Ada", "Ben", "Cem", "Dora", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jo", "Kim", "Lea")
    pairs = written(*(f"{name} Okafor keeps the keys of the {name} shed." for name in names))

    def who(shown: str, task: str) -> str:
        name = shown.partition("Okafor")[0].split()[-1]
        return lines((f"Who keeps the keys of the {name} shed?", f"{name} Okafor keeps them."))

    writer, heard = ScriptedWriter(pairs=who, answer=echo), Heard()
    PairWriter(Asker(writer, Ledger(tmp_path / "ledger"), heard), pairs).write(
        "normal", lambda: True
    )
    assert len({pair.section for pair in pairs.kept}) == len(names)
    left = next(text for text in heard.noted if "left out" in text)
    asked = len(names) * 4
    assert left == f"--hours: {asked - len(names)} of {asked} requests left out"
    assert "--hours: facts asked about too little stay so" in heard.noted
    whole = ScriptedWriter(pairs=who, answer=echo)
    run(whole, pairs, tmp_path / "other", "normal")
    assert len(writer.asked) < len(whole.asked)
