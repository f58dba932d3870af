"""Messages as templates: texts, what is filled in, and what is one of several."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_VARIANTS = 256

#: A message: texts, slots and choices in a row.
Template = tuple["str | Slot | Choice", ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of a message that is only known when it is said."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of a message that is one of several."""

    options: tuple[Template, ...]


def shown(template: Template) -> str:
    """A template in one line: ``{slot}``, ``[one / other]``, ``[sometimes]``."""
    parts = []
    for part in template:
        if isinstance(part, Slot):
            parts.append(f"{{{part.name}}}")
        elif isinstance(part, Choice):
            options = list(dict.fromkeys(shown(option) for option in part.options))
            inner = " / ".join(option for option in options if option)
            parts.append(f"[{inner}]" if len(options) > 1 else inner)
        else:
            parts.append(part)
    return "".join(parts)


def expanded(template: Template) -> Iterator[tuple[str, ...]]:
    """Every combination of its alternatives, at most a few hundred, placeholders in braces."""
    options: list[list[str]] = []
    for part in template:
        if isinstance(part, Slot):
            options.append([f"{{{part.name}}}"])
        elif isinstance(part, Choice):
            options.append(["".join(parts) for each in part.options for parts in expanded(each)])
        else:
            options.append([part])
    return itertools.islice(itertools.product(*options), _MOST_VARIANTS)


def alternatives(template: Template) -> list[str]:
    """Every text that it may be."""
    return list(dict.fromkeys("".join(parts) for parts in expanded(template)))


def has_prose(template: Template) -> bool:
    """Whether it says something by itself, beside what is filled in."""
    return any(
        any(map(has_prose, part.options))
        if isinstance(part, Choice)
        else isinstance(part, str) and " " in part and any(map(str.isalpha, part))
        for part in template
    )


def passes_on(template: Template) -> bool:
    """Whether it holds what another error said."""
    slots = [part.name for part in template if isinstance(part, Slot)]
    return any(name == "reason" or name.startswith("message of ") for name in slots)


def rows(template: Template) -> list[Template]:
    """A message that is one of several, as several messages."""
    if len(template) == 1 and isinstance(template[0], Choice):
        return [row for option in template[0].options for row in rows(option)]
    return [template]
