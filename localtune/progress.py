"""What a stage may say while it works. The core never prints: it is handed one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

MB = 1_000_000


class Bar(Protocol):
    """A running count towards a known total."""

    def advance(self, n: int = 1, detail: str = "") -> None:
        """Count `n` more done; `detail` is shown behind the bar ("loss 2.31")."""


class Progress(Protocol):
    """Where a stage reports; cli/terminal.py shows it, Silent drops it."""

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


@contextmanager
def megabytes(progress: Progress, label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of `total` bytes in MB; what is yielded counts bytes."""
    done = 0

    def count(n: int) -> None:
        nonlocal done
        whole = (done + n) // MB - done // MB
        done += n
        if whole:
            bar.advance(whole)

    with progress.bar(f"{label} (MB)", total // MB) as bar:
        yield count
