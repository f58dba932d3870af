"""Plates and wells: the skeleton, and how images add themselves."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import ngio
import pytest
import zarr
from ome_zarr_models import open_ome_zarr

from tests.layouts import stored
from tiles2zarr.errors import OutputError
from tiles2zarr.models import ImageInPlate
from tiles2zarr.writer import groups
from tiles2zarr.writer import lock as locks
from tiles2zarr.writer import plate as plates
from tiles2zarr.writer.groups import ngff_attributes, read_attributes, read_ngff, write_group
from tiles2zarr.writer.plate import RECORD, check_plate, completion_record, list_in_well, write_plates

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
GOLDEN = Path(__file__).parent / "golden"


def place(row: str, column: int, acquisition: int = 0, plate: str = "P") -> ImageInPlate:
    return ImageInPlate(plate_name=plate, row=row, column=column, acquisition=acquisition)


PLACES = (place("AF", 48), place("B", 3), place("B", 3, 2), place("A", 10))


def finish(folder: Path, image: ImageInPlate | str, version: Any = "0.4", acquisition: int = 0) -> Path:
    """Put a finished image into a plate; it has no pixels."""
    path = folder / (image if isinstance(image, str) else image.path())
    number = acquisition if isinstance(image, str) else image.acquisition
    write_finished(path, record(number), version)
    return path


def record(acquisition: int = 0) -> dict[str, Any]:
    texts = dict.fromkeys(("fingerprint", "level0", "encoder", "format"), "")
    return {"acquisition": acquisition, "options": {}, "bytes": 0, **texts}


def write_finished(folder: Path, own: Any, version: Any = "0.4") -> None:
    write_group(folder, {**ngff_attributes({"multiscales": [{}]}, version), RECORD: own}, version)


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
    "other",
    [
        [],
        {},
        "text",
        {**record(), "acquisition": "0"},
        *({name: value for name, value in record().items() if name != left_out} for left_out in record()),
    ],
)
@VERSIONS
def test_an_image_with_another_record_is_somebody_else_s(version: Any, other: Any, tmp_path: Path) -> None:
    write_finished(tmp_path / "ours", record(), version)
    assert completion_record(tmp_path / "ours") == record()
    write_finished(tmp_path / "theirs", other, version)
    assert completion_record(tmp_path / "theirs") is None


@VERSIONS
def test_a_record_in_a_group_that_is_no_image_is_none(version: Any, tmp_path: Path) -> None:
    write_group(tmp_path, {RECORD: record()}, version)
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


DYING = """
import sys
from pathlib import Path
from tiles2zarr.writer import plate as plates
write = plates._write_well
def slow(*arguments):
    print("read", flush=True)
    if sys.stdin.readline() == "write\\n":
        write(*arguments)
        print("written", flush=True)
    sys.stdin.read()
plates._write_well = slow
plates.list_in_well(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")
@pytest.mark.parametrize("writes", [False, True])
@VERSIONS
def test_a_lister_killed_while_another_lists_itself_costs_nobody_s_image(
    version: Any, writes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before it wrote, or right after it wrote a list that it had read before the other was there."""
    write_plates(tmp_path, PLACES, version)
    first, second = (finish(tmp_path, place("B", 3, number), version) for number in (0, 2))
    hidden = second.rename(tmp_path / "hidden")
    waits_or_done, try_lock = threading.Event(), locks._try_lock

    def asked(descriptor: int) -> bool:
        if try_lock(descriptor):
            return True
        waits_or_done.set()
        return False

    def list_second() -> None:
        try:
            list_in_well(second)
        finally:
            waits_or_done.set()

    monkeypatch.setattr(locks, "_try_lock", asked)
    command = [sys.executable, "-c", DYING, str(first)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dying,
        ThreadPoolExecutor(1) as pool,
    ):
        assert dying.stdin is not None
        assert dying.stdout is not None
        try:
            assert dying.stdout.readline() == "read\n"
            hidden.rename(second)
            other = pool.submit(list_second)
            assert waits_or_done.wait(60)
            if writes:
                dying.stdin.write("write\n")
                dying.stdin.flush()
                assert dying.stdout.readline() == "written\n"
        finally:
            dying.kill()
            dying.wait()
        other.result(60)
    assert listed(first.parent) == ["0", "2"]
    assert not (first.parent / ".well.lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the files of locks")
def test_the_lock_of_a_killed_lister_goes_with_the_next_though_nothing_is_to_be_written(
    tmp_path: Path,
) -> None:
    write_plates(tmp_path, PLACES, "0.4")
    image = finish(tmp_path, place("B", 3))
    list_in_well(image)
    before = stored(tmp_path)
    (image.parent / ".well.lock").touch()
    with mock.patch.object(plates, "write_group", side_effect=AssertionError):
        list_in_well(image)
    assert stored(tmp_path) == before
    assert not (image.parent / ".well.lock").exists()


@VERSIONS
def test_what_else_a_well_s_attributes_hold_stays_when_an_image_is_listed(
    version: Any, tmp_path: Path
) -> None:
    write_plates(tmp_path, PLACES, version)
    image = finish(tmp_path, place("B", 3), version)
    attributes = {**(read_attributes(image.parent) or {}), "mine": {"kept": [True]}}
    if version == "0.5":
        attributes["ome"]["theirs"] = {"kept": 1}
    entry = attributes if version == "0.4" else attributes["ome"]
    entry["well"]["theirs"] = "kept"
    write_group(image.parent, attributes, version)
    list_in_well(image)
    entry["well"]["images"] = [{"path": "0", "acquisition": 0}]
    assert read_attributes(image.parent) == attributes
