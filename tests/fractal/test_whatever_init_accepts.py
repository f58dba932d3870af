"""Whatever init accepts, compute completes, and every pixel verifies: random tables under random options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.layouts import omezarr_options, quick_folder
from tests.table_plates import PIXEL_SIZE, TablePlate, pixels_of
from tiles2zarr.errors import Tiles2ZarrError
from tiles2zarr.fractal.acquisition_forms import PlateTableForm
from tiles2zarr.fractal.convert_image_compute import convert_image_compute
from tiles2zarr.fractal.init_run import start_run
from tiles2zarr.inspection.validate import validate
from tiles2zarr.models import (
    AcquisitionOptions,
    ConverterOptions,
    Grouping,
    ImageInPlate,
    MissingTiles,
    OffsetRemoval,
    OverlapMode,
    OverwriteMode,
    RuntimeOptions,
    StageOrientation,
    StagePositionCorrections,
    TilingMode,
    ZOffsetRemoval,
)
from tiles2zarr.writer.plate import completion_record

if TYPE_CHECKING:
    from pathlib import Path

TYPES = ("uint8", "uint16", "int16", "uint32", "float32")


@st.composite
def tables(draw: st.DrawFn, folder: Path) -> TablePlate:
    """A plate of up to two wells: fields anywhere, overlapping or apart, planes missing, one file twice."""
    plate = TablePlate(folder)
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    dtype = draw(st.sampled_from(TYPES))
    step = draw(st.sampled_from([1.0, 1.0, 0.8, 1.5]))
    jitter = st.sampled_from([0.0, 0.0, 0.1, 1.0, 7.3])
    lost = draw(st.sampled_from([0, 0, 0, 1, 3]))
    planes = [
        (t, c, z)
        for t in range(draw(st.integers(1, 2)))
        for c in range(2)
        for z in range(draw(st.integers(1, 3)))
    ]
    for well in range(draw(st.integers(1, 2))):
        for field in range(draw(st.integers(1, 4))):
            dx, dy, dz = draw(jitter), draw(jitter), draw(st.sampled_from([0.0, 0.0, 4.0]))
            for t, c, z in planes:
                name = f"w{well}f{field}t{t}c{c}z{z}.tif"
                plate.add(
                    name,
                    pixels_of(well, field, t, c, z, side=(height, width), dtype=dtype),
                    row="AB"[well],
                    column=1 + 46 * well,
                    fov_name=draw(st.sampled_from([f"F{field}", f"F{field}", f"{field}.5"]))
                    if not (t or c or z)
                    else plate.rows[-1]["fov_name"],
                    start_x=dx + (field % 2) * step * width * PIXEL_SIZE,
                    start_y=dy + (field // 2) * step * height * PIXEL_SIZE,
                    start_z=dz + 2.0 * z,
                    start_c=c,
                    start_t=60.0 * t,
                    drug=draw(st.sampled_from(["DMSO", "taxol", ""])) if not field else "",
                )
    for _ in range(lost):
        if len(plate.rows) > 1:
            plate.rows.pop(draw(st.integers(0, len(plate.rows) - 1)))
    if draw(st.integers(0, 9)) == 0:
        name = plate.rows[-1]["file_path"]
        plate.pixels[name] = np.zeros((height + 1, width), dtype)  # not as the table says
    return plate


options = st.builds(
    ConverterOptions,
    tiling_mode=st.sampled_from(list(TilingMode)),
    tiling_tolerance=st.sampled_from([0.0, 1.0, 20.0]),
    max_displacement=st.sampled_from([None, None, 2.0]),
    grouping=st.sampled_from(list(Grouping)),
    overlap_mode=st.sampled_from(list(OverlapMode)),
    missing_tiles=st.sampled_from(list(MissingTiles)),
    alignment_correction=st.builds(
        StagePositionCorrections,
        remove_xy_offset=st.sampled_from(list(OffsetRemoval)),
        remove_z_offset=st.sampled_from(list(ZOffsetRemoval)),
        remove_t_offset=st.sampled_from(list(OffsetRemoval)),
        remove_xy_jitter=st.booleans(),
    ),
    omezarr_options=omezarr_options(),
    runtime=st.builds(RuntimeOptions, threads=st.sampled_from([None, 1, 3]), verify=st.booleans()),
    acquisition=st.builds(
        AcquisitionOptions,
        stage_orientation=st.builds(
            StageOrientation, flip_x=st.booleans(), flip_y=st.booleans(), swap_xy=st.booleans()
        ),
        data_type=st.sampled_from(["autodetect", "autodetect", "uint32", "float32"]),
    ),
)


def check(data: st.DataObject, chosen: ConverterOptions) -> None:
    with quick_folder() as folder:
        plate = data.draw(tables(folder / "source"))
        plate.write()
        zarr_dir = folder / "zarr"
        acquisitions = [PlateTableForm(path=str(plate.folder), plate_name="P")]
        try:
            output = start_run(
                "table", str(zarr_dir), acquisitions, OverwriteMode.NO_OVERWRITE, chosen, makes=ImageInPlate
            )
        except Tiles2ZarrError as error:
            assert not zarr_dir.exists(), error
            event("refused")
            return
        event("accepted")
        units: list[dict[str, Any]] = json.loads(json.dumps(output["parallelization_list"]))
        for unit in units:
            update = convert_image_compute(**unit)
            assert update["image_list_updates"][0]["zarr_url"] == unit["zarr_url"]
        assert not [file for file in zarr_dir.iterdir() if file.name != "P.zarr"]
        validation = validate(zarr_dir, against=plate.folder)
        assert validation.conforms, validation.findings
        assert validation.identical, (validation.differences, validation.findings)
        assert validation.images == len(units)
        for unit in units:
            record = completion_record(zarr_dir / unit["zarr_url"]) or {}
            assert record["verified"] is chosen.runtime.verify
        assert validate(zarr_dir).is_sound


SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW_IS_FINE)
@given(st.data(), options)
def test_whatever_init_accepts_compute_completes_and_verifies(
    data: st.DataObject, chosen: ConverterOptions
) -> None:
    check(data, chosen)


@pytest.mark.slow
@pytest.mark.parametrize("series", range(8))
@settings(max_examples=200, deadline=None, suppress_health_check=SLOW_IS_FINE)
@given(data=st.data(), chosen=options)
def test_whatever_init_accepts_compute_completes_and_verifies_at_length(
    series: int, data: st.DataObject, chosen: ConverterOptions
) -> None:
    check(data, chosen)
