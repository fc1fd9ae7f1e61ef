"""Facts, questions, exam and lessons by rule."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.config.stages import ExamConfig, LessonsConfig
from localtune.errors import InputError
from localtune.lessons.facts import common_words, facts_of, sentences
from localtune.lessons.keywords import Index, keywords
from localtune.lessons.rules.exam import write_exam
from localtune.lessons.rules.grammar import clauses_of
from localtune.lessons.rules.spans import SpanQuestion, span_questions
from localtune.lessons.rules.speech import (
    as_people_ask,
    in_first_person,
    with_other_endings,
    with_prefix,
    with_synonyms,
    with_usual_words,
    words_around,
)
from localtune.lessons.rules.structure import WORDINGS, write_lessons
from localtune.lessons.rules.wording import direct_questions, loose_question, reworded
from localtune.lessons.similarity import NEAR, ExamQuestions, rouge_l, words
from localtune.workspace import read_jsonl, write_jsonl

COMMON = frozenset("hall tool library office claims parcels the a staff passwords leave".split())


def passage(text: str, title: str = "Guide") -> dict[str, Any]:
    return {"id": "p", "document": "guide.md", "title": title, "headings": [], "text": text}


def statements(text: str) -> list[tuple[str, str]]:
    return [(fact.kind, fact.statement) for fact in facts_of([passage(text)])]


def asked_of(statement: str, common: frozenset[str] = COMMON) -> list[SpanQuestion]:
    clauses = clauses_of(statement, common)
    return [asked for clause in clauses for asked in span_questions(clause, common)]


def test_facts_come_from_sentences_items_rows_and_faq() -> None:
    text = """# House

The hall opens at 08:30. Dr. Ines Vale runs it.

Bring with you:

- a towel
- Shoes: soft soles only

| Room | Seats | Floor |
|---|---|---|
| Blue room | 12 | first |

## May I bring a dog?

