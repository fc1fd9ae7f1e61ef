"""The report and the model card: everything shown, nothing fetched, nothing executed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from localtune.formatting import duration, interval, percent, plural, size
from localtune.report import write_report
from localtune.report.charts import RecallBar, loss_curve, recall_bars
from localtune.template_files import templates_folder
from localtune.workspace import write_json, write_jsonl

ROOT = Path(__file__).parents[3]
NASTY = "<script>alert('x')</script> & \"quotes\" {{ 7 * 7 }}"
VOID = {"meta", "link", "br", "img", "hr", "input"}


def scores(name: str = "handbook") -> dict[str, Any]:
    """What the stage `scores` writes, for an exam of three questions."""
    exam = [
        {"id": "a", "question": "Who leads the tours?", "answers": ["Cuthbert Vane"]},
        {"id": "b", "question": "What does $x cost?", "answers": ["5 pounds", "£5"]},
        {"id": "c", "question": NASTY, "answers": [NASTY]},
    ]
    said = {"base": ["", "", "once"], "Q4_K_M": ["Cuthbert Vane leads.", "£5.", NASTY]}
    right = {"base": [False, False, False], "Q4_K_M": [True, True, False]}
    answers = {
        which: [
            {**row, "document": "tours.md", "said": text, "correct": correct}
            for row, text, correct in zip(exam, said[which], right[which], strict=True)
        ]
        for which in said
    }
    return {
        "name": name,
        "base": "tiny",
        "exam": {
            "questions": 3,
            "base": 0.0,
            "tuned": {"Q4_K_M": 2 / 3, "Q8_0": 1.0},
            "intervals": {"base": [0.0, 0.56], "Q4_K_M": [0.21, 0.94], "Q8_0": [0.44, 1.0]},
        },
        "general": {
            "tokens": 7517,
            "base": 3.972,
            "tuned": {"Q4_K_M": 4.001, "Q8_0": 3.99},
            "rise": {"Q4_K_M": 0.029, "Q8_0": 0.018},
            "most": 0.05,
        },
        "faithful": {"prompts": 16, "tokens": 1200, "kl": 0.00012, "top1": 0.998, "ended": 1.0},
        "bytes": {"Q4_K_M": 5_300_000, "Q8_0": 7_900_000},
        "answers": answers | {"Q8_0": answers["Q4_K_M"]},
        "seconds": {"corpus": 0.21, "train": 241.0, "grade base": 12.4},
    }


DOCUMENTS = [
    {"path": "tours.md", "format": "md", "status": "read", "reason": "", "title": "Tours & more",
     "private": {"person": 1200, "iban": 1}, "chars": 5120, "text": "four words of text"},
    {"path": NASTY, "format": "", "status": "skipped", "reason": "hidden", "title": "", "chars": 0,
     "private": {}},
]  # fmt: skip


def written(
    tmp_path: Path,
    losses: list[float],
    kept: bool = False,
    more: Sequence[dict[str, Any]] = (),
    **changed: Any,
) -> tuple[str, str]:
    """Write report and card from files as the stages leave them; return both texts."""
    result = scores() | changed
    write_json(tmp_path / "scores.json", result)
    rows = [
        {"step": 10 * i + 10, "loss": loss, "learning_rate": 1e-3, "epoch": i / 10}
        for i, loss in enumerate(losses)
    ]
    write_jsonl(tmp_path / "metrics.jsonl", [*rows, *more])
    write_jsonl(tmp_path / "documents.jsonl", DOCUMENTS)
    write_jsonl(tmp_path / "exam.jsonl", result["answers"]["base"])
    names = ("scores.json", "metrics.jsonl", "documents.jsonl", "exam.jsonl")
    out = (tmp_path / "report.html", tmp_path / "README.md")
    from_scores, metrics, documents, exam = (tmp_path / name for name in names)
    write_report(from_scores, metrics, documents, exam, *out, kept=kept)
    assert out[0].stat().st_mode & 0o077 == 0, "it holds words of the documents"
    return out[0].read_text(encoding="utf-8"), out[1].read_text(encoding="utf-8")


class Page(HTMLParser):
    """Reads a page: its tags and attributes, its text, and whether every element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(written(tmp_path, [3.0, 2.0, 1.0, 0.5])[0])


