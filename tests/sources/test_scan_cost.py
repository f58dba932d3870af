"""A scan reads metadata only: 100,000 planes of any format within 20 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.simulators import (
    czi,
    imagexpress,
    imagexpress_hcsai,
    lif,
    nd2,
    ome_tiff,
    operetta,
    scanr,
    yokogawa,
)
from tests.table_plates import TablePlate
from tiles2zarr.models import row_name
from tiles2zarr.sources import source_by_name
from tiles2zarr.sources.base import ScanRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.benchmark

SECONDS = 20
# 384 wells of 9 fields of view, 2 channels and 15 z-planes.
ROWS, COLUMNS, FIELDS, CHANNELS, PLANES = 16, 24, 9, 2, 15
COUNT = ROWS * COLUMNS * FIELDS * CHANNELS * PLANES
WELLS = tuple(f"{row_name(row)}{column:02d}" for row in range(ROWS) for column in range(1, COLUMNS + 1))
OFFSETS = tuple((16.0 * x, 12.0 * y) for y in range(3) for x in range(3))


def table_plate(folder: Path) -> Path:
    plate = TablePlate(folder)
    plate.folder.mkdir(exist_ok=True)
    for well in WELLS:
        for field, (x, y) in enumerate(OFFSETS):
            place = {"row": well[0], "column": int(well[1:]), "fov_name": f"F{field}", "start_x": x}
            size = {"start_y": y, "length_x": 16, "length_y": 12}
            for c in range(CHANNELS):
                for z in range(PLANES):
                    name = f"{well}_{field}_{c}_{z}.tif"
                    plate.rows.append({"file_path": name, **place, **size, "start_c": c, "start_z": z})
    plate.write_table()
    (folder / "acquisition_details.toml").write_text(plate.details)
    return folder


def operetta_plate(folder: Path) -> Path:
    plate = operetta.Measurement(
        wells=tuple((row + 1, column + 1) for row in range(ROWS) for column in range(COLUMNS)),
        offsets=tuple((x * 1e-6, -y * 1e-6) for x, y in OFFSETS),
        planes=PLANES,
    )
    return operetta.write(folder / "plate", plate, pixels=False)


def yokogawa_plate(folder: Path) -> Path:
    plate = yokogawa.Measurement(
        wells=WELLS, fields=OFFSETS, size_z=PLANES, columns=COLUMNS, rows=ROWS, has_pixels=False
    )
    return plate.write(folder)


def cq_plate(folder: Path) -> Path:
    return yokogawa.Measurement(
        is_cq=True, wells=WELLS, fields=OFFSETS, size_z=PLANES, columns=COLUMNS, rows=ROWS, has_pixels=False
    ).write(folder)


def imagexpress_plate(folder: Path) -> Path:
    return imagexpress.Plate(wells=WELLS, offsets=OFFSETS, planes=PLANES).write(folder)


def hcsai_plate(folder: Path) -> Path:
    return imagexpress_hcsai.Run(wells=WELLS, offsets=OFFSETS, planes=PLANES).write(folder)


def scanr_plate(folder: Path) -> Path:
    wells = tuple((number, f"{name[0]}{int(name[1:])}") for number, name in enumerate(WELLS, start=1))
    return scanr.Scanr(wells=wells, grid=(3, 3), size_z=PLANES).write(folder, images=False)


def ome_tiff_file(folder: Path) -> Path:
    image = ome_tiff.Image(size_z=PLANES, size_t=COUNT // (PLANES * CHANNELS), height=4, width=4)
    return ome_tiff.OmeTiff(images=(image,), big=True).write(folder)


def ome_tiff_files(folder: Path) -> Path:
    image = ome_tiff.Image(channels=("DAPI",), size_z=1, height=4, width=4)
    source = ome_tiff.OmeTiff(images=(image,)).write(folder / "one")
    file = source if source.is_file() else next(source.glob("*.tif"))
    content = file.read_bytes()
    many = folder / "many"
    many.mkdir()
    for number in range(COUNT):
        (many / f"{number:06d}.ome.tif").write_bytes(content)
    return many


def czi_file(folder: Path) -> Path:
    tiles = tuple((round(y), round(x)) for x, y in OFFSETS)
    scenes = tuple(
        czi.Scene(name=name, tiles=tiles, well=(1 + number // COLUMNS, 1 + number % COLUMNS))
        for number, name in enumerate(WELLS)
    )
    return czi.Czi(scenes=scenes, size_z=PLANES, height=12, width=16).write(folder / "plate.czi")


def lif_file(folder: Path) -> Path:
    series = lif.Series(axes={"x": 4, "y": 4, "c": CHANNELS, "z": PLANES, "t": COUNT // (CHANNELS * PLANES)})
    file = folder / "a.lif"
    lif.write_lif(file, (series,))
    return file


def nd2_file(folder: Path) -> Path:
    points = tuple(nd2.Point(x, y) for x, y in OFFSETS)
    size_t = COUNT // (CHANNELS * PLANES * FIELDS)
    plate = nd2.Nd2(size_z=PLANES, size_t=size_t, points=points, height=4, width=4)
    return plate.write(folder / "a.nd2")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("table", table_plate),
        ("operetta", operetta_plate),
        ("cellvoyager", yokogawa_plate),
        ("cq3k", cq_plate),
        ("imagexpress", imagexpress_plate),
        ("imagexpress_hcsai", hcsai_plate),
        ("scanr", scanr_plate),
        ("ome_tiff", ome_tiff_file),
        ("ome_tiff", ome_tiff_files),
        ("czi", czi_file),
        ("lif", lif_file),
        ("nd2", nd2_file),
    ],
)
def test_a_hundred_thousand_planes_are_scanned_within_twenty_seconds(
    tmp_path: Path, name: str, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    source = source_by_name(name)
    assert source.detect(path) is not None
    started, worked = time.monotonic(), time.process_time()
    scan = source.scan(ScanRequest(path))
    wall, cpu = time.monotonic() - started, time.process_time() - worked
    print(f"\n{name}: {len(scan.tiles)} tiles, {wall:.1f} s, {cpu:.1f} CPU s")
    assert len(scan.tiles) == COUNT
    assert wall <= SECONDS