Only on Fridays, on a lead.
"""
    assert statements(text) == [
        ("sentence", "The hall opens at 08:30."),
        ("sentence", "Dr. Ines Vale runs it."),
        ("item", "Bring with you: a towel"),
        ("term", "Shoes: soft soles only"),
        ("row", "Blue room – Seats: 12; Floor: first"),
        ("faq", "Only on Fridays, on a lead."),
    ]


def test_only_the_last_sentence_before_a_list_leads_into_it() -> None:
    text = (
        "Fridges must stay below 5 °C. Boards have colours:\n\n- red for meat\n- green for salad\n"
    )
    assert statements(text) == [
        ("sentence", "Fridges must stay below 5 °C."),
        ("item", "Boards have colours: red for meat"),
        ("item", "Boards have colours: green for salad"),
    ]


def test_a_fact_knows_where_it_stands() -> None:
    facts = facts_of([passage("# House\n\n## Rooms\n\nThe hall holds 240 people.\n")])
    assert facts[0].headings == ("House", "Rooms")


def test_a_statement_in_two_passages_counts_once() -> None:
    twice = [passage("The hall holds 240 people."), passage("The hall holds 240 people.")]
    assert len(facts_of(twice)) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One ends. Two begins.", ["One ends.", "Two begins."]),
        ("Ask Dr. Vale at 9 a.m. sharp.", ["Ask Dr. Vale at 9 a.m. sharp."]),
        ("It costs £3.50 today! Really.", ["It costs £3.50 today!", "Really."]),
    ],
)
def test_sentences_end_where_they_end(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize(
    ("statement", "question", "answer"),
    [
        ("The hall holds 240 people.", "How many people does the hall hold?", "240"),
        ("The tool library opens at 08:30.", "When does the tool library open?", "08:30"),
        ("Ines Vale runs the hall.", "Who runs the hall?", "Ines Vale"),
        ("Claims are settled by Ines Vale.", "By whom are claims settled?", "Ines Vale"),
        (
            "Parcels must be collected within five days.",
            "Within how many days must parcels be collected?",
            "five",
        ),
        ("The office is on the first floor.", "Where is the office?", "first floor"),
        ("A lost key costs £25.", "How much does a lost key cost?", "£25"),
        ("The office has three windows.", "How many windows does the office have?", "three"),
        ("Ines Vale is the manager.", "Who is the manager?", "Ines Vale"),
        ("The hall is big and opens at noon.", "When does the hall open?", "noon"),
        ("A lost badge costs £8; a lost key costs £25.", "How much does a lost key cost?", "£25"),
        ("You must reply within five days.", "Within how many days must you reply?", "five"),
        ("In 1912, the hall opened.", "When did the hall open?", "1912"),
        ("The hall replaced an old barn.", "What did the hall replace?", "old barn"),
        ("Passwords are changed once a year.", "How often are passwords changed?", "once a year"),
        ("Claims are paid by the finance team.", "By whom are claims paid?", "finance team"),
        ("Leave is requested through HR Links.", "How is leave requested?", "HR Links"),
        ("Bay Q is the quarantine bay, where goods wait.", "What is Bay Q?", "quarantine bay"),
        ("The office opened in May 2013.", "When did the office open?", "May 2013"),
        (
            "A key costs £8, is valid for two years and is kept by Ines Vale.",
            "For how many years is a key valid?",
            "two years",
        ),
        (
            "Staff park in the yard, which has 34 spaces.",
            "How many spaces does the yard have?",
            "34",
        ),
        ("Claims go to Ines Vale, who replies on Monday.", "When does Ines Vale reply?", "Monday"),
        (
            "The hall opens at noon, the office closes at 19:00.",
            "When does the office close?",
            "19:00",
        ),
        ("Passwords must have at least 14 letters.", "How many letters must passwords have?", "14"),
    ],
)
def test_plain_statements_become_questions(statement: str, question: str, answer: str) -> None:
    asked = {one.question: one.answers for one in asked_of(statement)}
    assert question in asked
    assert answer in asked[question]


@pytest.mark.parametrize(
    "statement",
    [
        "If yours is missing, put a note in the bottle.",
        "They are kept in the hall.",
        "Its best dish costs £6.",
        "Please read this first.",
        "The people who cook meet at noon.",
        "Be sure all candidates have a copy.",
        "We've created an issue template.",
        "What was begun in 1970 has evolved.",
        "Other offers may be made by noon.",
        "Welcome.",
    ],
)
def test_what_is_not_plain_gives_no_question(statement: str) -> None:
    assert not clauses_of(statement, COMMON)


@pytest.mark.parametrize(
    ("statement", "question", "answer"),
    [
        ("There are six bays in Shed 1.", "How many bays are there in Shed 1?", "six"),
        ("Send the form through the portal.", "How do I send the form?", "portal"),
        ("Ask your lead if a date is missing.", "Who do you ask if a date is missing?", "lead"),
        ("To book a room, use the yellow book.", "What do you use to book a room?", "yellow book"),
        ("Please email OCE for an invite.", "Who do you email for an invite?", "OCE"),
    ],
)
def test_orders_and_counts_become_questions(statement: str, question: str, answer: str) -> None:
    (fact,) = facts_of([passage(statement)])
    asked = {one.text: one.answers for one in direct_questions(fact, COMMON)}
    assert question in asked and answer in asked[question]


@pytest.mark.parametrize(
    "statement",
    [
        "Email the form to the desk.",
        "Ask us about dogs.",
        "Read the guide for more information.",
        "If it is closed, ask the warden.",
        "In 2006, UNICEF estimated that all is well.",
        "Tea is a permanent, warm drink.",
        "The relics were washed in the spring and a statue was completed in 1989.",
        "The market replaced a hall built in 1808.",
        "The allowance is £3 for every hour.",
        "The boat carried 30 passengers and one cow.",
        "The lease lasts four months for staff and six months for crew.",
    ],
)
def test_what_would_be_a_broken_question_is_not_asked(statement: str) -> None:
    for fact in facts_of([passage(statement)]):
        asked = [one.text for one in direct_questions(fact, COMMON)]
        assert not [text for text in asked if not text.startswith(("How much", "Where"))]


def test_a_capital_phrase_of_common_words_is_no_person() -> None:
    common = common_words([passage("The leave is an administrative leave.")])
    statement = "Administrative Leave is granted by the manager."
    assert clauses_of(statement, common)
    assert not [one for one in asked_of(statement, common) if one.sort == "who"]


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    facts = facts_of([passage(text)])
    for fact in facts:
        direct_questions(fact, COMMON)
        reworded(fact, COMMON)
        loose = loose_question(fact, Index(facts), COMMON, Random(1))
        with_prefix(with_synonyms(loose, Random(2)), fact, Random(2))


def test_a_question_is_asked_in_the_order_of_a_statement_too() -> None:
    (fact,) = facts_of([passage("The tool library opens at 08:30.")])
    forms = reworded(fact, COMMON)
    assert "Tell me when the tool library opens." in forms
    assert "What time does the tool library open?" in forms
    assert not [form for form in forms if "08:30" in form]


@pytest.mark.parametrize(
    ("statement", "form"),
    [
        ("The hall closes at 19:00.", "How late is the hall open?"),
        ("A lost key costs £25.", "How expensive is a lost key?"),
        ("The library room holds 240 people.", "What is the capacity of the library room?"),
        ("The tour lasts 40 minutes.", "What is the duration of the tour?"),
        ("Ines Vale runs the kiosk.", "Who is in charge of the kiosk?"),
        ("Claims must be submitted by 10 July.", "What is the deadline for claims?"),
        ("Claims must be submitted by 10 July.", "By when are claims due?"),
    ],
)
def test_it_is_asked_in_words_that_the_document_has_not(statement: str, form: str) -> None:
    (fact,) = facts_of([passage(statement)])
    assert form in reworded(fact, COMMON)


def test_the_person_addressed_asks() -> None:
    asked = "Within how many days must you return your key if you are ill?"
    assert in_first_person(asked) == "Within how many days must I return my key if I am ill?"


def test_a_question_may_hold_words_that_no_fact_holds() -> None:
    index = Index(facts_of([passage("The workshop accommodates 40 adults and is open at noon.")]))
    around = words_around(index)
    strange = set(around.strange)
    assert len(strange) > 500 and not {"adult", "adults", "accommodates"} & strange
    said = {as_people_ask("What is the workshop?", around, Random(seed)) for seed in range(200)}
    assert {"What's the workshop?", "What is the workshops?"} <= said
    assert any(set(words(text)) & strange for text in said)


def test_a_question_may_hold_words_that_many_facts_hold() -> None:
    text = "".join(f"The plot of row {n} is {n} metres wide. " for n in range(20, 40))
    usual = words_around(Index(facts_of([passage(f"{text} The kiosk opens at noon.")]))).usual
    assert {"plot", "row", "wide"} <= set(usual) and not {"kiosk", "noon", "the", "20"} & set(usual)
    said = {with_usual_words("When does the kiosk open?", ["plot"], Random(n)) for n in range(99)}
    assert any(text.startswith("When does the kiosk open ") for text in said)
    assert all("kiosk" in text and "plot" in text and text.endswith("?") for text in said)
    assert with_usual_words("When?", [], Random(1)) == "When?"
    assert with_usual_words("", ["plot"], Random(1)) == ""


def test_endings_change_but_no_number_or_name() -> None:
    said = {with_other_endings("Who kept 14 keys of Moss Bay?", Random(seed)) for seed in range(99)}
    assert {"Who keep 14 keys of Moss Bay?", "Who kept 14 key of Moss Bay?"} <= said
    assert all(text.endswith("of Moss Bay?") and " 14 " in text for text in said)


def test_synonyms_of_several_words_are_found() -> None:
    said = {with_synonyms("what is free of charge?", Random(seed)) for seed in range(20)}
    assert {"what is free?", "what is at no cost?"} & said


def test_keywords_tell_a_fact_from_all_others() -> None:
    text = "The hall opens at 08:30. The hall closes at 19:00. The kiosk opens at 10:00."
    facts = facts_of([passage(text)])
    index = Index(facts)
    for fact in facts:
        drawn = [keywords(fact.statement, fact, index, Random(seed)) for seed in range(50)]
        assert all(index.identify(words.split()) for words in drawn)
        assert len(set(drawn)) > 3


def test_words_that_many_facts_hold_identify_none() -> None:
    index = Index(facts_of([passage("The hall opens at 08:30. The hall closes at 19:00.")]))
    assert not index.identify(["hall"])
    assert index.identify(["hall", "opens"])


def test_a_sentence_that_refers_back_is_about_the_one_before() -> None:
    _, it = facts_of([passage("The quiet swim is on Sundays. It was started by Ines Vale.")])
    assert it.topic == "The quiet swim is on Sundays."


def test_a_table_is_asked_as_people_do() -> None:
    table = "| Pool | Length | Fee |\n|---|---|---|\n| Main pool | 25 metres | £5.40 |\n"
    (fact,) = facts_of([passage(table)])
    forms = reworded(fact, COMMON)
    assert {"How long is Main pool?", "How much does Main pool cost?"} <= set(forms)


def test_a_row_is_also_called_by_a_value_that_no_other_row_has() -> None:
    table = """| Code | Goods | Rate |
