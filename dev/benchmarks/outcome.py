"""One measured figure beside what is promised of it, and how that is printed."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "| promise | limit | measured | kept | medians |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Outcome:
    """One figure beside what is promised.

    Attributes:
        promise: in words.
        limit: what the figure may be at most, or must be at least; None: nothing is promised, it is good to know.
        figure: what was measured.
        details: the medians it came from.
        is_at_least: whether the limit is the least that is promised.
    """

    promise: str
    limit: float | None
    figure: float
    details: str
    is_at_least: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        if self.limit is None:
            return True
        return self.figure >= self.limit if self.is_at_least else self.figure <= self.limit

    def row(self) -> str:
        """The table's row."""
        if self.limit is None:
            limit, kept = "none", "-"
        else:
            limit = f"{'at least' if self.is_at_least else 'at most'} {self.limit:.3g}"
            kept = "yes" if self.is_kept else "**no**"
        return f"| {self.promise} | {limit} | {self.figure:.3f} | {kept} | {self.details} |"


def failed_row(name: str) -> str:
    """The row of a measurement that ended before its figures were there."""
    return f"| {name} | - | failed | **no** | see the messages |"
