"""Everything that tiles2zarr says is wrong: the error tree and the findings of a preflight.

::

    Tiles2ZarrError                 whatever a user can mend; a bug never is one
    ├── OptionsError                an option, argument or options document
    ├── SourceError                 the source folder, table or file
    │   ├── UnknownFormatError      no format, or more than one, claims the source
    │   └── MissingExtraError       the format needs an extra that is not installed
    ├── PlacementError              stage positions that cannot become pixel offsets
    │   └── ImplausibleExtentError  positions that lie absurdly far apart
    ├── PreflightError              carries every finding of a refused plan
    ├── OutputError                 the destination
    │   └── OutputExistsError       an image of this run is already there
    └── ConversionError             one image failed while it was converted

Each message is one line: the tile and file it is about, what was expected, what was found, what to do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed about a source, an image or a store.

    Attributes:
        severity: ``error`` refuses the run, ``warning`` and ``info`` do not.
        code: what kind of thing it is, a word of ``docs/errors.md`` such as ``missing-file``.
        where: the tile, file, well or image it is about.
        message: one line: expected, found, what to do.
    """

    severity: Severity
    code: str
    where: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The finding as it stands in JSON documents."""
        return asdict(self)

    def __str__(self) -> str:
        """The finding as one line of text."""
        return f"{self.severity}: {self.code}: {self.where}: {self.message}"


class Tiles2ZarrError(Exception):
    """Bad input, or an environment that cannot do what was asked: the message says what to mend."""


class OptionsError(Tiles2ZarrError):
    """An option, an argument or an options document is wrong."""


class SourceError(Tiles2ZarrError):
    """The source folder, table or file is wrong."""


class UnknownFormatError(SourceError):
    """No format claims the source, or more than one does."""


class MissingExtraError(SourceError):
    """The format needs an extra that is not installed."""


class PlacementError(Tiles2ZarrError):
    """Stage positions cannot become pixel offsets under the chosen options."""


class OutputError(Tiles2ZarrError):
    """The destination cannot take the result."""


class OutputExistsError(OutputError):
    """An image of this run is already there and the mode forbids to replace it."""


class ConversionError(Tiles2ZarrError):
    """One image failed while it was converted; nothing of it was published."""


class ImplausibleExtentError(PlacementError):
    """Positions lie further apart than any stage travels."""


class PreflightError(Tiles2ZarrError):
    """The plan was refused; nothing was written.

    Attributes:
        findings: every finding of the preflight, errors first.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Say the first error in full and count the others."""
        order = {"error": 0, "warning": 1, "info": 2}
        self.findings = tuple(sorted(findings, key=lambda finding: order[finding.severity]))
        errors = [finding for finding in self.findings if finding.severity == "error"]
        head = f"{errors[0].where}: {errors[0].message}" if errors else "the plan was refused"
        rest = f" (and {len(errors) - 1} more: see `tiles2zarr inspect`)" if len(errors) > 1 else ""
        super().__init__(head + rest)
