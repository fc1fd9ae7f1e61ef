"""A Jinja sandbox that limits the steps and the output of a template.

The sandbox of jinja2 keeps a template from the machine's files; a loop in a loop in a loop still
runs for years. Counted are passes of loops, calls, and the lengths of ranges; repetitions and
powers are limited in size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

MAX_STEPS = 1_000_000
MAX_CHARACTERS = 10_000_000  # of the text, and of one value that is repeated
MAX_BITS = 4096  # of a product or a power
_left: ContextVar[int] = ContextVar("steps that are left", default=MAX_STEPS)


@contextmanager
def bounded() -> Iterator[None]:
    """Give what is rendered inside MAX_STEPS."""
    before = _left.set(MAX_STEPS)
    try:
        yield
    finally:
        _left.reset(before)


def whole(parts: Iterable[str]) -> str:
    """Join what a template yields. Raises TemplateError beyond MAX_CHARACTERS."""
    taken, size = list[str](), 0
    for part in parts:
        taken.append(part)
        size += len(part)
        if size > MAX_CHARACTERS:
            raise TemplateError(f"it writes more than {MAX_CHARACTERS:,} characters")
    return "".join(taken)


def _spend(steps: int) -> None:
    left = _left.get() - steps
    if left < 0:
        raise TemplateError(f"it takes more than {MAX_STEPS:,} steps")
    _left.set(left)


@pass_context  # so that it isn't called when a template is compiled
def _counted(_: Context, values: Any) -> Any:
    """Return what a loop runs over, and count its passes."""
    if isinstance(values, Sized):
        _spend(len(values))
        return values
    return _one_by_one(values)


def _one_by_one(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _spend(1)
        yield value


def _range(*args: int) -> range:
    made = safe_range(*args)
    _spend(len(made))
    return made


class _Generator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:
        """Count every loop by a filter, whose name no template can give to something else."""
        for loop in list(node.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None)
        super().visit_Template(node, frame)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox, whose templates end: use it inside `bounded`."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("*", "**"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters["_counted"] = _counted
        self.globals["range"] = _range

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Call something, as one step."""
        _spend(1)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply or raise to a power, unless the result were huge."""
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length()
            too_much = bits + right.bit_length() > MAX_BITS
        else:
            sizes = [len(value) if isinstance(value, Sized) else value for value in (left, right)]
            too_much = sizes != [left, right] and sizes[0] * sizes[1] > MAX_CHARACTERS
        if too_much:
            raise TemplateError("it makes a number or a repetition that is too large")
        return super().call_binop(context, operator, left, right)
