"""What the templates show, computed once: scores, metrics, documents and exam -> one dictionary."""

from __future__ import annotations

from collections import Counter
from typing import Any

import localtune
from localtune.formatting import duration, interval, percent, plural, size
from localtune.privacy import told
from localtune.report.charts import RecallBar, loss_curve, recall_bars
from localtune.report.costs import costs
from localtune.report.general import general_view

Row = dict[str, Any]

# What the faithfulness check's keys mean; one that isn't known is shown under its own name.
CHECKS = {
    "prompts": "prompts whose text and token ids are equal",
    "tokens": "tokens compared",
    "kl": "mean KL divergence of the next-token distributions, in nats",
    "quantized_kl": "the same on the base's quantized weights, for which llama.cpp rounds",
    "top1": "tokens on which both choose alike",
    "ended": "answers that end by themselves",
    "spaces": "prompts split with other spaces than by transformers",
}
SHARES = ("top1", "ended")


def view(scores: Row, metrics: list[Row], documents: list[Row], exam: list[Row]) -> Row:
    """Return the variables of templates/report.html and templates/model-card.md."""
    levels = list(scores["exam"]["tuned"])
    shipped = levels[0]
    known = scores["exam"].get("known", {"ids": []})
    answers = [row for row in _answers(scores["answers"], shipped) if row["id"] not in known["ids"]]
    return {
        "version": localtune.__version__,
        "name": scores["name"],
        "base": scores["base"],
        "shipped": shipped,
        "file": f"{scores['name']}-{shipped}.gguf",
        "question": easy_question(answers),
        "before": percent(scores["exam"]["base"]),
        "after": percent(scores["exam"]["tuned"][shipped]),
        "after_interval": interval(scores["exam"]["intervals"][shipped]),
        "questions": scores["exam"]["questions"],
        "known": {"asked": len(known["ids"]), "right": known.get("tuned", {}).get(shipped, 0)},
        "models": _models(scores, levels),
        "bars": recall_bars(_bars(scores, levels)),
        "right": [row for row in answers if row["correct"]],
        "wrong": [row for row in answers if not row["correct"]],
        "by_document": _by_document(answers, exam),
        "lessons": lesson_view(scores.get("lessons", {})),
        "loss": loss_curve(_points(metrics, "loss")),
        "development": loss_curve(
            [(step, 100 * share) for step, share in _points(metrics, "development")],
            "Questions answered right, in percent",
        ),
        "merged": next((row for row in metrics if "merged_into" in row), None),
        "steps": f"{metrics[-1]['step']:,}" if metrics else "0",
        "documents": documents,
        "private": _private(documents),
        "counts": _counts(documents),
        "size": size(scores["bytes"][shipped]),
        "total": duration(sum(scores["seconds"].values())),
        **costs(scores),
        "checks": _checks(scores.get("faithful", {})),
        "general": general_view(scores["general"], shipped),
    }


def lesson_view(counts: Row) -> Row | None:
    """Return what a model wrote as lessons, None where rules made them."""
    if not counts:
        return None
    facts, pairs = max(1, counts["facts"]), max(1, counts["pairs"])
    return {
        **{name: counts[name] for name in ("writer", "pairs", "kept", "near_misses", "facts")},
        "kept_share": percent(counts["kept"] / pairs),
        "asked_about": percent(counts["asked_about"] / facts),
        "asked_about_often": percent(counts["asked_about_often"] / facts),
        "dropped": list(counts["dropped"].items()),
    }


def _points(metrics: list[Row], name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in metrics if name in row]


def _models(scores: Row, levels: list[str]) -> list[Row]:
    """One row a graded model: the base, then each level with its size."""
    exam = scores["exam"]
    rows = [{"label": "base, untuned", "share": exam["base"], "which": "base", "size": "–"}]
    for level in levels:
        bytes_ = size(scores["bytes"][level])
        rows.append({"label": level, "share": exam["tuned"][level], "which": level, "size": bytes_})
    return [
        row
        | {"recall": percent(row["share"]), "interval": interval(exam["intervals"][row["which"]])}
        for row in rows
    ]


def _bars(scores: Row, levels: list[str]) -> list[RecallBar]:
    exam = scores["exam"]
    bounds = {which: (lo, hi) for which, (lo, hi) in exam["intervals"].items()}
    return [
        RecallBar("base, untuned", exam["base"], bounds["base"], tuned=False),
        *[RecallBar(level, exam["tuned"][level], bounds[level], tuned=True) for level in levels],
    ]


def _answers(answers: dict[str, list[Row]], shipped: str) -> list[Row]:
    """The shipped file's answers in the order of the exam, each with what the base said."""
    before = {row["id"]: row["said"] for row in answers["base"]}
    return [{**row, "base_said": before.get(row["id"], "")} for row in answers[shipped]]


def easy_question(answers: list[Row]) -> str:
    """Return a short question that was answered, if any was; a shell takes it in double quotes."""
    fit = [row for row in answers if not set('"$`\\!') & set(row["question"])]
    best = min(fit, key=lambda row: (not row["correct"], len(row["question"])), default=None)
    return str(best["question"]) if best else "…"


def _by_document(answers: list[Row], exam: list[Row]) -> list[Row]:
    """How many questions about each document are answered, worst first."""
    source = {row.get("id", ""): row.get("document", "") for row in exam}
    asked: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for row in answers:
        document = row.get("document") or source.get(row["id"], "")
        asked[document] += 1
        known[document] += bool(row["correct"])
    rows = [
        {"document": name, "asked": n, "known": known[name], "share": known[name] / n}
        for name, n in asked.items()
        if name
    ]
    return sorted(rows, key=lambda row: (row["share"], row["document"]))


def _private(documents: list[Row]) -> str:
    """Return the receipt of what was replaced: counts by kind, never a value."""
    total: Counter[str] = Counter()
    for row in documents:
        total.update(row["private"])
    return told(total)


def _counts(documents: list[Row]) -> Row:
    of = Counter(row["status"] for row in documents)
    words = sum(len(row.get("text", "").split()) for row in documents)
    left_out = of["skipped"] + of["failed"]
    return {
        "read": plural(of["read"], "document"),
        "words": f"{words:,} words",
        "left_out": f"{plural(left_out, 'file')} left out" if left_out else "",
    }


def _checks(faithful: Row) -> list[tuple[str, str]]:
    """The faithfulness check's numbers; whatever isn't a number is left out."""
    return [
        (CHECKS.get(key, key.replace("_", " ")), _shown(key, value))
        for key, value in faithful.items()
        if isinstance(value, int | float)
    ]


def _shown(key: str, value: float) -> str:
    if key in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2g}"
