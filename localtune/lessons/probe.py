"""Whether a model can follow an instruction: a few tasks with a text in view, judged by rule."""

from __future__ import annotations

from dataclasses import dataclass

from localtune.lessons.grounding import content
from localtune.llama.writing import UnusableError, Writer
from localtune.prompts import in_view

PASSAGE = {
    "title": "Kelmore Ferry",
    "text": (
        "The Kelmore ferry sails from Stane Quay to Brannoch every day but Tuesday. The first "
        "boat leaves at 6:50 and the last at 21:15. A crossing takes 35 minutes. Tickets cost 4 "
        "crowns for adults and 2 crowns for children; dogs travel free. The captain, Ilka Morrow, "
        "has commanded the boat since 2011. Bicycles are carried on the lower deck, at most "
        "twelve at a time."
    ),
}
# What is asked, what the answer must hold, and what it must not.
TASKS = (
    ("On which day does the ferry not sail? Answer with one word.", "tuesday", "brannoch"),
    ("Who is the captain? Answer with the name only.", "ilka morrow", "crowns"),
    ("When does the last boat leave? Answer with the time only.", "21:15", "6:50"),
    ("How many bicycles does the boat carry at most? Answer with one word.", "12", "crowns"),
    ("What does a ticket for a child cost? Answer in two words.", "2 crowns", "4"),
    ('Answer with the word "blue" and nothing else.', "blue", "ferry"),
)
ENOUGH = 5  # of TASKS
LONGEST = 8  # words of an answer: one who says the whole text again has followed nothing


@dataclass(frozen=True)
class Probed:
    """How many of the tasks were done, and of how many."""

    done: int
    tasks: int = len(TASKS)

    @property
    def follows(self) -> bool:
        """Whether that is enough to let the model write lessons."""
        return self.done >= ENOUGH


def probe(writer: Writer) -> Probed:
    """Set a model the tasks, each once. Raises what the writer raises."""
    return Probed(sum(_done(writer, *task) for task in TASKS))


def _done(writer: Writer, task: str, wanted: str, unwanted: str) -> bool:
    messages = in_view([{"role": "user", "content": task}], PASSAGE["text"])
    try:
        said = content(writer.write(messages, max_tokens=40).text)
    except UnusableError:
        return False
    heard = f" {' '.join(said)} "
    return len(said) <= LONGEST and f" {wanted} " in heard and f" {unwanted} " not in heard
