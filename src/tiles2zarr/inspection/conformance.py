"""Whether OME-Zarr groups are what the specification asks for, by the official models (ome-zarr-models)."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiles2zarr.errors import Finding, OutputError
from tiles2zarr.writer import groups
from tiles2zarr.writer.groups import group_version, read_ngff
from tiles2zarr.writer.ome_document import CREATOR, FILE, FOLDER, read_document
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from tiles2zarr.errors import Severity
    from tiles2zarr.writer.groups import NgffVersion

# What the models and zarr-python raise for metadata that are not what they should be.
_WRONG = (ValueError, RuntimeError, LookupError, TypeError, ArithmeticError, OSError)
_KINDS = {"plate": "a plate", "well": "a well", "multiscales": "an image", "labels": "labels"}
_AGAIN = "run it again with mode Extend"


class Survey:
    """What was found in a store: an image, a plate, or a folder of them, and everything that they list.

    Attributes:
        images: folders of all images, those of plates included, labels left out.
        findings: what does not conform, and what interrupted runs left.
    """

    def __init__(self, store: Path) -> None:
        """Look at a store."""
        self.images: list[Path] = []
        self.findings: list[Finding] = []
        self._look(store)
        if not self.images and not self.findings:
            message = "expected OME-Zarr images, found none: give an image, a plate, or a folder of them"
            self._note("error", store, message)

    @property
    def conforms(self) -> bool:
        """Whether everything is as the specification has it."""
        return all(finding.severity != "error" for finding in self.findings)

    def _look(self, folder: Path, expected: str | None = None) -> None:
        """Check a group by what its metadata say it is; in a folder that is none, whatever lies below.

        Args:
            folder: what to look at.
            expected: the key that its metadata should have, since another group lists it.
        """
        try:
            if _is_array(folder):
                return
            version, ngff = group_version(folder), read_ngff(folder)
            found = next((key for key in _KINDS if version is not None and key in ngff), None)
            if expected is not None and found != expected:
                message = (
                    f"expected the metadata of {_KINDS[expected]}, as it is listed, found none: restore them"
                )
                self._note("error", folder, message)
            elif version is not None and found is not None:
                self._check(found, folder, version, ngff)
            else:
                self._look_below(folder, ngff)
        except OutputError as error:
            self.findings.append(Finding.of("not-conforming", error))
        except OSError as error:
            reason = error.strerror
            message = (
                f"expected a folder that can be read, found one that cannot ({reason}): check its permissions"
            )
            self._note("error", folder, message)

    def _look_below(self, folder: Path, ngff: Mapping[str, Any]) -> None:
        self._left_behind(folder)
        if "bioformats2raw.layout" in ngff:
            self._ome(folder)
        if folder.suffix == ".zarr" and "bioformats2raw.layout" not in ngff:
            message = (
                "expected the metadata of a plate or an image, found none: restore them, or convert it again"
            )
            self._note("error", folder, message)
        for below in _visible_folders(folder):
            if below.name != FOLDER or not (below / FILE).exists():  # there are the vendor's own files
                self._look(below)

    def _check(self, kind: str, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        if kind == "plate":
            self._plate(folder, version, ngff)
        elif kind == "well":
            self._well(folder, version, ngff)
        elif kind == "multiscales":
            self._image(folder, version)
        else:
            self._labels(folder, version, ngff)

    def _plate(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        self._left_behind(folder)
        self._described(folder, self._ome(folder))
        models = _models(version)
        if not self._conforms(folder, lambda: models.hcs.HCSAttrs.model_validate(ngff)):
            return
        known = {acquisition["id"] for acquisition in ngff["plate"].get("acquisitions", ())}
        wells = [folder / well["path"] for well in ngff["plate"]["wells"]]
        for well in wells:
            if self._exists(well.parent, version) and self._exists(well, version):
                self._look(well, "well")
                self._acquisitions(well, known)
        for row in _visible_folders(folder):
            self._unlisted((well for well in _visible_folders(row) if _has(well, "well")), wells, "well")

    def _well(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        self._left_behind(folder)
        models = _models(version)
        if not self._conforms(folder, lambda: models.well.WellAttrs.model_validate(ngff)):
            return
        images = [folder / image["path"] for image in ngff["well"]["images"]]
        for image in images:
            if self._exists(image, version):
                self._look(image, "multiscales")
        finished = [image for image in _visible_folders(folder) if completion_record(image) is not None]
        self._unlisted(finished, images, "finished image")
        if not images and not finished:
            message = f"expected images in a well that its plate lists, found none yet: {_AGAIN}"
            self.findings.append(Finding("warning", "left-behind", str(folder), message))

    def _image(self, folder: Path, version: NgffVersion) -> None:
        self.images.append(folder)
        self._ome(folder)
        self._conforms(folder, lambda: _models(version).image.Image.from_zarr(_opened(folder)))
        if (folder / "labels").is_dir():
            self._look(folder / "labels", "labels")

    def _ome(self, parent: Path) -> Element | None:
        """The OME-XML of a plate or an image, where it has one, is such a document; ome-types reads it."""
        folder = parent / FOLDER
        if not folder.is_dir():
            return None
        for place, _, _ in os.walk(folder):
            self._left_behind(Path(place))
        file = folder / FILE
        if file.exists():
            try:
                root = read_document(file)
            except OutputError as error:
                self.findings.append(Finding.of("not-conforming", error))
            else:
                self._conforms(file, partial(_understood, file))
                return root
        return None

    def _described(self, plate: Path, document: Element | None) -> None:
        """Images that the OME-XML of a plate describes, and that are not there: the run that was to write them failed.

        What other programs call images may be anything.
        """
        if document is None or document.get("Creator") != CREATOR:
            return
        names = [image.get("Name", "") for image in document.iterfind("Image")]
        absent = [name for name in names if group_version(plate / name) is None]
        if absent:
            named, them = f"{len(absent)} images that are", "them"
            if len(absent) == 1:
                named, them = "1 image that is", "it"
            shown = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
            message = f"describes {named} not in the plate ({shown}): {_AGAIN} to have {them}"
            self.findings.append(Finding("info", "left-behind", str(plate / FOLDER / FILE), message))

    def _labels(self, folder: Path, version: NgffVersion, ngff: Mapping[str, Any]) -> None:
        models = _models(version)
        if self._conforms(folder, lambda: models.labels.LabelsAttrs.model_validate(ngff)):
            for label in (folder / name for name in ngff["labels"]):
                if self._exists(label, version):
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

    def _exists(self, folder: Path, version: NgffVersion) -> bool:
        if group_version(folder) == version:
            return True
        message = f"expected a group of NGFF {version}, as it is listed, found none: restore or remove it"
        self._note("error", folder, message)
        return False

    def _acquisitions(self, well: Path, known: set[int]) -> None:
        """Images name acquisitions that the plate has."""
        images = read_ngff(well).get("well", {}).get("images", ()) if known else ()
        for image in images:
            number = image.get("acquisition")
            if number is not None and number not in known:
                message = (
                    f"expected one of the plate's acquisitions ({sorted(known)}), found {number}: "
                    "correct the well's metadata"
                )
                self._note("error", well / image["path"], message)

    def _unlisted(self, found: Iterable[Path], listed: Iterable[Path], noun: str) -> None:
        """What is there and not listed: a run was interrupted between the two, or somebody changed the list."""
        for folder in sorted(set(found) - set(listed)):
            message = f"expected a {noun} to be listed in the group above, found it left out: {_AGAIN}"
            self.findings.append(Finding("warning", "left-behind", str(folder), message))

    def _left_behind(self, folder: Path) -> None:
        """What an interrupted run left beside the images."""
        for entry in sorted(folder.iterdir()):
            if entry.suffix in (".staging", ".old", ".part") and entry.name.startswith("."):
                message = f"found what an interrupted run left, or one that is still going on: {_AGAIN}"
                self.findings.append(Finding("warning", "left-behind", str(entry), message))

    def _note(self, severity: Severity, folder: Path, message: str) -> None:
        self.findings.append(Finding(severity, "not-conforming", str(folder), message))


def _models(version: NgffVersion) -> Any:
    """The official models of a version."""
    import ome_zarr_models

    return ome_zarr_models.v04 if version == "0.4" else ome_zarr_models.v05


def _understood(file: Path) -> object:
    from ome_types import from_xml

    return from_xml(file.read_text(encoding="utf-8"))


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


def _is_array(folder: Path) -> bool:
    return (folder / ".zarray").exists() or (groups.read_document(folder) or {}).get("node_type") == "array"


def _has(folder: Path, key: str) -> bool:
    try:
        return key in read_ngff(folder)
    except OutputError:
        return False  # whoever lists it says so


def _visible_folders(folder: Path) -> Iterator[Path]:
    """The folders in a folder, by name; what hidden ones hold is nobody's business."""
    if folder.is_dir():
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry
