"""Findings as people read them: what many have in common is said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.markup import escape

from tiles2zarr.errors import errors_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from tiles2zarr.errors import Finding, Severity

_COLORS = {"error": "red", "warning": "yellow", "info": "cyan"}
# So many alike are said one by one, more of them together; so many lines of a kind are enough for a screen.
_MOST_ALIKE, _MOST_LINES = 3, 20
_NOUNS = {
    "duplicate-place": "tiles in one place",
    "missing-file": "missing files",
    "missing-plane": "gaps",
    "unreadable-file": "unreadable files",
    "wrong-shape": "tiles of a wrong shape",
}


class _Line(NamedTuple):
    """One line: of one finding, or of many."""

    severity: Severity
    code: str
    place: str
    message: str
    findings: int


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Say findings, errors first: those of one image, and those of one message, together where there are many."""
    shown: dict[tuple[str, str], int] = {}
    left: dict[tuple[str, str], int] = {}
    for line in _lines(errors_first(findings)):
        kind = line.severity, line.code
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] > _MOST_LINES:
            left[kind] = left.get(kind, 0) + line.findings
            continue
        _say(console, line.severity, f"{line.place}: {line.message}")
    for (severity, code), count in left.items():
        noun = "more finding" if count == 1 else "more findings"
        _say(console, severity, f"{count} {noun} of the kind {code}; --json lists them all")


def _say(console: Console, severity: str, text: str) -> None:
    console.print(f"[{_COLORS[severity]}]{severity}[/]: {escape(text)}", highlight=False, soft_wrap=True)


def _lines(findings: Sequence[Finding]) -> Iterator[_Line]:
    """The lines of findings, each where the first of its findings stands."""
    of_images: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        image = finding.where.partition(", ")[0]
        of_images.setdefault((finding.severity, finding.code, image), []).append(finding)
    alike: dict[tuple[str, ...], list[_Line]] = {}
    for group in of_images.values():
        for line in _of_one_image(group):
            alike.setdefault((line.severity, line.code, line.message), []).append(line)
    for lines in alike.values():
        if len(lines) <= _MOST_ALIKE:
            yield from lines
        else:
            places = "; ".join(line.place for line in lines[:_MOST_ALIKE])
            more = f"{places} and {len(lines) - _MOST_ALIKE} more (--json lists them all)"
            yield lines[0]._replace(place=more, findings=sum(line.findings for line in lines))


def _of_one_image(group: Sequence[Finding]) -> Iterator[_Line]:
    """The lines of findings of one kind and one image."""
    if len(group) <= _MOST_ALIKE:
        for finding in group:
            yield _Line(finding.severity, finding.code, finding.where, finding.message, 1)
        return
    first = group[0]
    image, _, rest = first.where.partition(", ")
    such = f", such as {rest}" if rest else ""
    noun = _NOUNS.get(first.code, "findings like this")
    place = f"{len(group)} {noun} in {image}{such}"
    yield _Line(first.severity, first.code, place, first.message, len(group))
