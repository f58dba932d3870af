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
        └── VerificationError       what is on disk is not what the source has

Each message is one line: the tile and file it is about, what was expected, what was found, what to do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed about a source, an image or a store.

    Attributes:
        severity: ``error`` refuses the run, ``warning`` and ``info`` do not.
        code: what kind of thing it is, a word of `CODES` such as ``missing-file``.
        where: the tile, file, well or image it is about.
        message: one line: expected, found, what to do.
    """

    severity: Severity
    code: str
    where: str
    message: str

    @classmethod
    def of(cls, code: str, error: Tiles2ZarrError) -> Finding:
        """An error as a finding: what stands before "expected", or else before the first colon, is where it is."""
        where, found, message = str(error).partition(": expected ")
        if not found:
            where, _, message = str(error).partition(": ")
        return cls("error", code, where, f"expected {message}" if found else message)

    def as_dict(self) -> dict[str, str]:
        """The finding as it stands in JSON documents."""
        return asdict(self)

    def __str__(self) -> str:
        """The finding as one line of text."""
        return f"{self.severity}: {self.code}: {self.where}: {self.message}"


def errors_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order in which every command says them: errors, warnings, infos, each as they were noticed."""
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.severity]))


@dataclass(frozen=True, slots=True)
class FindingCode:
    """What the code of a finding says.

    Attributes:
        meaning: what was found, in plain words.
        remedy: what to do about it.
    """

    meaning: str
    remedy: str


