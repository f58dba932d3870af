"""Functions of somebody else's, by name: what a converter of your own may add."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tiles2zarr.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    AnyFunction = Callable[..., object]

FunctionType = TypeVar("FunctionType")


def free_name(
    known: Mapping[str, object], kind: str, function: AnyFunction, name: str | None, *, overwrite: bool
) -> str:
    """The name to keep a function under: the given one, else the function's own.

    Args:
        known: the functions that have a name already.
        kind: what they are, for messages.
        function: the function to be added.
        name: the wanted name.
        overwrite: the name may be another function's, which is then replaced.

    Raises:
        OptionsError: the name is taken.
    """
    chosen = name or str(getattr(function, "__name__", type(function).__name__))
    if chosen in known and not overwrite:
        msg = f"{kind} {chosen!r}: the name is taken: choose another, or set overwrite"
        raise OptionsError(msg)
    return chosen


def function_named(known: Mapping[str, FunctionType], kind: str, name: str, add: str) -> FunctionType:
    """The function of a name.

    Args:
        known: the functions that were added.
        kind: what they are, for messages.
        name: the wanted one.
        add: what adds a function, for messages.

    Raises:
        OptionsError: there is none.
    """
    if name not in known:
        found = ", ".join(known) or "none"
        msg = f"{kind} {name!r}: no function has that name (known: {found}): add it with {add}"
        raise OptionsError(msg)
    return known[name]