def test_the_report_is_whole_and_fetches_nothing(page: Page) -> None:
    assert page.open == []
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form"}
    for _, attributes in page.tags:
        assert not {"src", "href", "srcset", "onload", "onclick"} & set(attributes)
    style = (templates_folder() / "report.css").read_text()
    assert "url(" not in style and "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_the_report_shows_what_was_measured(page: Page) -> None:
    for said in (
        "0 % → 67 %", "21–94 %", "Q8_0", "5.3 MB", "Cuthbert Vane leads.", "5 pounds | £5",
        "handbook-Q4_K_M.gguf", "4 min 14 s", "ollama create handbook -f Modelfile",
        'localtune ask . "Who leads the tours?"', "tours.md", "Tours & more", "hidden",
        "1 document", "4 words", "1 file left out", "Loss on the answers over 40 steps",
        "99.8 %", "0.00012", "The 2 right ones", "1 of 3",
    ):  # fmt: skip
        assert said in page.words, said
    assert [name for name, _ in page.tags].count("svg") == 2


def test_texts_of_documents_stay_text(page: Page) -> None:
    assert page.words.count(NASTY) >= 3


def test_charts_are_valid_svg() -> None:
    bars = [RecallBar("a < b", 0.0, (0.0, 0.1), False), RecallBar("Q4_K_M", 1.0, (0.9, 1.0), True)]
    drawn = [recall_bars(bars), loss_curve([(1, 3.0), (2, float("nan")), (3, 1.0)])]
    drawn.append(loss_curve([(step, 1e-4 * step) for step in range(5000)]))
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        assert root.find("title") is not None and "nan" not in svg
        for text in root.iter("text"):
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 <= float(text.attrib["y"]) <= height
    assert len(drawn[-1]) < 40_000


def test_the_questions_set_aside_have_a_curve_of_their_own(tmp_path: Path) -> None:
    shares = [{"step": 20 * i, "development": share} for i, share in enumerate((0.0, 0.25, 1.0))]
    report, _ = written(tmp_path, [3.0, 2.0], more=shares)
    assert "in percent from 0.00 to 100.00 over 40 steps" in report
    assert "Training loss from 3.00 to 2.00 over 20 steps" in report and "4 bits" not in report
    assert "in percent" not in written(tmp_path, [3.0, 2.0])[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"merged_into": "base", "nf4": 3, "base": 5}, "own weights: of the questions set aside 3"),
        ({"merged_into": "nf4", "nf4": None, "base": None}, "weights; which is better was not"),
    ],
)
def test_it_is_said_what_an_adapter_was_merged_into(
    row: dict[str, Any], said: str, tmp_path: Path
) -> None:
    report, _ = written(tmp_path, [3.0, 2.0], more=[{"step": 20, **row}])
    assert said in report.replace("&#39;", "'")


@pytest.mark.parametrize("losses", [[], [2.0], [float("inf")] * 3])
def test_a_curve_needs_two_points(tmp_path: Path, losses: list[float]) -> None:
    report, card = written(tmp_path, losses)
    assert "too few were logged" in report and "handbook" in card


def test_a_perfect_exam_has_no_table_of_wrong_answers(tmp_path: Path) -> None:
    answers = scores()["answers"]
    perfect = {which: [row | {"correct": True} for row in rows] for which, rows in answers.items()}
    report, _ = written(tmp_path, [], answers=perfect)
    assert "None of 3" in report


def test_the_card_holds_the_numbers_and_no_words_of_the_documents(tmp_path: Path) -> None:
    html, card = written(tmp_path, [3.0, 1.0])
    receipt = "names of persons 1,200, IBANs 1"
    assert receipt in card and receipt in html and '<td class="number">1201</td>' in html
    assert "| Q4_K_M | 67 % | 21–94 % | 5.3 MB |" in card
    assert "| base, untuned | 0 % | 0–56 % | – |" in card
    assert not any(word in card for word in ("tours", "Cuthbert", "alert"))
    assert "\n\n\n" not in card and "{" not in card


def test_private_data_that_was_kept_is_not_said_to_be_none(tmp_path: Path) -> None:
    assert "replaced by invented values" in written(tmp_path, [3.0])[1]
    for text in written(tmp_path, [3.0], kept=True):
        assert "kept" in text and "invented" not in text and "was replaced." not in text


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path, [3.0, 1.0]) == written(tmp_path, [3.0, 1.0])


