"""Whether OME-Zarr groups are what the specification asks for, by the official models (ome-zarr-models)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import Finding, OutputError
from tiles2zarr.writer.groups import group_version, read_ngff
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tiles2zarr.writer.groups import NgffVersion

# What the models and zarr-python raise for metadata that are not what they should be.
_WRONG = (ValueError, RuntimeError, KeyError, TypeError, OSError)


@dataclass(slots=True)
class Survey:
    """What was found in a store.

    Attributes:
        images: folders of all images, those of plates included, labels left out.
        plates: folders of all plates.
        findings: what does not conform.
    """

    images: list[Path] = field(default_factory=list)
    plates: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def survey(store: Path) -> Survey:
    """Check an image, a plate, or a folder of them, and everything that they list."""
    found = Survey()
    _Surveyor(found).look(store)
    if not found.images and not found.plates and not found.findings:
        message = "expected OME-Zarr, found none: give an image, a plate, or a folder of them"
        found.findings.append(Finding("error", "not-conforming", str(store), message))
    return found


class _Surveyor:
    """Goes from a group to the groups that it lists."""

    def __init__(self, found: Survey) -> None:
        self._found = found

    def look(self, folder: Path) -> None:
        """Check a group by what its metadata say it is; in a folder that is none, whatever lies below."""
        version = group_version(folder)
        try:
            ngff = read_ngff(folder)
        except OutputError as error:
            where, _, message = str(error).partition(": ")
            self._found.findings.append(Finding("error", "not-conforming", where, message))
            return
        for key, check in self._checks().items():
            if version is not None and key in ngff:
                check(folder, version, ngff)
                return
        for below in sorted(_visible_folders(folder)):
            self.look(below)

    def _checks(self) -> dict[str, Callable[[Path, NgffVersion, Mapping[str, Any]], None]]:
        return {
            "plate": self._plate,
            "well": self._well,
            "multiscales": self._image,
            "labels": self._labels,
        }

    def _plate(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        self._found.plates.append(folder)
        self._left_behind(folder)
        models = _models(version)
        if not self._conforms(folder, lambda: models.hcs.HCSAttrs.model_validate(ngff)):
            return
        known = {acquisition["id"] for acquisition in ngff["plate"].get("acquisitions", ())}
        for well in ngff["plate"]["wells"]:
            place = folder / well["path"]
            if self._exists(folder, place):
                self.look(place)
                self._acquisitions(place, known)

    def _well(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        self._left_behind(folder)
        models = _models(version)
        if self._conforms(folder, lambda: models.well.WellAttrs.model_validate(ngff)):
            listed = [folder / image["path"] for image in ngff["well"]["images"]]
            for image in listed:
                if self._exists(folder, image):
                    self.look(image)
            self._unlisted(set(_visible_folders(folder)) - set(listed))

    def _image(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        self._found.images.append(folder)
        self._conforms(folder, lambda: _models(version).image.Image.from_zarr(_opened(folder)))
        if (folder / "labels").is_dir():
            self.look(folder / "labels")

    def _labels(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        models = _models(version)
        if self._conforms(folder, lambda: models.labels.LabelsAttrs.model_validate(ngff)):
            for label in (folder / name for name in ngff["labels"]):
                if self._exists(folder, label):
                    self._conforms(label, partial(_label, models, label))

    def _conforms(self, folder: Path, check: Callable[[], object]) -> bool:
        """Whether a check passes; what the models advise against is noted, too."""
        with warnings.catch_warnings(record=True) as advice:
            warnings.simplefilter("always")
            try:
                check()
            except _WRONG as error:
                message = f"expected metadata as the specification has them, found: {_reason(error)}"
                self._note("error", folder, message)
                return False
        for each in advice:
            message = f"expected metadata as the specification advises, found: {_one_line(str(each.message))}"
            self._note("warning", folder, message)
        return True

    def _exists(self, parent: Path, child: Path) -> bool:
        if group_version(child) == group_version(parent):
            return True
        version = group_version(parent)
        message = (
            f"expected a group of NGFF {version}, as {parent.name} lists it, found none: restore or remove it"
        )
        self._note("error", child, message)
        return False

    def _acquisitions(self, well: Path, known: set[int]) -> None:
        """Images name acquisitions that the plate has."""
        if not known:
            return
        try:
            images = read_ngff(well)["well"]["images"]
        except (OutputError, KeyError):
            return  # said already
        for image in images:
            number = image.get("acquisition")
            if number is not None and number not in known:
                message = (
                    f"expected one of the plate's acquisitions ({sorted(known)}), found {number}: "
                    "correct the well's metadata"
                )
                self._note("error", well / image["path"], message)

    def _unlisted(self, folders: Iterable[Path]) -> None:
        """Finished images that their well does not list: a run was interrupted between the two."""
        for folder in sorted(folders):
            if completion_record(folder) is not None:
                message = (
                    "expected a finished image to be listed in its well, found it left out: "
                    "run it again with mode Extend"
                )
                self._found.findings.append(Finding("warning", "left-behind", str(folder), message))

    def _left_behind(self, folder: Path) -> None:
        """What an interrupted run left beside the images."""
        for entry in folder.iterdir():
            if entry.suffix in (".staging", ".old", ".part") and entry.name.startswith("."):
                message = (
                    "found what an interrupted run left, or one that is still going on: "
                    "run it again with mode Extend"
                )
                self._found.findings.append(Finding("warning", "left-behind", str(entry), message))

    def _note(self, severity: Any, folder: Path, message: str) -> None:
        self._found.findings.append(Finding(severity, "not-conforming", str(folder), message))


def _models(version: NgffVersion) -> Any:
    """The official models of a version."""
    import ome_zarr_models

    return ome_zarr_models.v04 if version == "0.4" else ome_zarr_models.v05


def _label(models: Any, folder: Path) -> object:
    return models.image_label.ImageLabel.from_zarr(_opened(folder))


def _opened(folder: Path) -> Any:
    import zarr

    return zarr.open_group(folder, mode="r", zarr_format=2 if group_version(folder) == "0.4" else 3)


def _reason(error: Exception) -> str:
    """The first thing that is wrong, and where."""
    problems = getattr(error, "errors", None)
    if problems is None:
        return _one_line(str(error))
    first = problems()[0]
    return _one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _visible_folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for entry in folder.iterdir():
            if not entry.name.startswith(".") and entry.is_dir() and not entry.is_symlink():
                yield entry