#: Every code that a finding may have. ``docs/errors.md`` is made from it, and a test compares it with the findings
#: that the package makes.
CODES: Mapping[str, FindingCode] = {
    "assumed-value": FindingCode(
        "The source does not say something that it usually says, and the obvious value is taken.",
        "Nothing if the value is right; else state it in the source or as an option.",
    ),
    "changed-source": FindingCode(
        "Source files are larger, smaller or newer than when the image was converted from them.",
        "Convert the image again with mode Overwrite if the new files are the right ones.",
    ),
    "contradiction": FindingCode(
        "A source says two things that cannot both be right; one of them is taken.",
        "Check which is right.",
    ),
    "copied-plane": FindingCode(
        "Images that are copies of other planes, which an export put where nothing was taken.",
        "Nothing: they are left out.",
    ),
    "derived-spacing": FindingCode(
        "A pixel size, z spacing or time spacing is not stated but follows from positions or from a file.",
        "Nothing if it is right; else state it.",
    ),
    "disk-room": FindingCode(
        "The disk may be (warning) or surely is (error) too full for the result.",
        "Free space, or choose another destination.",
    ),
    "displaced": FindingCode(
        "Tiles do not end up where the stage put them: snapped to a grid or to neighbours, joined to the rest of their "
        "field of view, or rounded to the nearest plane. An error where `max_displacement` forbids it.",
        "Set `tiling_mode` to Inplace, or correct the positions; a few pixels are usual.",
    ),
    "dropped-alpha": FindingCode(
        "A colour image has a fourth channel, transparency, which is left out.",
        "Nothing.",
    ),
    "duplicate-image": FindingCode(
        "Two acquisitions of the run make an image in the same place.",
        "Give them different acquisition ids or plate names.",
    ),
    "duplicate-place": FindingCode(
        "Two tiles claim the same plane of the same field of view, or the very same place.",
        "Remove one, or correct its field of view, channel, z or t.",
    ),
    "implausible-extent": FindingCode(
        "Positions lie further apart than any stage travels, or so unevenly that the image would be mostly empty.",
        "Correct the position that is named, the pixel size or the spacing; mind the unit.",
    ),
    "known-gap": FindingCode(
        "Planes that the acquisition never took: they are filled, and recorded in the table `gaps`.",
        "Nothing.",
    ),
    "left-behind": FindingCode(
        "What an interrupted run left, or what a run writes at this moment.",
        "Run it again with mode Extend.",
    ),
    "memory-limit": FindingCode(
        "A single chunk or shard, with all that is needed to write it, exceeds the memory limit.",
        "Use smaller chunks or shards, or raise `runtime.memory_limit_gib`.",
    ),
    "missing-file": FindingCode(
        "A file that the source names is not there.",
        "Copy it, or correct its name in the table.",
    ),
    "missing-plane": FindingCode(
        "A field of view lacks a plane that others have.",
        "Find its file, or set `missing_tiles` to Fill to fill and record it.",
    ),
    "not-conforming": FindingCode(
        "An image or plate is not as the OME-Zarr specification wants it.",
        "Repair or restore what is named, or convert it again.",
    ),
    "not-imaged": FindingCode(
        "The source speaks of wells or fields of view of which it holds no image.",
        "Nothing if they were not taken; else export or copy them again.",
    ),
    "output-exists": FindingCode(
        "Something is in the place of an image or plate of this run.",
        "Use mode Extend to keep it, Overwrite to replace it, or another plate name or acquisition id.",
    ),
    "projection-only": FindingCode(
        "The acquisition holds a projection and none of the planes that it was made from.",
        "Nothing.",
    ),
    "renamed-file": FindingCode(
        "A file that the source names is there under another suffix, in another case or folder, and is taken.",
        "Nothing.",
    ),
    "shifted-values": FindingCode(
        "No pixel has a value that a camera records: the instrument stored signed numbers as unsigned ones, or the "
        "other way round. Values are kept as they are.",
        "Subtract or add the number that the message names before measuring.",
    ),
    "uncopied-file": FindingCode(
        "A metadata file of the vendor is not kept beside the images: it is no plain file, cannot be read, lies behind "
        "a link that leaves the folder, has a name that is taken, or is large beside images of their own.",
        "Keep the source, or copy the file by hand.",
    ),
    "undocumented-image": FindingCode(
        "OME-XML has no name for the pixel type of an image, so `OME/METADATA.ome.xml` says nothing of it.",
        "Nothing, or set `data_type` to a type that OME has: integers of up to 32 bits, floats of 32 or 64.",
    ),
    "uneven-extent": FindingCode(
        "An image has fewer timepoints or z-planes than others of its acquisition.",
        "Check whether tiles were lost; nothing if it is meant.",
    ),
    "unknown-channel": FindingCode(
        "A tile is of a channel that the acquisition has not, or two channels share a name.",
        "Correct the channel's index, or name all channels, each differently.",
    ),
    "unknown-image": FindingCode(
        "An image cannot be compared with a source: it has no record of its conversion, or the source lacks it.",
        "Validate it without `--against`, or give its own source.",
    ),
    "unknown-unit": FindingCode(
        "A length or time of the source has a unit that is none, or that this program does not know.",
        "Correct the unit in the source, or export it again.",
    ),
    "unknown-well": FindingCode(
        "A condition table speaks of wells that have no tiles.",
        "Nothing if they were not imaged; else correct the names.",
    ),
    "unreadable-file": FindingCode(
        "A file is damaged, truncated, empty, of a kind that is not supported, or may not be read.",
        "Copy it again, convert it, or ask for the right to read it.",
    ),
    "unused-file": FindingCode(
        "The source holds a file that could have been read in place of the one that was.",
        "Nothing; or give that file itself.",
    ),
    "unwritten-report": FindingCode(
        "The images are complete, but the report of the run could not be written.",
        "Free space or grant access; the report is also printed.",
    ),
    "unusable-output": FindingCode(
        "The destination cannot take the result: a plate of another OME-Zarr version, or damaged metadata or tables.",
        "Repair or remove what is named, or choose another plate name or destination.",
    ),
    "wrong-axes": FindingCode(
        "Tiles extend along an axis that the acquisition's axes leave out.",
        "Add the axis, or leave the tiles out.",
    ),
    "wrong-shape": FindingCode(
        "A file has another width, height, number of planes or colours than its tile.",
        "Correct the tile's lengths.",
    ),
    "wrong-type": FindingCode(
        "A file's pixels do not fit the pixel type of the output.",
        "Set `data_type` to a type that holds every tile; values are never cut or wrapped.",
    ),
}


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
    """One image failed while it was converted."""


class VerificationError(ConversionError):
    """An image was read back, and is not what its source has; one that was just written is not published."""


class ImplausibleExtentError(PlacementError):
    """Positions lie further apart than any stage travels."""


class PreflightError(Tiles2ZarrError):
    """The plan was refused; nothing was written.

    Attributes:
        findings: every finding of the preflight, errors first.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Say the first error in full and count the others."""
        self.findings = errors_first(findings)
        errors = [finding for finding in self.findings if finding.severity == "error"]
        head = f"{errors[0].where}: {errors[0].message}" if errors else "the plan was refused"
        rest = f" (and {len(errors) - 1} more: see `tiles2zarr inspect`)" if len(errors) > 1 else ""
        super().__init__(head + rest)