def test_figures() -> None:
    assert [duration(s) for s in (0.21, 8, 59.6, 245, 7800)] == [
        "0.2 s", "8 s", "1 min 00 s", "4 min 05 s", "2 h 10 min",
    ]  # fmt: skip
    assert [size(n) for n in (12_000, 9_400_000, 1_200_000_000)] == ["12 kB", "9.4 MB", "1.2 GB"]
    assert (percent(0.934), interval([0.88, 0.961])) == ("93 %", "88–96 %")
    assert (plural(1, "file"), plural(1024, "file")) == ("1 file", "1,024 files")


def test_the_wheel_holds_the_templates() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    targets = project["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["force-include"] == {"templates": "localtune/templates"}
    assert "templates" in targets["sdist"]["include"]
    assert {"report.html", "report.css", "model-card.md"} <= {
        path.name for path in templates_folder().iterdir()
    }


LESSONS = {
    "writer": "ollama:<b>x</b>",
    "pairs": 2000,
    "kept": 1500,
    "near_misses": 120,
    "facts": 400,
    "asked_about": 396,
    "asked_about_often": 300,
    "dropped": {"not a whole question": 480, NASTY: 20},
}


def test_what_a_model_wrote_as_lessons_is_shown(tmp_path: Path) -> None:
    html, card = written(tmp_path, [2.0, 1.0], lessons=LESSONS)
    page = Page(html)
    assert page.open == [] and "<h2>Lessons</h2>" in html
    for shown in ("2000", "1500", "75 %", "400", "99 %", "120", "480", "ollama:<b>x</b>", NASTY):
        assert shown in page.words, shown
    assert "not a whole question" not in card


def test_lessons_of_which_nothing_was_dropped_have_no_table(tmp_path: Path) -> None:
    html, _ = written(tmp_path, [2.0, 1.0], lessons={**LESSONS, "dropped": {}})
    assert "<h2>Lessons</h2>" in html and "Dropped because" not in html


def test_lessons_made_by_rule_have_no_figures(tmp_path: Path) -> None:
    assert "<h2>Lessons</h2>" not in written(tmp_path, [2.0, 1.0])[0]
    assert "<h2>Lessons</h2>" not in written(tmp_path, [2.0, 1.0], lessons={})[0]


def test_a_writer_that_wrote_nothing_divides_by_no_zero(tmp_path: Path) -> None:
    nothing = {name: 0 for name in LESSONS if name not in ("writer", "dropped")}
    html, _ = written(tmp_path, [2.0, 1.0], lessons={**LESSONS, **nothing})
    assert "0 questions" in html


def test_the_plan_stands_beside_what_was_measured(tmp_path: Path) -> None:
    planned = {
        "stages": [{"stage": "train", "seconds": 230.0, "band": 0.1, "memory": 900_000_000}],
        "disk": {"master": 12_000_000, "Q4_K_M": 5_000_000},
    }
    used = {
        name: {"memory": 840_000_000, "joules": 7200.0, "measured": False} for name in ("train",)
    }
    html, _ = written(tmp_path, [2.0, 1.0], planned=planned, used=used, disk={"master": 12_500_000})
    row = html.split("<td>train</td>")[1].split("</tr>")[0]
    for shown in ("4 min 01 s", "3 min 50 s ± 10%", "840.0 MB", "900.0 MB", "2.0 Wh"):
        assert shown in row, shown
    assert "was not measured" in html and "estimate" in html
    assert "12.5 MB" in html and "5.3 MB" in html and "5.0 MB" in html
    measured = {"train": used["train"] | {"measured": True}}
    html, _ = written(tmp_path, [2.0, 1.0], used=measured)
    assert "measured by the counters" in html and "planned</th>" not in html


@pytest.mark.parametrize(
    ("rise", "told"),
    [(-0.1, "about as well"), (0.05, "about as well"), (0.2, "lost a little"), (2.1, "lost much")],
)
def test_what_tuning_cost_is_said_in_words_and_figures(
    tmp_path: Path, rise: float, told: str
) -> None:
    general = {**scores()["general"], "rise": {"Q4_K_M": rise}}
    for text in written(tmp_path, [1.0], general=general):
        assert told in text and "3.97" in text and f"({rise:+.2f})" in text
