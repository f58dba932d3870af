"""Plates and wells: the skeleton, and how images add themselves."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import ngio
import pytest
import zarr
from ome_zarr_models import open_ome_zarr

from tests.layouts import stored
from tiles2zarr.errors import OutputError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.writer import groups
from tiles2zarr.writer import plate as plates
from tiles2zarr.writer.groups import read_attributes, read_ngff, write_group
from tiles2zarr.writer.plate import RECORD, check_plate, completion_record, list_in_well, write_plates

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
GOLDEN = Path(__file__).parent / "golden"


def place(row: str, column: int, acquisition: int = 0, plate: str = "P") -> ImageInPlate:
    return ImageInPlate(plate_name=plate, row=row, column=column, acquisition=acquisition)


PLACES = (place("AF", 48), place("B", 3), place("B", 3, 2), place("A", 10))


def finish(folder: Path, image: ImageInPlate | str, version: Any = "0.4", acquisition: int = 0) -> Path:
    """Put a finished image into a plate; it has no pixels."""
    path = folder / (image if isinstance(image, str) else image.path())
    number = acquisition if isinstance(image, str) else image.acquisition
    record = {"acquisition": number, "fingerprint": "", "options": {}, "bytes": 0}
    write_group(path, {RECORD: record}, version)
    return path


def listed(well: Path) -> list[str]:
    return [entry["path"] for entry in read_ngff(well)["well"]["images"]]


@VERSIONS
def test_the_whole_document_of_a_plate_and_its_wells(version: Any, tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, version)
    golden = json.loads((GOLDEN / f"plate_{version}.json").read_text())
    found = {path: json.loads(content) for path, content in stored(tmp_path / "P.zarr").items()}
    assert found == golden


@VERSIONS
def test_neither_order_nor_number_of_runs_shows(version: Any, tmp_path: Path) -> None:
    write_plates(tmp_path / "one", PLACES, version)
    for image in reversed(PLACES):
        write_plates(tmp_path / "two", [image], version)
    assert stored(tmp_path / "one") == stored(tmp_path / "two")


@VERSIONS
def test_models_and_ngio_read_a_plate_before_and_after_its_images_are_there(
    version: Any, tmp_path: Path
) -> None:
    write_plates(tmp_path, PLACES, version)
    plate = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r")
    assert plate.rows == ["A", "B", "AF"]
    assert plate.columns == ["03", "10", "48"]
    assert plate.acquisition_ids == [0, 2]
    assert plate.images_paths(max_workers=1) == []
    hcs = open_ome_zarr(zarr.open_group(tmp_path / "P.zarr", mode="r"))
    assert [well.path for well in hcs.ome_attributes.plate.wells] == ["A/10", "B/03", "AF/48"]
    for image in PLACES:
        list_in_well(finish(tmp_path, image, version))
    plate = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r")
    assert sorted(plate.images_paths(max_workers=1)) == ["A/10/0", "AF/48/0", "B/03/0", "B/03/2"]
    assert plate.images_paths(acquisition=2, max_workers=1) == ["B/03/2"]


@VERSIONS
def test_what_a_plate_had_stays_when_a_run_adds_to_it(version: Any, tmp_path: Path) -> None:
    write_plates(tmp_path, [place("B", 3)], version)
    plate = tmp_path / "P.zarr"
    attributes = read_attributes(plate) or {}
    metadata = attributes["plate"] if version == "0.4" else attributes["ome"]["plate"]
    metadata |= {"name": "Cells", "field_count": 9}
    metadata["acquisitions"][0] |= {"name": "first", "starttime": 123}
    write_group(plate, {**attributes, "mine": {"kept": True}}, version)
    list_in_well(finish(tmp_path, place("B", 3), version))

    write_plates(tmp_path, [place("B", 3, 1), place("A", 1)], version)

    found = read_ngff(plate)["plate"]
    assert (read_attributes(plate) or {})["mine"] == {"kept": True}
    assert (found["name"], found["field_count"]) == ("Cells", 9)
    assert found["acquisitions"] == [{"id": 0, "name": "first", "starttime": 123}, {"id": 1, "name": "P"}]
    assert [well["path"] for well in found["wells"]] == ["A/01", "B/03"]
    assert listed(plate / "B" / "03") == ["0"]


def test_a_run_that_adds_nothing_writes_nothing(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    with mock.patch.object(plates, "write_group", side_effect=AssertionError):
        write_plates(tmp_path, PLACES[1:3], "0.4")


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        {"rows": {}},
        {"rows": ["A"]},
        {"columns": [{"name": 1}]},
        {"wells": [{"path": "A01"}]},
        {"wells": [{}]},
        {"acquisitions": [{"id": "0"}]},
    ],
)
@VERSIONS
def test_a_plate_whose_metadata_are_damaged_is_refused_in_one_line(
    version: Any, metadata: Any, tmp_path: Path
) -> None:
    attributes = {"plate": metadata} if version == "0.4" else {"ome": {"plate": metadata}}
    write_group(tmp_path / "P.zarr", attributes, version)
    before = stored(tmp_path)
    for write in (
        lambda: check_plate(tmp_path / "P.zarr", version),
        lambda: write_plates(tmp_path, PLACES, version),
    ):
        with pytest.raises(OutputError, match=r"P\.zarr: expected .* in its metadata, found something else"):
            write()
    assert stored(tmp_path) == before


def test_a_plate_that_lists_a_well_without_its_row_is_completed(tmp_path: Path) -> None:
    write_group(tmp_path / "P.zarr", {"plate": {"wells": [{"path": "C/7"}]}}, "0.4")
    write_plates(tmp_path, [place("B", 3)], "0.4")
    found = read_ngff(tmp_path / "P.zarr")["plate"]
    assert [row["name"] for row in found["rows"]] == ["B", "C"]
    assert [well["path"] for well in found["wells"]] == ["B/03", "C/7"]


def test_nothing_is_written_when_one_of_several_plates_cannot_be(tmp_path: Path) -> None:
    write_plates(tmp_path, [place("A", 1, plate="Q")], "0.5")
    before = stored(tmp_path)
    with pytest.raises(OutputError, match=r"Q\.zarr: expected a plate of NGFF 0\.4"):
        write_plates(tmp_path, [place("A", 1), place("A", 1, plate="Q")], "0.4")
    assert stored(tmp_path) == before


def test_what_killed_runs_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    before = stored(tmp_path)
    plate = tmp_path / "P.zarr"
    (plate / "tables" / "condition_table").mkdir(parents=True)
    for folder in (
        tmp_path,
        plate,
        plate / "B",
        plate / "B" / "03",
        plate / "tables",
        plate / "tables/condition_table",
    ):
        (folder / ".x.0123456789abcdef.part").touch()
    write_plates(tmp_path, PLACES, "0.4")
    assert stored(tmp_path) == before


@pytest.mark.parametrize(("there", "wanted"), [("0.4", "0.5"), ("0.5", "0.4")])
def test_a_plate_has_one_version(there: Any, wanted: Any, tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, there)
    before = stored(tmp_path)
    with pytest.raises(
        OutputError, match=rf"expected a plate of NGFF {wanted}, found one of NGFF {there}: set"
    ):
        write_plates(tmp_path, [place("C", 1)], wanted)
    assert stored(tmp_path) == before


def test_what_is_no_plate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "P.zarr").mkdir()
    (tmp_path / "P.zarr" / "notes.txt").touch()
    write_group(tmp_path / "Q.zarr", {"multiscales": []}, "0.4")
    for name in ("P.zarr", "Q.zarr"):
        with pytest.raises(OutputError, match=rf"{name}: expected a plate or nothing, found something else"):
            check_plate(tmp_path / name, "0.4")
    check_plate(tmp_path / "R.zarr", "0.4")


def test_two_inits_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    places = [place(row, column) for row in "ABCD" for column in (1, 2, 3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda image: write_plates(tmp_path, [image], "0.4"), places))
    wells = [well["path"] for well in read_ngff(tmp_path / "P.zarr")["plate"]["wells"]]
    assert wells == sorted(image.well_path for image in places)
    assert not list(tmp_path.rglob(".*lock*"))


@VERSIONS
def test_a_plate_that_another_run_writes_during_the_check_is_no_stranger(
    version: Any, tmp_path: Path
) -> None:
    plate, seen = tmp_path / "P.zarr", []

    def then_written(folder: Path) -> Any:
        found = groups.group_version(folder)
        if folder == plate and not seen:
            seen.append(found)
            write_plates(tmp_path, [place("B", 2)], version)
        return found

    plate.mkdir()
    with mock.patch.object(plates, "group_version", then_written):
        write_plates(tmp_path, [place("A", 1)], version)
    assert seen == [None]
    assert [well["path"] for well in read_ngff(plate)["plate"]["wells"]] == ["A/01", "B/02"]


class Killed(BaseException):
    """What a kill looks like from within."""


@VERSIONS
def test_an_init_killed_at_any_moment_is_taken_up_by_the_next(version: Any, tmp_path: Path) -> None:
    write_plates(tmp_path / "whole", PLACES, version)
    write_bytes = groups.write_bytes
    for moment in range(30):
        left = [moment]

        def dying(file: Path, content: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            write_bytes(file, content)

        folder = tmp_path / str(moment)
        with mock.patch.object(groups, "write_bytes", dying), contextlib.suppress(Killed):
            write_plates(folder, PLACES, version)
            break
        (folder / "P.zarr" / ".plate.lock").touch()
        write_plates(folder, PLACES, version)
        assert stored(folder) == stored(tmp_path / "whole")
    assert moment > 5


# Wells


def test_images_are_listed_by_acquisition_and_number(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    well = tmp_path / "P.zarr" / "B" / "03"
    for path, acquisition in (("2f1", 2), ("10", 10), ("2f10", 2), ("2f9", 2), ("0", 0)):
        list_in_well(finish(well, path, acquisition=acquisition))
    assert read_ngff(well)["well"] == {
        "version": "0.4",
        "images": [
            {"path": "0", "acquisition": 0},
            {"path": "2f1", "acquisition": 2},
            {"path": "2f9", "acquisition": 2},
            {"path": "2f10", "acquisition": 2},
            {"path": "10", "acquisition": 10},
        ],
    }


def test_others_images_stay_listed_while_they_are_there(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    well = tmp_path / "P.zarr" / "B" / "03"
    for name in ("theirs", "gone"):
        write_group(well / name, {"multiscales": []}, "0.4")
    write_group(well, {"well": {"version": "0.4", "images": [{"path": "theirs"}, {"path": "gone"}]}}, "0.4")
    shutil.rmtree(well / "gone")
    list_in_well(finish(tmp_path, place("B", 3)))
    assert listed(well) == ["0", "theirs"]


def test_what_is_unfinished_or_hidden_is_not_listed(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    well = tmp_path / "P.zarr" / "B" / "03"
    (well / "1").mkdir()
    write_group(well / "3", {}, "0.4")
    finish(well, ".2.staging", acquisition=2)
    (well / "notes.txt").touch()
    list_in_well(finish(tmp_path, place("B", 3)))
    assert listed(well) == ["0"]


def test_thousands_of_images_of_a_well_do_not_read_each_other_again_and_again(tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    well = tmp_path / "P.zarr" / "B" / "03"
    for number in range(30):
        image = finish(well, f"0f{number}")
        with mock.patch.object(plates, "completion_record", wraps=plates.completion_record) as reads:
            list_in_well(image)
        assert [call.args[0] for call in reads.call_args_list] == [image]
    assert listed(well) == [f"0f{number}" for number in range(30)]


@pytest.mark.parametrize("metadata", [[], {"images": 7}, {"images": ["0"]}, {"images": [{"path": 0}]}])
def test_a_well_whose_metadata_are_damaged_is_refused(metadata: Any, tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    image = finish(tmp_path, place("B", 3))
    write_group(image.parent, {"well": metadata}, "0.4")
    before = stored(tmp_path)
    for write in (
        lambda: list_in_well(image),
        lambda: write_plates(tmp_path, [place("C", 1), PLACES[1]], "0.4"),
    ):
        with pytest.raises(OutputError, match=r"B/03: expected .* in its metadata, found something else"):
            write()
    assert stored(tmp_path) == before


@pytest.mark.parametrize(
    "record", [[], {}, {"acquisition": "0", "fingerprint": "", "options": {}, "bytes": 0}, "text"]
)
def test_an_image_with_another_record_is_somebody_else_s(record: Any, tmp_path: Path) -> None:
    write_group(tmp_path, {RECORD: record}, "0.4")
    assert completion_record(tmp_path) is None


def test_an_image_that_is_not_there_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected a finished image, found no group"):
        list_in_well(tmp_path / "0")


@VERSIONS
def test_images_that_finish_at_the_same_time_are_all_listed(version: Any, tmp_path: Path) -> None:
    write_plates(tmp_path, PLACES, version)
    well = tmp_path / "P.zarr" / "B" / "03"
    for round_ in range(10):
        numbers = range(round_ * 6, round_ * 6 + 6)
        start = threading.Barrier(6)

        def add(number: int, start: threading.Barrier = start) -> None:
            start.wait()
            list_in_well(finish(well, str(number), version, number))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(add, numbers))
        assert listed(well) == [str(number) for number in range(round_ * 6 + 6)]


def test_a_writer_whose_list_is_out_of_date_writes_again(tmp_path: Path) -> None:
    """The interleaving that loses an image where nobody looks again: the older list is written last."""
    write_plates(tmp_path, PLACES, "0.4")
    well = tmp_path / "P.zarr" / "B" / "03"
    real = plates._write_well
    finish(tmp_path, place("B", 3, 0))

    def overtaken(folder: Path, images: Iterable[Any], version: Any) -> None:
        with mock.patch.object(plates, "_write_well", real):
            list_in_well(finish(tmp_path, place("B", 3, 2)))
        assert listed(well) == ["0", "2"]
        real(folder, list(images), version)
        patch.stop()

    patch = mock.patch.object(plates, "_write_well", overtaken)
    patch.start()
    list_in_well(tmp_path / place("B", 3, 0).path())
    assert listed(well) == ["0", "2"]
