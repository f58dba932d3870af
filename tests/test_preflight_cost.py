"""What looking at the headers of all files costs: one open for each, no pixel beyond a bounded sample, seconds."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from tests.table_plates import pixels_of, small_plate
from tiles2zarr import inspect
from tiles2zarr.models import row_name

if TYPE_CHECKING:
    from pathlib import Path

PLANES_PER_CHANNEL = 32
# Opens of every TIFF, and calls of all that turns bytes into pixels.
COUNTING = """
import json, os, sys
from collections import Counter
opened, decoded = Counter(), Counter()

def heard(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".tif"):
        opened[os.path.basename(arguments[0])] += 1

def counted(owner, name):
    function = getattr(owner, name)
    def call(*arguments, **options):
        decoded[name] += 1
        return function(*arguments, **options)
    setattr(owner, name, call)

import tifffile
from tiles2zarr import inspect
from tiles2zarr.models import image_files
counted(image_files, "read_plane")
counted(image_files, "sample_plane")
counted(tifffile.TiffPage, "asarray")
sys.addaudithook(heard)
found = inspect(sys.argv[1], options=json.loads(sys.argv[2]))
print(json.dumps({
    "findings": [str(finding) for finding in found.findings],
    "tiles": sum(len(image.job.image.tiles) for image in found.plan.images),
    "opened": opened,
    "decoded": decoded,
}))
"""
# 4 wells x 5 fields x 2 channels x 4 z-planes.
SIZE: dict[str, Any] = {"wells": tuple((row_name(n), 1) for n in range(4)), "fields": 5, "planes": 4}
FILES = 4 * 5 * 2 * 4


def look(source: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What was opened and decoded by a process that inspects a folder."""
    command = [sys.executable, "-c", COUNTING, str(source), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["tiles"], document["findings"]) == (FILES, [])
    return document


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_preflight_opens_a_file_once_and_decodes_a_bounded_sample(
    tmp_path: Path, compression: str | None
) -> None:
    plate = small_plate(tmp_path / "plate", **SIZE)
    plate.write()
    for name, pixels in plate.pixels.items():
        tifffile.imwrite(plate.folder / name, pixels, compression=compression, photometric="minisblack")
    found = look(plate.folder, {})
    assert found["decoded"] == {"sample_plane": 2 * PLANES_PER_CHANNEL}
    assert set(found["opened"]) == set(plate.pixels)
    assert max(found["opened"].values()) <= 2
    assert sum(found["opened"].values()) == FILES + 2 * PLANES_PER_CHANNEL


def test_preflight_decodes_nothing_where_display_ranges_are_stated(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", **SIZE)
    channels = [{"channel_label": label, "window": [0, 255]} for label in ("DAPI", "GFP")]
    found = look(plate.write(), {"acquisition": {"channels": channels}})
    assert found["decoded"] == {}
    assert found["opened"] == dict.fromkeys(plate.pixels, 1)


def many_files(folder: Path) -> Path:
    """A plate of 10,000 files, each of its own although the same in content: 25 wells x 4 fields x 4 c x 25 z."""
    folder.mkdir()
    model = folder / "model.tif"
    tifffile.imwrite(model, pixels_of(1, side=(64, 64)), photometric="minisblack")
    content = model.read_bytes()
    names = ["file_path", "row", "column", "fov_name", "start_x", "start_y", "start_z", "start_c"]
    with (folder / "tiles.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([*names, "length_x", "length_y"])
        for number, (well, field, channel, plane) in enumerate(np.ndindex(25, 4, 4, 25)):
            (folder / f"{number}.tif").write_bytes(content)
            place = (row_name(well), 1, f"F{field}", 32.0 * field, 0.0, 2.0 * plane, channel)
            writer.writerow([f"{number}.tif", *place, 64, 64])
    (folder / "acquisition_details.toml").write_text("pixelsize = 0.5\nz_spacing = 2.0\n")
    return folder


@pytest.mark.benchmark
def test_preflight_of_10_000_local_files_takes_at_most_6_seconds(tmp_path: Path) -> None:
    source = many_files(tmp_path / "plate")
    inspect(
        small_plate(tmp_path / "small").write()
    )  # imports are paid for once, however many files there are
    wall, cpu = time.perf_counter(), time.process_time()
    found = inspect(source)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"preflight of 10,000 files: {wall:.2f} s, {cpu:.2f} CPU s")
    assert found.findings == ()
    assert sum(len(image.job.image.tiles) for image in found.plan.images) == 10_000
    assert wall <= 6
    assert cpu <= 6
