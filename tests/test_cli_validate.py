"""`tiles2zarr validate` and `--verify` as users run them: what is whole passes, what is not is named."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import ngio
import numpy as np
import pytest
import tifffile

import tiles2zarr
from tests.simulators import czi, nd2, ome_tiff
from tests.table_plates import TablePlate, pixels_of, small_plate
from tests.test_cli_convert import converted, run
from tests.writer.test_comparison import chunk_files, flip
from tiles2zarr.errors import SourceError
from tiles2zarr.writer import levels
from tiles2zarr.writer.groups import read_attributes, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
# One chunk for each plane of a field of view.
CHUNKS = (
    "--set",
    'omezarr_options.chunks={"mode":"Same as FOV","z_chunk":1}',
    "--set",
    "omezarr_options.num_levels=2",
)


def validated(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = run("validate", *arguments, "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


@pytest.fixture
def plate(tmp_path: Path) -> TablePlate:
    made = small_plate(tmp_path / "source")
    made.write()
    converted(made.folder, tmp_path / "zarr", "--plate-name", "P", *CHUNKS)
    return made


@VERSIONS
@pytest.mark.parametrize("extra", [(), ("--set", "grouping=Per-FOV"), ("--set", "overlap_mode=Mean")])
def test_a_fresh_plate_conforms_and_is_identical(
    version: str, extra: tuple[str, ...], tmp_path: Path
) -> None:
    source = small_plate(tmp_path / "source", times=2).write()
    converted(source, tmp_path / "zarr", *extra, "--set", f"omezarr_options.ngff_version={version}")
    plate = tmp_path / "zarr" / "source.zarr"
    images = 4 if "grouping=Per-FOV" in extra else 2
    expected = {"conforms": True, "identical": True, "differences": [], "findings": []}
    expected |= {"images_found": images, "images_checked": images}
    for store in (plate, tmp_path / "zarr"):
        assert validated(store, "--against", source) == (0, expected)
        assert validated(store) == (0, expected | {"identical": None})


def test_one_image_of_a_plate(plate: TablePlate, tmp_path: Path) -> None:
    code, document = validated(tmp_path / "zarr/P.zarr/A/01/0", "--against", plate.folder)
    assert (code, document["identical"], document["images_checked"]) == (0, True, 1)


def test_images_of_their_own(tmp_path: Path) -> None:
    made = TablePlate(tmp_path / "source")
    for name in ("slides/7", "8"):
        made.add(
            f"{name[-1]}.tif", pixels_of(int(name[-1])), image_path=name, fov_name="F", start_x=0, start_y=0
        )
    made.write()
    converted(made.folder, tmp_path / "zarr")
    for store in (tmp_path / "zarr", tmp_path / "zarr/slides/7.zarr"):
        code, document = validated(store, "--against", made.folder)
        assert (code, document["conforms"], document["identical"]) == (0, True, True)


def test_acquisitions_of_different_sources_are_told_apart(plate: TablePlate, tmp_path: Path) -> None:
    second = small_plate(tmp_path / "second", fields=1)
    second.write()
    converted(
        second.folder, tmp_path / "zarr", "--plate-name", "P", "--acquisition-id", 1, "--mode", "Extend"
    )
    for source, number in ((plate.folder, 0), (second.folder, 1)):
        code, document = validated(tmp_path / "zarr", "--against", source, "--acquisition-id", number)
        assert (code, document["identical"]) == (0, True)
        assert (document["images_found"], document["images_checked"]) == (4, 2)
    code, document = validated(tmp_path / "zarr", "--against", plate.folder)
    assert (code, document["identical"]) == (1, False)
    code, document = validated(tmp_path / "zarr", "--against", plate.folder, "--acquisition-id", 7)
    assert (code, document["findings"][0]["code"]) == (1, "unknown-image")


def test_nested_names_are_told_apart(tmp_path: Path) -> None:
    made = TablePlate(tmp_path / "source")
    for number, name in enumerate(("a", "sub/a", "sub/sub/a")):
        made.add(f"{number}.tif", pixels_of(number), image_path=name, fov_name="F", start_x=0, start_y=0)
    made.write()
    converted(made.folder, tmp_path / "zarr")
    code, document = validated(tmp_path / "zarr", "--against", made.folder)
    assert (code, document["identical"], document["images_checked"]) == (0, True, 3)


def test_conversions_with_different_options_side_by_side(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "source").write()
    converted(source, tmp_path / "zarr/a", "--plate-name", "P")
    converted(source, tmp_path / "zarr/b", "--plate-name", "P", "--set", "grouping=Per-FOV")
    code, document = validated(tmp_path / "zarr", "--against", source)
    assert (code, document["identical"], document["images_checked"]) == (0, True, 6)


@pytest.mark.parametrize("name", ["Q.zarr", "plate without suffix"])
def test_a_renamed_plate(name: str, plate: TablePlate, tmp_path: Path) -> None:
    (tmp_path / "zarr/P.zarr").rename(tmp_path / "zarr" / name)
    code, document = validated(tmp_path / "zarr", "--against", plate.folder)
    assert (code, document["identical"]) == (0, True)


def test_a_condition_table_is_not_needed_again(plate: TablePlate, tmp_path: Path) -> None:
    table = tmp_path / "conditions.csv"
    table.write_text("row,column,drug\nA,1,DMSO\nB,2,taxol\n")
    converted(plate.folder, tmp_path / "other", "--set", f"acquisition.condition_table_path={table}")
    table.unlink()
    code, document = validated(tmp_path / "other", "--against", plate.folder)
    assert (code, document["identical"]) == (0, True)


def test_the_memory_limit_may_be_raised(plate: TablePlate, tmp_path: Path) -> None:
    store = tmp_path / "zarr"
    for against in ((), ("--against", plate.folder)):
        done = run("validate", store, *against, "--memory-limit", "110MiB")
        assert done.returncode == 2
        assert "raise memory_limit_gib" in done.stderr
        assert run("validate", store, *against, "--memory-limit", "1GiB").returncode == 0


def test_a_refusal_is_a_document_too(tmp_path: Path) -> None:
    code, document = validated(tmp_path / "nowhere")
    error = (
        f"{tmp_path}/nowhere: expected a folder with OME-Zarr, found none: "
        "give an image, a plate, or a folder of them"
    )
    assert code == 2
    assert document == {
        "conforms": False,
        "identical": None,
        "differences": [],
        "findings": [],
        "error": error,
    }


def test_every_flipped_bit_names_image_level_chunk_and_tile(plate: TablePlate, tmp_path: Path) -> None:
    images = [tmp_path / f"zarr/P.zarr/{well}/0" for well in ("A/01", "B/02")]
    for image in images:
        for file in chunk_files(image):
            level, _, chunk = file.relative_to(image).as_posix().partition("/")
            before = file.read_bytes()
            flip(file, len(before) - 1)
            validation = tiles2zarr.validate(tmp_path / "zarr", against=plate.folder)
            assert (validation.conforms, validation.identical) == (True, False)
            (found,) = validation.differences
            assert (found.image, found.level, found.chunk) == (str(image), int(level), chunk)
            c, z, _, x = (int(number) for number in chunk.split("/"))
            well = image.parts[-3] + image.parts[-2]
            tile = f"{well}_f{x}_t0_c{c}_z{z}.tif" if level == "0" else f"_t0_c{c}_z{z}.tif"
            assert str(found.tile).endswith(tile)
            file.write_bytes(before)
    assert validated(tmp_path / "zarr", "--against", plate.folder)[0] == 0


def test_swapped_and_missing_chunks(plate: TablePlate, tmp_path: Path) -> None:
    image = tmp_path / "zarr/P.zarr/A/01/0/0"
    a, b, lost = image / "0/0/0/0", image / "1/1/0/1", image / "0/1/0/0"
    kept = a.read_bytes()
    shutil.copy(b, a)
    b.write_bytes(kept)
    lost.unlink()
    code, document = validated(tmp_path / "zarr/P.zarr", "--against", plate.folder)
    assert code == 1
    found = [
        (each["level"], each["chunk"], each["kind"], Path(each["tile"]).name)
        for each in document["differences"]
    ]
    assert found == [
        (0, "0/0/0/0", "different-pixels", "A01_f0_t0_c0_z0.tif"),
        (0, "0/1/0/0", "missing-chunk", "A01_f0_t0_c0_z1.tif"),
        (0, "1/1/0/1", "different-pixels", "A01_f1_t0_c1_z1.tif"),
    ]


def test_a_changed_source_file(plate: TablePlate, tmp_path: Path) -> None:
    changed = plate.folder / "B02_f1_t0_c1_z0.tif"
    pixels = plate.pixels[changed.name].copy()
    pixels[3, 4] += 40
    tifffile.imwrite(changed, pixels, photometric="minisblack")
    code, document = validated(tmp_path / "zarr", "--against", plate.folder)
    assert code == 1
    assert [(each["level"], each["chunk"]) for each in document["differences"]] == [
        (0, "1/0/0/1"),
        (1, "1/0/0/0"),
    ]
    for each in document["differences"]:
        assert each["image"].endswith("P.zarr/B/02/0")
        assert each["tile"].endswith(f"/{changed.name}")
    (noticed,) = document["findings"]
    assert noticed["code"] == "changed-source"
    assert changed.name in noticed["message"]
    # Without a source the plate is still what was written.
    assert validated(tmp_path / "zarr")[0] == 0


def test_a_touched_source_file_with_the_same_pixels_is_identical(plate: TablePlate, tmp_path: Path) -> None:
    os.utime(plate.folder / "B02_f1_t0_c1_z0.tif")
    code, document = validated(tmp_path / "zarr", "--against", plate.folder)
    assert (code, document["identical"]) == (0, True)
    assert [finding["code"] for finding in document["findings"]] == ["changed-source"]


def test_a_lost_source_file(plate: TablePlate, tmp_path: Path) -> None:
    (plate.folder / "A01_f0_t0_c0_z0.tif").unlink()
    code, document = validated(tmp_path / "zarr", "--against", plate.folder)
    assert (code, document["identical"], document["differences"]) == (1, False, [])
    (lost,) = [finding for finding in document["findings"] if finding["severity"] == "error"]
    assert lost["code"] == "missing-file"
    assert "A01_f0_t0_c0_z0.tif" in lost["where"]


def test_a_lost_image(plate: TablePlate, tmp_path: Path) -> None:
    lost = tmp_path / "zarr/P.zarr/A/01/0"
    shutil.rmtree(lost)
    code, document = validated(tmp_path / "zarr/P.zarr", "--against", plate.folder)
    assert code == 1
    assert document["differences"] == [
        {"image": str(lost), "level": None, "chunk": None, "tile": None, "kind": "missing-image"}
    ]
    assert document["conforms"] is False  # its well still lists it
    assert str(lost) == document["findings"][0]["where"]


def test_another_source(plate: TablePlate, tmp_path: Path) -> None:
    other = small_plate(tmp_path / "other", wells=(("C", 7),)).write()
    code, document = validated(tmp_path / "zarr", "--against", other)
    assert (code, document["identical"]) == (1, False)
    assert {finding["code"] for finding in document["findings"]} == {"unknown-image"}


# Conformance


@VERSIONS
def test_metadata_that_do_not_conform_are_named(version: str, tmp_path: Path) -> None:
    source = small_plate(tmp_path / "source").write()
    converted(
        source, tmp_path / "zarr", "--plate-name", "P", "--set", f"omezarr_options.ngff_version={version}"
    )
    image = tmp_path / "zarr/P.zarr/A/01/0"
    name = ".zattrs" if version == "0.4" else "zarr.json"
    document = json.loads((image / name).read_bytes())
    ngff = document if version == "0.4" else document["attributes"]["ome"]
    del ngff["multiscales"][0]["axes"][-1]["name"]
    write_json(image / name, document)
    code, found = validated(tmp_path / "zarr")
    assert (code, found["conforms"]) == (1, False)
    (finding,) = found["findings"]
    assert (finding["code"], finding["where"]) == ("not-conforming", str(image))
    assert "axes" in finding["message"]


def test_an_image_that_somebody_else_wrote_conforms_or_not(tmp_path: Path) -> None:
    ngio.create_ome_zarr_from_array(
        tmp_path / "theirs.zarr", np.zeros((8, 8), np.uint8), pixelsize=1, levels=1
    )
    code, document = validated(tmp_path / "theirs.zarr")
    assert (code, document["conforms"], document["identical"]) == (0, True, None)
    assert [finding["severity"] for finding in document["findings"]] == ["info"]
    assert run("validate", tmp_path / "theirs.zarr").stdout.endswith(
        "conforms; no pixels were compared (1 image)\n"
    )
    code, document = validated(tmp_path / "theirs.zarr", "--against", tmp_path)
    assert (code, document["identical"]) == (1, False)
    shutil.rmtree(tmp_path / "theirs.zarr" / "0")
    assert validated(tmp_path / "theirs.zarr")[1]["conforms"] is False


@VERSIONS
@pytest.mark.parametrize("what", ["plate", "well", "image"])
def test_what_is_listed_must_be_what_it_is_listed_as(version: str, what: str, tmp_path: Path) -> None:
    source = small_plate(tmp_path / "source").write()
    options = ("--plate-name", "P", "--set", f"omezarr_options.ngff_version={version}")
    converted(source, tmp_path / "zarr", *options)
    key, place = {"plate": ("plate", ""), "well": ("well", "A/01"), "image": ("multiscales", "A/01/0")}[what]
    group = tmp_path / "zarr/P.zarr" / place
    file = group / (".zattrs" if version == "0.4" else "zarr.json")
    document = json.loads(file.read_bytes())
    del (document if version == "0.4" else document["attributes"]["ome"])[key]
    write_json(file, document)

    for against in ((), ("--against", source)):
        code, found = validated(tmp_path / "zarr", *against)
        assert (code, found["conforms"]) == (1, False)
        assert str(group) in [finding["where"] for finding in found["findings"]]
    if what == "image":
        done = run("convert", source, tmp_path / "zarr", *options, "--mode", "Extend")
        assert done.returncode == 2
        assert "found one without a whole record of tiles2zarr" in done.stderr


def test_a_well_that_its_plate_does_not_list_is_said(plate: TablePlate, tmp_path: Path) -> None:
    file = tmp_path / "zarr/P.zarr/.zattrs"
    document = json.loads(file.read_bytes())
    del document["plate"]["wells"][0]
    write_json(file, document)
    _, found = validated(tmp_path / "zarr")
    assert [(finding["code"], finding["where"]) for finding in found["findings"]] == [
        ("left-behind", str(tmp_path / "zarr/P.zarr/A/01"))
    ]


def test_a_well_without_images_is_said(plate: TablePlate, tmp_path: Path) -> None:
    well = tmp_path / "zarr/P.zarr/A/01"
    shutil.rmtree(well / "0")
    write_json(well / ".zattrs", {"well": {"images": [], "version": "0.4"}})
    code, found = validated(tmp_path / "zarr")
    assert (code, found["findings"][0]["code"], found["findings"][0]["where"]) == (
        0,
        "left-behind",
        str(well),
    )


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({"level0": None}, "info"),
        ({"options": {"foo": 1}}, "warning"),
    ],
)
def test_an_image_whose_record_cannot_be_followed_is_said_to_be_unchecked(
    change: dict[str, Any], severity: str, plate: TablePlate, tmp_path: Path
) -> None:
    image = tmp_path / "zarr/P.zarr/A/01/0"
    attributes = read_attributes(image) or {}
    attributes["tiles2zarr"] |= change
    write_json(image / ".zattrs", attributes)
    code, found = validated(tmp_path / "zarr")
    (finding,) = found["findings"]
    assert (finding["code"], finding["severity"], finding["where"]) == ("unknown-image", severity, str(image))
    assert (code, found["images_found"], found["images_checked"]) == (0, 2, 1)
    code, found = validated(tmp_path / "zarr", "--against", plate.folder)
    assert (code, found["identical"]) == (1, False)


@pytest.mark.parametrize("paths", [("1", "0"), ("0",)])
def test_levels_that_are_listed_in_another_way_are_not_said_to_be_checked(
    paths: tuple[str, ...], plate: TablePlate, tmp_path: Path
) -> None:
    image = tmp_path / "zarr/P.zarr/A/01/0"
    attributes = read_attributes(image) or {}
    (multiscale,) = attributes["multiscales"]
    known = {dataset["path"]: dataset for dataset in multiscale["datasets"]}
    multiscale["datasets"] = [known[path] for path in paths]
    write_json(image / ".zattrs", attributes)
    code, found = validated(image, "--against", plate.folder)
    assert (code, found["identical"]) == (1, False)
    assert found["differences"][0]["kind"] == "different-metadata"


def test_labels_are_looked_at(plate: TablePlate, tmp_path: Path) -> None:
    image = tmp_path / "zarr/P.zarr/A/01/0"
    ngio.open_ome_zarr_container(image).derive_label("nuclei")
    assert validated(image)[0] == 0
    attributes = read_attributes(image / "labels/nuclei") or {}
    del attributes["multiscales"]
    write_json(image / "labels/nuclei/.zattrs", attributes)
    code, document = validated(image)
    assert (code, document["findings"][0]["where"]) == (1, str(image / "labels/nuclei"))


def test_what_is_no_ome_zarr(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, document = validated(tmp_path / "empty")
    assert (code, document["conforms"]) == (1, False)
    done = run("validate", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "nowhere: expected a folder with OME-Zarr, found none" in done.stderr


def test_what_an_interrupted_run_left_is_said(plate: TablePlate, tmp_path: Path) -> None:
    (tmp_path / "zarr/P.zarr/A/01/.1.staging").mkdir()
    code, document = validated(tmp_path / "zarr")
    assert code == 0
    assert [finding["code"] for finding in document["findings"]] == ["left-behind"]


def test_a_finished_image_that_its_well_does_not_list_is_said(plate: TablePlate, tmp_path: Path) -> None:
    well = tmp_path / "zarr/P.zarr/A/01"
    write_json(well / ".zattrs", {"well": {"images": [], "version": "0.4"}})
    code, document = validated(tmp_path / "zarr")
    (finding,) = document["findings"]
    assert (code, finding["code"], finding["where"]) == (0, "left-behind", str(well / "0"))


def test_what_people_read(plate: TablePlate, tmp_path: Path) -> None:
    done = run("validate", tmp_path / "zarr", "--against", plate.folder)
    assert done.stdout.strip() == "conforms; every pixel of every level equals its source (2 images)"
    flip(tmp_path / "zarr/P.zarr/A/01/0/0/0/0/0/1", -1)
    done = run("validate", tmp_path / "zarr", "--against", plate.folder)
    first, last = done.stdout.strip().splitlines()
    assert first.startswith(
        f"different-pixels: {tmp_path}/zarr/P.zarr/A/01/0 level 0 chunk 0/0/0/1, of P.zarr/A/01/0, "
    )
    assert last == "conforms; 1 difference in 2 images"


def test_the_same_from_python(plate: TablePlate, tmp_path: Path) -> None:
    validation = tiles2zarr.validate(tmp_path / "zarr", against=plate.folder)
    assert (validation.is_sound, validation.conforms, validation.identical) == (True, True, True)


# Verified conversion


@pytest.mark.parametrize("workers", [1, 2])
def test_a_verified_conversion_says_so(workers: int, tmp_path: Path) -> None:
    source = small_plate(tmp_path / "source").write()
    document = converted(source, tmp_path / "zarr", "--verify", "--workers", workers)
    assert [image["verified"] for image in document["images"]] == [True, True]
    record = (read_attributes(tmp_path / "zarr/source.zarr/A/01/0") or {})["tiles2zarr"]
    assert record["verified"] is True
    again = converted(source, tmp_path / "zarr", "--verify", "--mode", "Extend")
    assert [(image["status"], image["verified"]) for image in again["images"]] == [("skipped", True)] * 2


def test_extend_with_verify_finds_damage_in_what_is_complete(plate: TablePlate, tmp_path: Path) -> None:
    flip(tmp_path / "zarr/P.zarr/A/01/0/0/0/0/0/1", -1)
    done = run(
        "convert",
        plate.folder,
        tmp_path / "zarr",
        "--plate-name",
        "P",
        *CHUNKS,
        "--mode",
        "Extend",
        "--verify",
        "--json",
    )
    assert done.returncode == 1
    bad, good = json.loads(done.stdout)["images"]
    assert (bad["status"], bad["verified"], good["status"], good["verified"]) == (
        "failed",
        False,
        "skipped",
        True,
    )
    assert "level 0, chunk 0/0/0/1, of P.zarr/A/01/0" in bad["error"]


def test_what_the_disk_lost_is_not_published(tmp_path: Path) -> None:
    source = small_plate(tmp_path / "source").write()
    write_chunk = levels.write_chunk

    def loses_a_bit(file: Path, content: memoryview) -> None:
        level = file.relative_to(tmp_path / "zarr").parts[4]
        if level == "0" and "B" in file.parts:
            content = memoryview(bytes(content[:-1]) + bytes([content[-1] ^ 1]))
        write_chunk(file, content)

    with patch.object(levels, "write_chunk", loses_a_bit):
        done = run("convert", source, tmp_path / "zarr", "--verify", "--json")
    assert done.returncode == 1
    good, bad = json.loads(done.stdout)["images"]
    assert (good["status"], good["verified"], bad["status"], bad["verified"]) == (
        "converted",
        True,
        "failed",
        False,
    )
    assert "expected on disk what the source has, found" in bad["error"]
    assert not (tmp_path / "zarr/source.zarr/B/02/0").exists()


# Runs that make a plate and images of their own


def mixed_czi(folder: Path) -> Path:
    folder.mkdir()
    czi.contract_plate(folder)
    czi.Czi().write(folder / "alone.czi")
    czi.Czi(scenes=(czi.Scene("left"), czi.Scene("right", stage=(9000.0, 2000.0)))).write(folder / "two.czi")
    return folder


def mixed_nd2(folder: Path) -> Path:
    folder.mkdir()
    nd2.contract_plate(folder)
    nd2.Nd2().write(folder / "alone.nd2")
    return folder


def mixed_ome_tiff(folder: Path) -> Path:
    ome_tiff.simple_plate().write(folder)
    replace(ome_tiff.OmeTiff(), stem="alone").write(folder)
    return folder


MIXED = pytest.mark.parametrize(
    "write", [mixed_czi, mixed_nd2, mixed_ome_tiff], ids=["czi", "nd2", "ome_tiff"]
)


@MIXED
@pytest.mark.parametrize("asked", [(), ("--plate-name", "X"), ("--acquisition-id", "3")], ids=str)
def test_a_plate_and_images_of_their_own_are_compared_as_the_one_run_they_are(
    asked: tuple[str, ...], write: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = write(tmp_path / "source")
    images = converted(source, tmp_path / "zarr", *asked)["images"]
    places = [Path(image["zarr_url"]) for image in images]
    assert {"well" in (read_attributes(place.parent) or {}) for place in places} == {True, False}
    code, document = validated(tmp_path / "zarr", "--against", source)
    assert (code, document["identical"], document["differences"]) == (0, True, [])
    assert document["images_checked"] == len(images)
    for store in {place.relative_to(tmp_path / "zarr").parts[0] for place in places}:
        assert validated(tmp_path / "zarr" / store, "--against", source)[0] == 0


@MIXED
def test_what_is_missing_of_a_mixed_run_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    source = write(tmp_path / "source")
    places = [Path(image["zarr_url"]) for image in converted(source, tmp_path / "zarr")["images"]]
    in_plate = {place: "well" in (read_attributes(place.parent) or {}) for place in places}
    for lost in (
        next(place for place in places if in_plate[place]),
        next(p for p in places if not in_plate[p]),
    ):
        kept = tmp_path / "kept"
        lost.rename(kept)
        code, document = validated(tmp_path / "zarr", "--against", source)
        assert (code, document["identical"]) == (1, False)
        assert [(each["kind"], each["image"]) for each in document["differences"]] == [
            ("missing-image", str(lost))
        ]
        kept.rename(lost)


def test_a_plate_that_was_renamed_and_one_that_was_copied_are_compared(tmp_path: Path) -> None:
    source = mixed_czi(tmp_path / "source")
    converted(source, tmp_path / "zarr")
    (plate,) = [
        place for place in (tmp_path / "zarr").glob("*.zarr") if "plate" in (read_attributes(place) or {})
    ]
    shutil.copytree(plate, tmp_path / "zarr" / "copy.zarr")
    plate.rename(plate.with_name("renamed.zarr"))
    code, document = validated(tmp_path / "zarr", "--against", source)
    assert (code, document["identical"], document["differences"]) == (0, True, [])


def test_images_that_the_document_of_a_plate_describes_and_that_are_not_there_are_only_said(
    tmp_path: Path,
) -> None:
    source = small_plate(tmp_path / "source").write()
    with patch("tiles2zarr.runners.local.convert_image", side_effect=SourceError("A01: gone: find it")):
        assert run("convert", source, tmp_path / "zarr", "--plate-name", "P").returncode == 1
    converted(
        source,
        tmp_path / "zarr",
        "--plate-name",
        "P",
        "--mode",
        "Extend",
        "--set",
        'acquisition.filters=[{"name":"Well Include Filter","wells":["A01"]}]',
    )
    code, document = validated(tmp_path / "zarr")
    (finding,) = [each for each in document["findings"] if each["severity"] == "info"]
    assert (code, document["conforms"]) == (0, True)
    assert finding == {
        "severity": "info",
        "code": "left-behind",
        "where": str(tmp_path / "zarr/P.zarr/OME/METADATA.ome.xml"),
        "message": "describes 1 image that is not in the plate (B/02/0): run it again with mode Extend to have it",
    }
