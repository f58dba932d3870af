"""Print docs/errors.md from the source tree: python dev/errors_page.py > docs/errors.md (a test compares them)."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dev.messages.sources import Message, Sources
from tiles2zarr import errors

HEAD = """\
# Errors and findings

What is wrong with a source, an option or a destination is said in one line: where, what was expected, what was
found, what to do. This page lists every such line. It is made from the code by `dev/errors_page.py`.

`{name}` stands for what is filled in, `[a / b]` for one of several, `[a]` for what is said only in some cases.
"""
ERRORS = """\
## Errors

An error ends a command before anything is written (exit code 2). While images are converted it fails its image
only: the others are completed, and the exit code is 1. A Fractal task that fails ends with exit code 1 and the
message as its last line. Anything that ends with a traceback is a bug of tiles2zarr.
"""
FINDINGS = """\
## Findings

What is noticed about a source, an image or a store, all of it in one go. An `error` refuses the run; a `warning` and
an `info` do not. `tiles2zarr inspect` and `validate` end with exit code 1 where there are errors, `convert` with 2.
"""
MESSAGES = """\
## Messages of findings

Each is said after the tile, file, well or image it is about.
"""
# How a command ends, by class; a test makes sure that no class is left out.
EXIT_CODES = {
    "Tiles2ZarrError": "2, or 1",
    "OptionsError": "2",
    "SourceError": "2; 1 for an image in work",
    "UnknownFormatError": "2",
    "MissingExtraError": "2",
    "PlacementError": "2",
    "ImplausibleExtentError": "2",
    "PreflightError": "2; 1 for an image in work",
    "OutputError": "2; 1 for an image in work",
    "OutputExistsError": "2; 1 for an image in work",
    "ConversionError": "1",
    "VerificationError": "1",
}
SEVERAL = "any of several"


def main() -> None:
    """Print the page."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sources = Sources()
    print("\n".join(page(sources, sources.messages())))


def page(sources: Sources, messages: list[Message]) -> list[str]:
    """The lines of the page."""
    lines = [HEAD, ERRORS, "| class | what is wrong | exit code |", "|---|---|---|"]
    for name, depth in _tree(sources.errors, "Tiles2ZarrError"):
        meaning = inspect.cleandoc(getattr(errors, name).__doc__).split("\n")[0].replace("``", "`")
        lines.append(f"| {'&nbsp;&nbsp;' * depth}`{name}` | {meaning} | {EXIT_CODES[name]} |")
    lines += ["", FINDINGS, "| code | severity | what it means | what to do |", "|---|---|---|---|"]
    found = [message for message in messages if message.kind == "Finding"]
    for code, said in sorted(errors.CODES.items()):
        words = {word for message in found if message.code == code for word in message.severity.split(" or ")}
        severity = ", ".join(word for word in ("error", "warning", "info") if word in words)
        lines.append(f"| `{code}` | {severity} | {said.meaning} | {said.remedy} |")
    lines += ["", MESSAGES, "| code | severity | message |", "|---|---|---|"]
    lines += sorted({f"| {_code(each)} | {each.severity} | {_message(each.shown())} |" for each in found})
    for name, _ in _tree(sources.errors, "Tiles2ZarrError"):
        lines += _section(name, [message.shown() for message in messages if message.kind == name])
    values = [message.shown() for message in messages if message.kind == "ValueError"]
    lines += _section("What `{reason}` may be of a value", values)
    return lines


def _section(title: str, messages: list[str]) -> list[str]:
    if not messages:
        return []
    heading = f"## Messages of `{title}`" if title.isidentifier() else f"## {title}"
    return ["", heading, "", *(f"- {_message(message)}" for message in sorted(set(messages)))]


def _tree(parents: dict[str, str], name: str, depth: int = 0) -> list[tuple[str, int]]:
    """The classes below one, each behind its parent."""
    below = [child for child, parent in sorted(parents.items()) if parent == name]
    return [(name, depth), *(each for child in below for each in _tree(parents, child, depth + 1))]


def _code(message: Message) -> str:
    return f"`{message.code}`" if message.code != "*" else SEVERAL


def _message(text: str) -> str:
    """A message as Markdown shows it unchanged, in a list or a table."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


if __name__ == "__main__":
    main()