|---|---|---|
| FR-1 | Chilled pallet | £58 |
| FR-2 | Dry pallet | £31 |
| FR-3 | Dry pallet | £40 |
"""
    chilled, dry, _ = facts_of([passage(f"{table}\nNo chilled goods.")])[:3]
    assert "How much does a chilled pallet cost?" in reworded(chilled, COMMON | {"chilled"})
    assert not [form for form in reworded(dry, COMMON | {"dry"}) if "a dry pallet" in form]


def test_the_first_sentence_of_an_answer_is_asked_for_too() -> None:
    text = "Where do I put my rubbish?\n\nPaper goes in the blue bins, food goes in the brown bins."
    (fact,) = facts_of([passage(text)])
    assert fact.kind == "faq"
    assert "What does food go in?" in reworded(fact, COMMON)


def test_an_answer_stands_by_itself() -> None:
    text = "The quiet swim is on Sundays. It was started by Ines Vale. She swims too."
    answers = [fact.answer for fact in facts_of([passage(text)])]
    assert answers == [
        "The quiet swim is on Sundays.",
        "The quiet swim is on Sundays. It was started by Ines Vale.",
        "The quiet swim is on Sundays. She swims too.",
    ]


def test_rouge_l_against_counts_by_hand() -> None:
    a, b = words("When does the hall open?"), words("When does the hall close on Sunday?")
    assert rouge_l(a, a) == 1.0
    assert rouge_l(a, b) == pytest.approx(2 * 4 / (5 + 7))
    assert rouge_l(a, []) == 0.0


@pytest.mark.parametrize(
    ("question", "near"),
    [
        ("When does the hall open?", True),
        ("when does the hall open", True),
        ("Hello. When does the hall open? Thanks", True),
        ("When does the big hall open?", True),
        ("The hall does open: when?", True),
        ("When do the halls open?", False),
        ("What is the hall's opening time?", False),
        ("Who runs the kitchen?", False),
    ],
)
def test_the_exam_refuses_what_is_near(question: str, near: bool) -> None:
    assert ExamQuestions(["When does the hall open?"]).is_near(question) is near


@given(st.lists(st.sampled_from("when does the hall open close late".split()), max_size=9))
def test_the_index_finds_all_that_rouge_would(asked: list[str]) -> None:
    kept = words("When does the hall open?")
    if rouge_l(asked, kept) >= NEAR:
        assert ExamQuestions([" ".join(kept)]).is_near(" ".join(asked))


def test_an_exam_without_questions_refuses_none() -> None:
    assert not ExamQuestions([]).is_near("When does the hall open?")
    assert not ExamQuestions(["?"]).is_near("When does the hall open?")
    assert not ExamQuestions(["When does the hall open?"]).is_near("?!")


def files(folder: Path, text: str) -> tuple[Path, Path, Path]:
    write_jsonl(folder / "passages.jsonl", [passage(text)])
    return tuple(folder / f"{name}.jsonl" for name in ("passages", "exam", "lessons"))  # type: ignore[return-value]


TEXT = """The hall holds 240 people. The tool library opens at 08:30. Ines Vale runs the kiosk.

