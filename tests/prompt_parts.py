"""What a prompt of lessons/teacher shows and wants, for writers that answer by rule."""

from __future__ import annotations


def parts_of(prompt: str) -> tuple[str, str, str]:
    """Return (kind, text that is shown, task).

    The kind is "pairs", "questions" in other words, "answer", "judge" for yes or no, or "plain"
    without a text. The last line of the task is the question that is to be answered.
    """
    shown, line, task = prompt.partition("\n---\n")
    if line:
        return ("answer" if task.startswith("Answer ") else "pairs"), shown, task
    first, _, rest = prompt.partition("\n")
    if "\nQuestion: " in prompt and first.startswith("Text: "):
        text, begin, asked = prompt.removeprefix("Text: ").partition("\nQuestion: ")
        return "judge", text, begin.lstrip() + asked
    if first.startswith("1. ") and rest.startswith("2. "):
        return "judge", first.removeprefix("1. "), rest.removeprefix("2. ")
    if first.startswith("Text: "):
        return "pairs", first.removeprefix("Text: "), rest
    if first.startswith("About: "):
        return "questions", prompt, ""
    return "plain", "", prompt
