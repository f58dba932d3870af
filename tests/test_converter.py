"""One image from its tiles to its place in the plate: written, skipped, replaced, refused, failed, killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import ngio
import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from tests import reference
from tests.layouts import (
    SMALL_IMAGES as OPTIONS,
)
from tests.layouts import (
    Layout,
    SeededLoader,
    TileSpec,
    counted_loads,
    four_fields,
    stored,
    well,
    with_levels,
)
from tests.layouts import (
    image_job as job,
)
from tiles2zarr.converter import ImageResult, convert_image, set_up_plates
from tiles2zarr.core.job import DeclaredGap, ImageJob
from tiles2zarr.core.tiled_image import tiled_image_from_tiles
from tiles2zarr.errors import OptionsError, OutputError, OutputExistsError, PreflightError, SourceError
from tiles2zarr.models import (
    ConverterOptions,
    MissingTiles,
    OverwriteMode,
    RuntimeOptions,
    SingleImage,
    StagePositionCorrections,
)
from tiles2zarr.writer.groups import read_attributes, read_ngff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
REPOSITORY = Path(__file__).resolve().parents[1]


def convert(*jobs: ImageJob, zarr_dir: Path) -> list[ImageResult]:
    set_up_plates(zarr_dir, [each.image for each in jobs], jobs[0].options)
    return [convert_image(each) for each in jobs]


def images_in_well(zarr_dir: Path, path: str = "P.zarr/B/03") -> list[str]:
    return [entry["path"] for entry in read_ngff(zarr_dir / path)["well"]["images"]]


def hidden(folder: Path) -> list[Path]:
    """Whatever has a hidden name, beside the metadata of Zarr v2."""
    names = (".zgroup", ".zattrs", ".zarray", ".zmetadata")
    return [file for file in folder.rglob(".*") if file.name not in names]


# What is written


@VERSIONS
@pytest.mark.parametrize("backend", ["csv", "anndata"])
def test_an_image_in_a_plate_from_tiles_to_what_ngio_reads(
    version: str, backend: str, tmp_path: Path
) -> None:
    layout = four_fields(attributes={"drug": "DMSO"})
    options = with_levels(OPTIONS, ngff_version=version, table_backend=backend)

    (result,) = convert(job(layout, tmp_path, options), zarr_dir=tmp_path)

    assert (result.zarr_url, result.status, result.tiles) == (str(tmp_path / "P.zarr/B/03/0"), "converted", 8)
    assert result.bytes_in == 8 * 20 * 30 * 2
    files = stored(tmp_path / "P.zarr/B/03/0")
    own = (".zgroup", ".zattrs", "zarr.json")
    assert result.bytes_out == sum(len(content) for path, content in files.items() if path not in own)
    assert (result.verified, result.error) == (None, None)
    plate = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r")
    assert plate.images_paths() == ["B/03/0"]
    assert plate.get_table("condition_table").dataframe["drug"].tolist() == ["DMSO"]
    container = plate.get_image("B", 3, "0")
    assert container.list_tables() == ["FOV_ROI_table", "well_ROI_table", "condition_table"]
    level0 = reference.mosaic(layout.shape, layout.dtype, layout.planes())
    for level, expected in enumerate(reference.pyramid(level0, 3)):
        np.testing.assert_array_equal(container.get_image(path=str(level)).get_as_numpy(), expected)
    assert not hidden(tmp_path)


@VERSIONS
def test_ome_zarr_py_shows_the_wells_of_a_plate_side_by_side(version: str, tmp_path: Path) -> None:
    layouts = [four_fields(well(column), content=kind) for column, kind in ((1, "noise"), (2, "sparse"))]
    options = with_levels(OPTIONS, ngff_version=version)
    convert(*(job(layout, tmp_path, options) for layout in layouts), zarr_dir=tmp_path)

    (plate,) = Reader(parse_url(tmp_path / "P.zarr", mode="r"))()

    expected = [reference.mosaic(layout.shape, layout.dtype, layout.planes()) for layout in layouts]
    np.testing.assert_array_equal(plate.data[0].compute(), np.concatenate(expected, axis=-1))


def test_the_record_says_what_was_done(tmp_path: Path) -> None:
    this = job(four_fields(), tmp_path, format="table")
    convert(this, zarr_dir=tmp_path)
    record = (read_attributes(this.target) or {})["tiles2zarr"]
    assert set(record) == {
        "version",
        "encoder",
        "acquisition",
        "plate_name",
        "fingerprint",
        "sources",
        "level0",
        "verified",
        "bytes",
        "format",
        "tiling",
        "options",
    }
    assert record["fingerprint"] == this.fingerprint()
    assert (record["format"], record["tiling"], record["acquisition"]) == ("table", "Snap to Grid", 0)
    assert "runtime" not in record["options"]
    assert ConverterOptions.model_validate(record["options"]) == OPTIONS


def test_where_and_with_how_many_threads_does_not_show_in_a_byte(tmp_path: Path) -> None:
    for threads, folder in ((1, "one"), (4, "some/where/else")):
        runtime = RuntimeOptions(threads=threads, memory_limit_gib=threads)
        options = OPTIONS.model_copy(update={"runtime": runtime})
        mode = OverwriteMode.OVERWRITE if threads == 4 else OverwriteMode.NO_OVERWRITE
        convert(job(four_fields(), tmp_path / folder, options, mode), zarr_dir=tmp_path / folder)
    assert stored(tmp_path / "one") == stored(tmp_path / "some/where/else")


def test_an_image_of_its_own_needs_no_plate(tmp_path: Path) -> None:
    layout = four_fields(SingleImage(image_path="slides/7"))
    convert(job(layout, tmp_path), zarr_dir=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["slides"]
    assert [file.name for file in (tmp_path / "slides").iterdir()] == ["7.zarr"]
    image = ngio.open_ome_zarr_container(tmp_path / "slides/7.zarr", mode="r").get_image()
    np.testing.assert_array_equal(
        image.get_as_numpy(), reference.mosaic(layout.shape, layout.dtype, layout.planes())
    )


def test_fields_that_are_images_are_all_listed_in_their_well(tmp_path: Path) -> None:
    layout = four_fields()
    images = tiled_image_from_tiles(tiles=layout.image().tiles, split_per_fov=True)
    jobs = [
        ImageJob(image, str(tmp_path / image.path), OPTIONS, OverwriteMode.NO_OVERWRITE) for image in images
    ]
    convert(*jobs, zarr_dir=tmp_path)
    assert images_in_well(tmp_path) == ["0f0", "0f1", "0f2", "0f3"]
    for number in range(4):
        array = zarr.open_array(tmp_path / f"P.zarr/B/03/0f{number}/0", mode="r")
        expected = [layout.loader(2 * number + c).pixels()[0, 0] for c in range(2)]
        np.testing.assert_array_equal(array[0], expected)


def test_without_headers_the_pixel_type_is_that_of_the_pixels(tmp_path: Path) -> None:
    layout = replace(four_fields(), dtype="float64")
    this = job(layout, tmp_path)
    assert this.image.data_type is None
    convert(this, zarr_dir=tmp_path)
    assert zarr.open_array(this.target / "0", mode="r").dtype == "float64"


def test_every_plane_is_decoded_once(tmp_path: Path) -> None:
    this = job(four_fields(), tmp_path)
    this = this.with_image(replace(this.image, data_type="uint16"))
    with counted_loads() as loads:
        convert(this, zarr_dir=tmp_path)
    assert set(loads.values()) == {1}
    assert len(loads) == 8


def test_progress_counts_every_pixel(tmp_path: Path) -> None:
    told: list[int] = []
    convert_image(job(four_fields(SingleImage(image_path="a")), tmp_path), progress=told.append)
    assert sum(told) == 2 * 40 * 60


def test_images_converted_side_by_side_equal_those_converted_one_by_one(tmp_path: Path) -> None:
    layouts = [four_fields(well(column, acquisition)) for column in (1, 2, 3) for acquisition in (0, 1)]
    one_by_one = [job(layout, tmp_path / "one") for layout in layouts]
    convert(*one_by_one, zarr_dir=tmp_path / "one")

    side_by_side = [job(layout, tmp_path / "many") for layout in layouts]
    set_up_plates(tmp_path / "many", [each.image for each in side_by_side], OPTIONS)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: convert_image(each, share=6), side_by_side))

    assert stored(tmp_path / "many") == stored(tmp_path / "one")
    assert not hidden(tmp_path)


# Modes


def test_no_overwrite_refuses_what_is_there_and_keeps_it(tmp_path: Path) -> None:
    convert(job(four_fields(), tmp_path), zarr_dir=tmp_path)
    before = stored(tmp_path)
    with pytest.raises(
        OutputExistsError, match=r"P\.zarr/B/03/0: expected no image, found one: use mode Extend"
    ):
        convert(job(four_fields(content="sparse"), tmp_path), zarr_dir=tmp_path)
    assert stored(tmp_path) == before
    assert not hidden(tmp_path)


def test_a_job_that_was_done_already_is_a_success_in_every_mode_but_overwrite(tmp_path: Path) -> None:
    """A scheduler that lost a node asks again for what had been finished."""
    for mode, expected in (("No Overwrite", "converted"), ("No Overwrite", "skipped"), ("Extend", "skipped")):
        (result,) = convert(job(four_fields(), tmp_path, mode=OverwriteMode(mode)), zarr_dir=tmp_path)
        assert result.status == expected


def test_extend_skips_what_is_complete_without_touching_it(tmp_path: Path) -> None:
    convert(job(four_fields(), tmp_path), zarr_dir=tmp_path)
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    with counted_loads() as loads:
        (result,) = convert(job(four_fields(), tmp_path, mode=OverwriteMode.EXTEND), zarr_dir=tmp_path)
    assert result.status == "skipped"
    assert result.bytes_out > 0
    assert not loads
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()} == times


def test_extend_lists_a_complete_image_that_its_well_does_not(tmp_path: Path) -> None:
    """What a kill between publishing and listing leaves."""
    convert(job(four_fields(), tmp_path), zarr_dir=tmp_path)
    listed = tmp_path / "P.zarr/B/03/.zattrs"
    listed.write_text(json.dumps({"well": {"version": "0.4", "images": []}}))
    convert(job(four_fields(), tmp_path, mode=OverwriteMode.EXTEND), zarr_dir=tmp_path)
    assert images_in_well(tmp_path) == ["0"]


def test_extend_adds_other_wells_and_acquisitions(tmp_path: Path) -> None:
    for place in (well(3, 0), well(3, 1), well(5, 0)):
        convert(job(four_fields(place), tmp_path, mode=OverwriteMode.EXTEND), zarr_dir=tmp_path)
    assert images_in_well(tmp_path) == ["0", "1"]
    assert sorted(ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r").images_paths(max_workers=1)) == [
        "B/03/0",
        "B/03/1",
        "B/05/0",
    ]


@pytest.mark.parametrize("what", ["tiles", "options"])
def test_extend_refuses_another_image_in_the_same_place(what: str, tmp_path: Path) -> None:
    convert(job(four_fields(), tmp_path), zarr_dir=tmp_path)
    before = stored(tmp_path)
    layout = four_fields(content="sparse") if what == "tiles" else four_fields()
    options = OPTIONS if what == "tiles" else with_levels(OPTIONS, num_levels=2)
    difference = {
        "tiles": r"other tiles \(their files, places, channels, pixel size or conditions\)",
        "options": r"other options \(omezarr_options.num_levels = 3, now 2\)",
    }
    with pytest.raises(
        OutputExistsError,
        match=f"expected no image or this very one, found one made (from|with) {difference[what]}: use mode Overwrite",
    ):
        convert(job(layout, tmp_path, options, OverwriteMode.EXTEND), zarr_dir=tmp_path)
    assert stored(tmp_path) == before


def test_overwrite_replaces_the_named_image_and_nothing_else(tmp_path: Path) -> None:
    kept = job(four_fields(well(3, 1), attributes={"drug": "kept"}), tmp_path)
    old = job(four_fields(attributes={"drug": "old"}), tmp_path)
    convert(kept, old, zarr_dir=tmp_path)
    before = stored(kept.target)

    layout = four_fields(content="sparse", attributes={"drug": "new"})
    new = job(layout, tmp_path, mode=OverwriteMode.OVERWRITE)
    (result,) = convert(new, zarr_dir=tmp_path)

    assert result.status == "converted"
    assert stored(kept.target) == before
    level0 = reference.mosaic(layout.shape, layout.dtype, layout.planes())
    np.testing.assert_array_equal(zarr.open_array(new.target / "0", mode="r")[...], level0)
    assert images_in_well(tmp_path) == ["0", "1"]
    table = ngio.open_ome_zarr_plate(tmp_path / "P.zarr", mode="r").get_table("condition_table")
    assert table.dataframe["drug"].tolist() == ["new", "kept"]
    assert not hidden(tmp_path)


def test_overwrite_redoes_the_very_same_image(tmp_path: Path) -> None:
    convert(job(four_fields(), tmp_path), zarr_dir=tmp_path)
    before = stored(tmp_path)
    (result,) = convert(job(four_fields(), tmp_path, mode=OverwriteMode.OVERWRITE), zarr_dir=tmp_path)
    assert result.status == "converted"
    assert stored(tmp_path) == before


def test_the_same_image_asked_for_by_several_at_once_is_converted_once(tmp_path: Path) -> None:
    jobs = [job(four_fields(), tmp_path, mode=OverwriteMode.EXTEND) for _ in range(4)]
    set_up_plates(tmp_path, [jobs[0].image], OPTIONS)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convert_image, jobs))
    assert sorted(result.status for result in results) == ["converted", "skipped", "skipped", "skipped"]
    assert images_in_well(tmp_path) == ["0"]


# Failures


@contextlib.contextmanager
def nothing_stray(zarr_dir: Path) -> Iterator[None]:
    """What was there before the block is there after it, and nothing else, and no thread is left."""
    before = stored(zarr_dir)
    yield
    assert stored(zarr_dir) == before
    assert not hidden(zarr_dir)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unit")]


def broken(layout: Layout, pixels: Any) -> Any:
    """A loader whose sixth tile is something else."""

    class Broken(SeededLoader):
        def load_plane(self, plane: Any, shape: Any, resource: Any | None = None) -> NDArray[Any]:
            if self.seed != 5:
                return super().load_plane(plane, shape, resource)
            if isinstance(pixels, Exception):
                raise pixels
            found: NDArray[Any] = pixels
            return found

    return Broken


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (
            OSError(5, "Input/output error"),
            r"F2 \(C1, z-plane 0, timepoint 0\).*cannot be read: Input/output error",
        ),
        (np.zeros((3, 3), np.uint16), r"F2 \(C1, .*expected 20 x 30 px \(height x width\), found 3 x 3"),
        (np.zeros((20, 30), np.float64), r"F2 \(C1, .*expected pixels that fit uint16, found float64"),
    ],
)
def test_a_tile_that_is_not_what_it_should_be_fails_the_image_and_leaves_nothing(
    pixels: Any,
    message: str,
    is_there: bool,
    threads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_up_plates(tmp_path, [four_fields().image()], OPTIONS)
    if is_there:
        convert_image(job(four_fields(content="sparse"), tmp_path))
    monkeypatch.setattr("tests.layouts.SeededLoader", broken(four_fields(), pixels))
    options = OPTIONS.model_copy(update={"runtime": RuntimeOptions(threads=threads)})
    failing = job(four_fields(), tmp_path, options, OverwriteMode.OVERWRITE)
    failing = failing.with_image(replace(failing.image, data_type="uint16"))
    with nothing_stray(tmp_path), pytest.raises(SourceError, match=message):
        convert_image(failing)
    assert images_in_well(tmp_path) == (["0"] if is_there else [])


def test_a_mistake_of_ours_keeps_its_own_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_plates(tmp_path, [four_fields().image()], OPTIONS)
    monkeypatch.setattr("tests.layouts.SeededLoader", broken(four_fields(), ZeroDivisionError("a bug")))
    with nothing_stray(tmp_path), pytest.raises(ZeroDivisionError, match="a bug"):
        convert_image(job(four_fields(), tmp_path))


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    set_up_plates(tmp_path, [four_fields().image()], OPTIONS)
    with nothing_stray(tmp_path), pytest.raises(KeyboardInterrupt):
        convert_image(job(four_fields(), tmp_path), progress=interrupt)


def test_tiles_that_make_no_image_are_refused_with_their_findings(tmp_path: Path) -> None:
    layout = four_fields()
    twice = replace(layout, tiles=(*layout.tiles, layout.tiles[0]))
    set_up_plates(tmp_path, [layout.image()], OPTIONS)
    with nothing_stray(tmp_path), pytest.raises(PreflightError) as caught:
        convert_image(job(twice, tmp_path))
    assert {finding.code for finding in caught.value.findings} == {"duplicate-place"}


def test_a_memory_limit_that_cannot_hold_is_refused(tmp_path: Path) -> None:
    layout = Layout((TileSpec(0, 0, 9000, 9000, content="zeros"),), collection=SingleImage(image_path="a"))
    options = ConverterOptions(runtime=RuntimeOptions(memory_limit_gib=0.2))
    huge = job(layout, tmp_path, options)
    with pytest.raises(OptionsError, match="expected to stay within memory_limit_gib"):
        convert_image(huge.with_image(replace(huge.image, data_type="uint16")))
    assert not hidden(tmp_path)


def test_a_destination_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (
        lambda: set_up_plates(tmp_path / "file" / "out", [four_fields().image()], OPTIONS),
        lambda: convert_image(job(four_fields(), tmp_path / "file")),
    ):
        with pytest.raises(OutputError, match=r"file.*: cannot be written: Not a directory .*: free space"):
            write()


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.layouts import Layout, grid_of_tiles, image_job, with_levels
from tiles2zarr.converter import convert_image
from tiles2zarr.errors import OutputError
from tiles2zarr.models import ConverterOptions, FixedSizeChunking, SingleImage
layout = Layout(grid_of_tiles(2, 2, 256, 256), collection=SingleImage(image_path="a"))
options = with_levels(
    ConverterOptions(), ngff_version=sys.argv[2], chunks=FixedSizeChunking(xy_chunk=256), compression="none"
)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    convert_image(image_job(layout, Path(sys.argv[1]), options))
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limits of files")
@VERSIONS
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(version: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", FULL_DISK, str(tmp_path), version]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{tmp_path}/a.zarr: cannot be written: File too large: free space or grant access, "
        "then run again with mode Extend"
    ]
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.layouts import SMALL_IMAGES, four_fields, image_job
from tiles2zarr.converter import convert_image, set_up_plates
folder, moment = Path(sys.argv[1]), int(sys.argv[2])
this = image_job(four_fields(), folder)
set_up_plates(folder, [this.image], SMALL_IMAGES)
calls = 0
def trace(frame, event, argument):
    global calls
    if event == "call" and "/tiles2zarr/" in frame.f_code.co_filename:
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(trace)
convert_image(this)
sys.setprofile(None)
print(calls)
"""


