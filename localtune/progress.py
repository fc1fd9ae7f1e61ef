"""What a stage may say while it works. The core never prints: it is handed one of these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Bar(Protocol):
    """A running count towards a known total."""

    def advance(self, n: int = 1, detail: str = "") -> None:
        """Count `n` more done; `detail` is shown behind the bar ("loss 2.31")."""


class Progress(Protocol):
    """Where a stage reports; terminal.py shows it, Silent drops it."""

    def stage(self, name: str, detail: str = "") -> None:
        """A new stage begins."""

    def note(self, text: str) -> None:
        """One line worth knowing, such as "12 documents, 84 passages"."""

    def warn(self, text: str) -> None:
        """One line a person should act on, or know before they trust the result."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Show a bar of `total` units while the context is open."""


class SilentBar(Bar):
    def advance(self, n: int = 1, detail: str = "") -> None:
        """Count nothing."""


class Silent(Progress):
    """Says nothing: the default wherever a function takes a `progress`."""

    def stage(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Give a bar that shows nothing."""
        yield SilentBar()
