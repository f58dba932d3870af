"""What every format keeps: each is tried on a small plate that its simulator wrote."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tiles2zarr
from tests.simulators.truth import convert
from tiles2zarr import sources
from tiles2zarr.core.job import ImageJob
from tiles2zarr.core.tiled_image import TiledImage, tiled_image_from_tiles
from tiles2zarr.errors import SourceError, UnknownFormatError
from tiles2zarr.fractal.convert_image_compute import convert_image_compute
from tiles2zarr.models import ConverterOptions, ImageInPlate, OverwriteMode, PlaneIndex
from tiles2zarr.sources import (
    _INSTRUMENTS,
    _PIXELS,
    _RANKS,
    FORMATS,
    detect_source,
    every_source,
    source_by_name,
)
from tiles2zarr.sources.base import Scan, ScanRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiles2zarr.sources.base import Source

# The init task of each format that is not called after it.
TASKS = {"table": "tiles_table_to_plate", "bioimage": "images"}


def simulated(name: str, folder: Path) -> Path:
    """A small plate as the instrument of this format writes it; the path to give."""
    simulator = importlib.import_module(f"tests.simulators.{name}")
    plate: Path = simulator.contract_plate(folder)
    return plate


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def source(name: str) -> Source:
    return source_by_name(name)


@pytest.fixture
def plate(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / "simulated"
    folder.mkdir()
    return simulated(name, folder)


@pytest.fixture
def scan(source: Source, plate: Path) -> Scan:
    return source.scan(ScanRequest(plate))


def test_the_format_is_recognised_by_itself_and_by_no_other(name: str, plate: Path) -> None:
    reason = source_by_name(name).detect(plate)
    assert reason is not None and reason.strip() and "\n" not in reason
    assert detect_source(plate).name == name


def test_a_table_of_tiles_beside_it_goes_before_every_format(name: str, plate: Path) -> None:
    folder = plate if plate.is_dir() else plate.parent
    for table in ("tiles.csv", "tiles.parquet"):
        (folder / table).write_text("file_path\n")
        assert detect_source(folder).name == "table"
        (folder / table).unlink()
    if name != "table":
        assert detect_source(plate).name == name


def test_folders_of_other_things_are_not_claimed(source: Source, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert source.detect(empty) is None
    other = tmp_path / "other"
    other.mkdir()
    for file in ("notes.txt", "data.xml", "picture.png", "results.json", ".DS_Store"):
        (other / file).write_bytes(b"nothing")
    assert source.detect(other) is None


def test_an_instrument_claims_no_file_of_pixels(plate: Path) -> None:
    files = (
        [file for file in plate.rglob("*") if file.suffix.lower() in _PIXELS] if plate.is_dir() else [plate]
    )
    instruments = [each for each in every_source() if _RANKS.get(each.name, _INSTRUMENTS) == _INSTRUMENTS]
    claims = [(each.name, file) for file in files[:5] for each in instruments if each.detect(file)]
    assert claims == []


def test_a_folder_of_other_things_is_refused_in_one_line_that_names_it(
    source: Source, tmp_path: Path
) -> None:
    empty = tmp_path / "an empty folder"
    empty.mkdir()
    for path in (empty, tmp_path / "no such folder"):
        with pytest.raises(SourceError) as refused:
            source.scan(ScanRequest(path))
        assert str(path) in str(refused.value)
        assert "expected" in str(refused.value) and "\n" not in str(refused.value)


def test_scanning_decodes_no_pixel(source: Source, plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a scan reads metadata only")

    for name, module in list(sys.modules.items()):
        if name.startswith("tiles2zarr."):
            for function in {"read_plane", "sample_plane"} & vars(module).keys():
                monkeypatch.setattr(module, function, refuse)
    for method in ("load_data", "load_plane", "sample_plane"):
        monkeypatch.setattr(source.loader, method, refuse)
    assert len(source.scan(ScanRequest(plate)).tiles)


def test_every_tile_has_a_place_of_its_own(scan: Scan) -> None:
    places = [
        (tile.collection.path(), tile.fov_name, tile.start_c, tile.start_z, tile.start_t)
        for tile in scan.tiles
    ]
    assert len(set(places)) == len(places)


def test_what_a_tile_says_is_what_its_file_holds(scan: Scan) -> None:
    for tile in scan.tiles:
        header = tile.image_loader.read_header(scan.resource)
        assert header is not None
        assert (header.height, header.width) == (tile.length_y, tile.length_x)
        assert header.samples in ((3, 4) if tile.length_c == 3 else (1,))
        pixels = tile.image_loader.load_plane(PlaneIndex(0, 0, 0), tile.shape, scan.resource)
        assert pixels.shape == (tile.length_y, tile.length_x)
        assert pixels.dtype == header.dtype


def test_a_plane_is_read_the_same_from_many_threads(scan: Scan) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def read(row: int) -> np.ndarray[Any, Any]:
        tile = scan.tiles[row]
        return tile.image_loader.load_plane(PlaneIndex(0, 0, 0), tile.shape, scan.resource)

    rows = list(range(len(scan.tiles))) * 3
    alone = {row: read(row) for row in range(len(scan.tiles))}
    with ThreadPoolExecutor(8) as pool:
        for row, pixels in zip(rows, pool.map(read, rows), strict=True):
            np.testing.assert_array_equal(pixels, alone[row])


def test_a_sample_is_a_part_of_the_plane(scan: Scan) -> None:
    tile = scan.tiles[0]
    pixels = tile.image_loader.load_plane(PlaneIndex(0, 0, 0), tile.shape, scan.resource)
    sample = tile.image_loader.sample_plane(PlaneIndex(0, 0, 0), tile.shape, scan.resource)
    assert sample.ndim == 1 and sample.dtype == pixels.dtype
    assert set(np.unique(sample)) <= set(np.unique(pixels))


def test_an_image_survives_json(source: Source, scan: Scan) -> None:
    for image in tiled_image_from_tiles(tiles=scan.tiles):
        document = json.loads(json.dumps(image.document()))
        again = TiledImage.from_document(document, type(image.collection), source.loader)
        assert again.document() == image.document()
        assert list(again.tiles) == list(image.tiles)


def test_channels_are_named_and_numbers_are_finite(scan: Scan) -> None:
    for image in tiled_image_from_tiles(tiles=scan.tiles):
        labels = [channel.channel_label for channel in image.channels]
        assert labels and len(set(labels)) == len(labels)
    for axis in "xyzt":
        assert np.isfinite(getattr(scan.tiles, axis)).all()


def test_metadata_files_are_files_of_the_source(scan: Scan) -> None:
    for file in scan.metadata_files:
        assert file.is_absolute() and file.is_file() and file.is_relative_to(scan.resource)


def test_files_are_named_relative_to_the_source(scan: Scan) -> None:
    for file in scan.tiles.loaders.source_files(scan.resource):
        assert file.is_file() and file.is_relative_to(scan.resource)
    assert Path(scan.resource).is_absolute()
    for name, column in scan.tiles.loaders.fields.items():
        assert not any(isinstance(value, str) and Path(value).is_absolute() for value in column), name


def test_a_folder_that_was_moved_makes_the_same_images(
    name: str, source: Source, plate: Path, tmp_path: Path
) -> None:
    def fingerprints(path: Path) -> list[str]:
        scan = source.scan(ScanRequest(path, plate_name="P"))
        jobs = (
            ImageJob(image, "", ConverterOptions(), OverwriteMode.EXTEND, scan.resource, name)
            for image in tiled_image_from_tiles(tiles=scan.tiles)
        )
        return [job.fingerprint() for job in jobs]

    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "simulated", moved)
    assert fingerprints(plate) == fingerprints(plate)
    assert fingerprints(moved / plate.relative_to(tmp_path / "simulated")) == fingerprints(plate)


def test_the_user_may_name_plate_and_acquisition(source: Source, plate: Path) -> None:
    scan = source.scan(ScanRequest(plate, plate_name="mine", acquisition_id=3))
    for collection in scan.tiles.collections:
        if isinstance(collection, ImageInPlate):
            assert (collection.plate_name, collection.acquisition) == ("mine", 3)


def test_a_converted_plate_equals_its_source_and_is_skipped_the_next_time(
    plate: Path, tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    images = convert(plate, dest)
    assert images
    again = tiles2zarr.convert(
        plate, dest, mode="Extend", options={"tiling_mode": "Inplace", "runtime": {"verify": True}}
    )
    assert {image.status for image in again.images} == {"skipped"}
    root = dest / images[0].split("/")[0]
    validation = tiles2zarr.validate(root, against=plate)
    assert (validation.conforms, validation.identical, validation.differences) == (True, True, ())


def test_other_readers_find_the_same_images_and_the_same_metadata(plate: Path, tmp_path: Path) -> None:
    import ngio
    import ome_types
    import zarr
    from lxml import etree

    schema = etree.XMLSchema(etree.parse(str(Path(ome_types.__file__).with_name("ome-2016-06.xsd"))))
    inside: dict[Path, list[str]] = {}
    for image in convert(plate, tmp_path / "out"):
        root, _, rest = image.partition(".zarr")
        inside.setdefault(tmp_path / "out" / f"{root}.zarr", []).append(rest.removeprefix("/"))
    for root, paths in inside.items():
        if paths != [""]:
            assert sorted(ngio.open_ome_zarr_plate(root).images_paths(max_workers=1)) == sorted(paths)
        document = (root / "OME" / "METADATA.ome.xml").read_bytes()
        schema.assertValid(etree.fromstring(document))
        described = {found.name: found.pixels for found in ome_types.from_xml(document.decode()).images}
        assert len(described) == len(paths)
        for path in paths:
            container = ngio.open_ome_zarr_container(root / path).get_image()
            shape = dict(zip(container.axes, container.shape, strict=True))
            name = path or root.relative_to(tmp_path / "out").as_posix().removesuffix(".zarr")
            pixels = described[name]
            lengths = {axis: getattr(pixels, f"size_{axis}") for axis in "tczyx"}
            assert lengths == {axis: shape.get(axis, 1) for axis in "tczyx"}
            assert [channel.name for channel in pixels.channels] == list(container.channel_labels)
            assert pixels.type.value == str(zarr.open_array(root / path / "0", mode="r").dtype)
            assert pixels.physical_size_x == pytest.approx(container.pixel_size.x)


def test_the_fractal_task_makes_the_same_images(name: str, plate: Path, tmp_path: Path) -> None:
    module = f"convert_{TASKS.get(name, name)}_init"
    init: Callable[..., Any] = getattr(importlib.import_module(f"tiles2zarr.fractal.{module}"), module)
    zarr_dir = tmp_path / "zarr"
    units = init(zarr_dir=str(zarr_dir), acquisitions=[{"path": str(plate)}], overwrite_mode="No Overwrite")[
        "parallelization_list"
    ]
    done = [convert_image_compute(**json.loads(json.dumps(unit))) for unit in units]
    listed = [update["zarr_url"] for output in done for update in output["image_list_updates"]]
    direct = tiles2zarr.convert(plate, tmp_path / "out")
    assert sorted(url.removeprefix(str(zarr_dir)) for url in listed) == sorted(
        image.zarr_url.removeprefix(str(tmp_path / "out")) for image in direct.images
    )
    for url in listed:
        twin = Path(str(tmp_path / "out") + url.removeprefix(str(zarr_dir)))
        for file in sorted(Path(url).rglob("*")):
            assert not file.is_file() or file.read_bytes() == (twin / file.relative_to(url)).read_bytes()


def test_a_format_has_a_page_and_is_listed(name: str, source: Source) -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = docs / ("tiles_table.md" if name == "table" else f"formats/{name}.md")
    assert page.is_file()
    assert source.title and source.title != name
    assert name in page.read_text(encoding="utf-8") or name == "table"


def test_when_several_formats_match_all_are_named_with_their_reasons(
    plate: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twin:
        name = "twin"

        def detect(self, path: Path) -> str | None:
            return "it looks alike"

    every = {source.name: source for source in every_source()} | {"twin": Twin()}
    monkeypatch.setattr(sources, "FORMATS", tuple(every))
    monkeypatch.setattr(sources, "source_by_name", every.__getitem__)
    monkeypatch.setattr(sources, "_RANKS", dict.fromkeys(every, 2))
    with pytest.raises(UnknownFormatError) as refused:
        detect_source(plate)
    assert f"{name} (" in str(refused.value) and "twin (it looks alike)" in str(refused.value)