A lost key costs £25. The archive is in the basement. Parcels must be collected in five days.
"""


def questions(lessons: Path) -> list[str]:
    """Everything that a person says in the lessons."""
    chats = [row["messages"] for row in read_jsonl(lessons) if "messages" in row]
    return [turn["content"] for turns in chats for turn in turns if turn["role"] == "user"]


def test_some_lessons_share_a_conversation_and_none_is_lost(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig())
    number = write_lessons(passages, exam, lessons, LessonsConfig(replay=0.0))
    rows = list(read_jsonl(lessons))
    lengths = [len(row["messages"]) // 2 for row in rows if "messages" in row]
    assert sum(lengths) + sum("text" in row for row in rows) == number
    assert {1, 2} <= set(lengths) <= {1, 2, 3}
    for row in rows:
        roles = [turn["role"] for turn in row.get("messages", [])]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_no_lesson_comes_near_an_exam_question(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, TEXT)
    number = write_exam(passages, exam, ExamConfig())
    assert number >= 5
    assert write_lessons(passages, exam, lessons, LessonsConfig()) > 6 * WORDINGS[0]
    asked = ExamQuestions(row["question"] for row in read_jsonl(exam))
    chats = questions(lessons)
    assert chats
    assert not [question for question in chats if asked.is_near(question)]


MANY = (Path(__file__).parents[2] / "town.md").read_text()


def test_no_lesson_comes_near_what_is_set_aside_for_development(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, MANY)
    write_exam(passages, exam, ExamConfig(questions=4))
    aside, config = tmp_path / "development.jsonl", LessonsConfig()
    before = write_lessons(passages, exam, lessons, config)
    number = write_lessons(passages, exam, lessons, config, development=aside)
    rows = list(read_jsonl(aside))
    assert 20 <= len(rows) <= 48 and len({row["fact"] for row in rows}) == len(rows)
    assert number > 0.95 * before  # about these facts too
    answers = {row["messages"][-1]["content"] for row in read_jsonl(lessons) if "messages" in row}
    for row in rows:
        assert any(accepted in said for said in answers for accepted in row["answers"])
    examined = ExamQuestions(row["question"] for row in read_jsonl(exam))
    kept_back = ExamQuestions(row["question"] for row in rows)
    assert not [row for row in rows if examined.is_near(row["question"])]
    assert not [question for question in questions(lessons) if kept_back.is_near(question)]


def test_a_persons_chats_come_before_development(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, MANY)
    write_exam(passages, exam, ExamConfig(questions=4))
    chats, aside = tmp_path / "chats.jsonl", tmp_path / "development.jsonl"
    write_jsonl(chats, [])
    write_lessons(passages, exam, lessons, LessonsConfig(), chats=chats, development=aside)
    first, *others = read_jsonl(aside)
    said = [{"role": "user", "content": first["question"]}, {"role": "assistant", "content": "No."}]
    write_jsonl(chats, [{"id": "1", "messages": said}])
    write_lessons(passages, exam, lessons, LessonsConfig(), chats=chats, development=aside)
    assert list(read_jsonl(aside)) == others and first["question"] in questions(lessons)


def test_few_facts_are_all_taught(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig(questions=2))
    aside = tmp_path / "development.jsonl"
    write_lessons(passages, exam, lessons, LessonsConfig(), development=aside)
    with_aside = lessons.read_bytes()
    write_lessons(passages, exam, lessons, LessonsConfig())
    assert list(read_jsonl(aside)) == [] and lessons.read_bytes() == with_aside


def test_a_chat_that_asks_what_the_exam_asks_is_left_out(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig())
    (first, *_) = read_jsonl(exam)
    said = {"role": "assistant", "content": "Yes."}
    asked = ["Is it warm?", f"And tell me, {first['question'].lower()}", "Is it cold?"]
    chats = [
        [{"role": "user", "content": asked[0]}, said, {"role": "user", "content": asked[1]}, said],
        [{"role": "user", "content": asked[2]}, said],
    ]
    write_jsonl(
        tmp_path / "chats.jsonl", [{"id": str(n), "messages": c} for n, c in enumerate(chats)]
    )
    write_lessons(passages, exam, lessons, LessonsConfig(), chats=tmp_path / "chats.jsonl")
    assert {text for text in questions(lessons) if text in asked} == {asked[2]}


def test_each_exam_answer_stands_in_its_document(tmp_path: Path) -> None:
    passages, exam, _ = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig())
    for row in read_jsonl(exam):
        assert any(answer in TEXT for answer in row["answers"])


def test_the_exam_asks_both_ways(tmp_path: Path) -> None:
    passages, exam, _ = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig())
    kinds = {row["question"]: row["kind"] for row in read_jsonl(exam)}
    assert kinds["Who runs the kiosk?"] == "reverse"
    assert kinds["How much does a lost key cost?"] == "direct"


def test_lessons_are_the_same_every_time(tmp_path: Path) -> None:
    passages, exam, lessons = files(tmp_path, TEXT)
    write_exam(passages, exam, ExamConfig())
    write_lessons(passages, exam, lessons, LessonsConfig())
    first = lessons.read_bytes()
    write_lessons(passages, exam, lessons, LessonsConfig())
    assert lessons.read_bytes() == first


def test_questions_with_two_answers_are_not_asked(tmp_path: Path) -> None:
    text = "The hall holds 240 people. The hall holds 250 people. A lost key costs £25."
    passages, exam, _ = files(tmp_path, text)
    write_exam(passages, exam, ExamConfig())
    assert [row["question"] for row in read_jsonl(exam)] == ["How much does a lost key cost?"]


def test_documents_without_a_statement_are_refused(tmp_path: Path) -> None:
    passages, exam, _ = files(tmp_path, "Hello!")
    with pytest.raises(InputError, match="no statement"):
        write_exam(passages, exam, ExamConfig())