def killed_at(folder: Path, moment: int) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", KILLED, str(folder), str(moment)]
    return subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def check_kills(tmp_path: Path, count: int) -> None:
    whole = killed_at(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    expected = stored(tmp_path / "whole")
    for moment in np.linspace(1, int(whole.stdout), count, dtype=int):
        folder = tmp_path / str(moment)
        assert killed_at(folder, int(moment)).returncode == -9
        (result,) = convert(job(four_fields(), folder, mode=OverwriteMode.EXTEND), zarr_dir=folder)
        assert result.status in ("converted", "skipped")
        found = {path: content for path, content in stored(folder).items() if not path.endswith(".part")}
        assert found == expected
        assert not [file for file in hidden(folder) if file.suffix != ".part"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_kill_at_any_moment_costs_no_more_than_the_image_in_work(tmp_path: Path) -> None:
    check_kills(tmp_path, 5)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_sixty_kills_cost_no_more_than_the_image_in_work(tmp_path: Path) -> None:
    check_kills(tmp_path, 60)


# Gaps


def with_gap() -> Layout:
    """3 z-planes of two fields; the second field lacks the middle one, and stands 10 planes higher."""
    specs = [TileSpec(0, 0, 8, 8, z=z, fov="A") for z in range(3)]
    specs += [TileSpec(0, 8, 8, 8, z=10 + z, fov="B") for z in (0, 2)]
    return Layout(tuple(specs), axes="czyx")


PER_FOV = OPTIONS.model_copy(
    update={"alignment_correction": StagePositionCorrections(remove_z_offset="Per-FOV")}
)


def test_a_lost_plane_fails_the_image(tmp_path: Path) -> None:
    with pytest.raises(
        PreflightError, match=r"B \(C0, z-plane 1, timepoint 0\): expected a tile, found none"
    ):
        convert(job(with_gap(), tmp_path, PER_FOV), zarr_dir=tmp_path)


def test_a_lost_plane_is_filled_and_recorded_when_asked_for(tmp_path: Path) -> None:
    options = PER_FOV.model_copy(update={"missing_tiles": MissingTiles.FILL})
    this = job(with_gap(), tmp_path, options)
    convert(this, zarr_dir=tmp_path)
    table = ngio.open_ome_zarr_container(this.target, mode="r").get_table("gaps").dataframe
    assert table.to_dict("records") == [
        {"fov_name": "B", "c": 0, "t": 0, "z_start": 1, "z_stop": 2, "known": "no", "reason": "no tile"}
    ]
    assert not zarr.open_array(this.target / "0", mode="r")[0, 1, :, 8:].any()


def test_a_plane_that_the_source_says_was_not_taken_is_a_known_gap(tmp_path: Path) -> None:
    declared = (DeclaredGap("B", c=0, z=11 * 2.0, t=0.0, reason="ERR"),)
    this = job(with_gap(), tmp_path, PER_FOV, declared_gaps=declared)
    convert(this, zarr_dir=tmp_path)
    table = ngio.open_ome_zarr_container(this.target, mode="r").get_table("gaps").dataframe
    assert table[["fov_name", "z_start", "z_stop", "known", "reason"]].to_dict("records") == [
        {"fov_name": "B", "z_start": 1, "z_stop": 2, "known": "yes", "reason": "ERR"}
    ]


def test_lack_of_memory_fails_the_image_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(size: int) -> NoReturn:
        raise MemoryError(f"{size} bytes")

    monkeypatch.setattr("tiles2zarr.writer.blocks.fresh_memory", none_left)
    task = job(four_fields(), tmp_path)
    with pytest.raises(OptionsError, match="found that the system has no more: use fewer workers"):
        convert_image(task)
    assert not task.target.exists()
