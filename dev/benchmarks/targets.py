"""What is promised of speed and memory, and how each promise is measured."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from dev.benchmarks.measuring import (
    Command,
    FailedRunError,
    Pair,
    in_turn,
    measured,
    program,
    repeated,
    size_of,
)
from dev.benchmarks.outcome import Outcome
from dev.benchmarks.plates import BenchPlate
from dev.benchmarks.sameness import refuse_unlike
from tiles2zarr.converter import Acquisition, begin, plan
from tiles2zarr.fractal.parallelization import units_of
from tiles2zarr.models import ConverterOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What is converted unless a target says otherwise: 1008 MB.
PLATE = BenchPlate()
_FLOOR_LIMIT = 1.6 if sys.version_info < (3, 13) else 1.3
_COMPUTE = Path(__file__).parents[2] / "src" / "tiles2zarr" / "fractal" / "convert_image_compute.py"
_PEER_COMPUTE = "fractal_uzh_converters.common.image_in_plate_compute_task"
_LARGE = 40  # GB of pixels
# Bytes of files that one byte of the large image's pixels becomes, all levels together: measured 0.67.
_LARGE_FILES = 0.75


@dataclass(frozen=True)
class Bench:
    """Where, with what and how often to measure.

    Attributes:
        work: a folder for plates and results; local, and with room for them.
        peer: the interpreter of the peer's environment; None: without comparisons to it.
        runs: of each program, after one for warming up.
        plate: what most programs convert.
    """

    work: Path
    peer: str | None
    runs: int
    plate: BenchPlate = PLATE

    @property
    def results(self) -> Path:
        """Where the programs write; empty before each measurement, and after it."""
        return self.work / ".benchmark-results"

    def ours(self, name: str, out: str, *arguments: object) -> Command:
        """A program in this environment that writes to a folder of the results."""
        return self._command(sys.executable, name, out, arguments)

    def theirs(self, name: str, out: str, *arguments: object) -> Command:
        """A program in the peer's environment."""
        return self._command(self.peer or "", name, out, arguments)

    def _command(self, python: str, name: str, out: str, arguments: Sequence[object]) -> Command:
        makes = self.results / out
        return Command((python, program(name), str(makes), *map(str, arguments)), makes)

    def convert(self, source: Path, out: str, workers: int = 1, **options: Any) -> Command:
        """The command that converts a folder."""
        return self.ours("convert", out, source, workers, json.dumps(options))

    def peer_convert(
        self, source: Path, out: str, ngff: str = "0.4", chunk: int = 0, shard: int = 0
    ) -> Command:
        """The command that converts a folder with the peer."""
        return self.theirs("peer_convert", out, source, ngff, chunk, shard)


Measure = Callable[[Bench], Iterator[Outcome]]


def conversion(bench: Bench) -> Iterator[Outcome]:
    """A plate of 1.0 GB against the peer and against a plain one-pass program of two threads."""
    source = bench.plate.write(bench.work)
    if bench.peer:
        pair = in_turn(bench.convert(source, "ours"), bench.peer_convert(source, "peer"), bench.runs)
        refuse_unlike(bench.results / "ours", bench.results / "peer")
        yield _by("wall of a conversion, by the peer's", 1 / 5, pair, "wall")
        yield _by("CPU of a conversion, by the peer's", 1 / 3.5, pair, "cpu")
        yield _by("peak memory of a conversion, by the peer's", 1 / 2, pair, "peak_mb")
        yield from _sizes("of a conversion", bench)
    floor = bench.ours("floor", "floor", source, 2)
    pair = in_turn(bench.convert(source, "ours"), floor, bench.runs)
    yield _by("CPU of a conversion, by a plain one-pass program", _FLOOR_LIMIT, pair, "cpu")
    yield _by("wall of a conversion, by a plain one-pass program", None, pair, "wall")


def memory(bench: Bench) -> Iterator[Outcome]:
    """Peak memory does not grow with the image, and stays within the limit."""
    plate = replace(bench.plate, wells=1, channels=1, distinct=27)
    large, small = (replace(plate, fields=fields).write(bench.work) for fields in (144, 9))
    pair = in_turn(bench.convert(large, "large"), bench.convert(small, "small"), bench.runs)
    yield _by("peak memory of 12 x 12 fields of view, by that of 3 x 3", 1.1, pair, "peak_mb")
    # One plane in a chunk: with three of them the smallest limit is refused, which keeps it too, but shows nothing.
    flat = replace(plate, fields=144, planes=1).write(bench.work)
    for limit in (0.25, 0.5, 1.0):
        runs = repeated(bench.convert(flat, "flat", runtime={"memory_limit_gib": limit}), 2)
        peak = max(run.peak_mb for run in runs.runs)
        promise = f"peak memory under a limit of {limit:g} GiB, by the limit"
        yield Outcome(promise, 1, peak / (limit * 1024), f"{peak:.0f} MB, the larger of two runs")


def start_up(bench: Bench) -> Iterator[Outcome]:
    """What every unit of work pays before it reads."""
    pair = in_turn(_python("import numpy, tiles2zarr"), _python("import numpy"), bench.runs)
    ours, plain = pair.ours.middle("cpu"), pair.theirs.middle("cpu")
    said = f"{ours:.2f} / {plain:.2f} s"
    yield Outcome("CPU of importing tiles2zarr beyond that of numpy, s", 0.3, ours - plain, said)
    if bench.peer:
        theirs = Command((bench.peer, "-c", f"import {_PEER_COMPUTE}"))
        pair = in_turn(_compute(bench), theirs, bench.runs)
        promise = (
            "CPU of the compute executable from start to end on one small tile, by the peer's imports alone"
        )
        yield _by(promise, 1 / 5, pair, "cpu")


def init(bench: Bench) -> Iterator[Outcome]:
    """Planning plates of many tiles, from a data frame to the list of units (the peer takes minutes)."""

    def size(planes: int) -> tuple[object, ...]:
        return 384, 9, 4, planes

    plate = bench.ours("init", "init", *size(10))
    if bench.peer:
        peer = bench.theirs("peer_init", "peer_init", *size(10))
        # What is timed starts when everything is imported: warming up would only double the minutes.
        pair = in_turn(plate, peer, bench.runs, warm_up=False)
        yield _by("seconds of init on 138,240 rows, by the peer's", 1 / 15, pair, "seconds")
    pair = in_turn(bench.ours("init", "init", *size(100)), plate, bench.runs, warm_up=False)
    yield _by("seconds of init on 1,382,400 rows, by those on 138,240", 11, pair, "seconds")


def layouts(bench: Bench) -> Iterator[Outcome]:
    """Small chunks, compressed input, and shards, which are written once."""
    small: dict[str, Any] = {"chunks": {"mode": "Fixed Size", "xy_chunk": 512}}
    shards = {
        **small,
        "ngff_version": "0.5",
        "shards": {"mode": "Multiple of Chunks", "xy_factor": 4},
        # The peer offers no choice of codec, and this is what it writes in Zarr v3.
        "compression": "zstd",
    }
    sharded = "shards of 4 x 4 chunks of 512 px"
    if bench.peer:
        source = bench.plate.write(bench.work)
        yield from _layout("chunks of 512 px", bench, source, small, ("0.4", 512, 0))
        yield from _layout(f"NGFF 0.5, {sharded}", bench, source, shards, ("0.5", 512, 4))
        for name in ("lzw", "zlib", "zstd"):
            source = replace(bench.plate, compression=name).write(bench.work)
            pair = in_turn(bench.convert(source, "ours"), bench.peer_convert(source, "peer"), bench.runs)
            yield _by(f"wall, {name} input, by the peer's", 1 / 4, pair, "wall")
    run = measured(bench.convert(bench.plate.write(bench.work), "ours", omezarr_options=shards))
    if written := run.said.get("bytes_written"):
        kept, _ = size_of([bench.results / "ours"])
        # A shard that is opened again for its next chunk is written again as a whole.
        promise = f"bytes handed to the system, {sharded}, by those in the files: each is written once"
        yield Outcome(promise, 1.01, written / kept, f"{written} / {kept}")


def verified(bench: Bench) -> Iterator[Outcome]:
    """One compressed OME-TIFF of 0.5 GB, converted and compared with its source, against openreadout's export."""
    file = bench.work / "stack_503_MB.ome.tif"
    if not file.exists():
        pixels = np.random.default_rng(0).poisson(300, (4, 60, 1024, 1024)).astype(np.uint16)
        unfinished = bench.work / "unfinished.ome.tif"
        tifffile.imwrite(unfinished, pixels, ome=True, metadata={"axes": "CZYX"}, compression="zlib")
        unfinished.rename(file)
    for promise, limit, codec, compression in (
        ("Blosc-lz4 here, its gzip there", 1 / 2, "blosc-lz4", "gzip"),
        ("uncompressed both", None, "none", "none"),
    ):
        ours = bench.convert(file, "ours", runtime={"verify": True}, omezarr_options={"compression": codec})
        theirs = bench.ours("openreadout_export", "exported", file, compression)
        pair = in_turn(ours, theirs, bench.runs)
        yield _by(f"wall of a verified OME-TIFF, by openreadout's export, {promise}", limit, pair, "wall")


def large(bench: Bench) -> Iterator[Outcome]:
    """One image of 40 GB under a limit of 1 GiB, from simulated sources (30 GB of disk)."""
    gigabytes, limit = _LARGE, 1.0
    needed, free = gigabytes * _LARGE_FILES, shutil.disk_usage(bench.work).free / 1e9
    if free < needed:
        msg = f"{bench.work}: expected {needed:.0f} GB of free disk for the large image, found {free:.0f} GB"
        raise FailedRunError(msg)
    options = {"runtime": {"memory_limit_gib": limit}}
    command = bench.ours("simulated", "large", gigabytes, "touching", json.dumps(options))
    run = measured(command, look_every=0.25)
    sizes = f"{run.said['bytes_in'] / 1e9:.1f} GB of pixels, {run.said['bytes_out'] / 1e9:.1f} GB of files"
    promise = f"peak memory of one image of {gigabytes} GB, by a limit of {limit:g} GiB"
    yield Outcome(
        promise, 1, run.peak_mb / (limit * 1024), f"{run.peak_mb:.0f} MB, {run.wall:.0f} s, {sizes}"
    )
    if run.resident_mb:
        first, last = _ends(run.resident_mb)
        said = f"{last:.0f} / {first:.0f} MB"
        yield Outcome("its memory in the last quarter, by that in the first", 1.1, last / first, said)


def processes(bench: Bench) -> Iterator[Outcome]:
    """Two processes against one, on a plate whose decoding keeps the processor busy, and what the machine gives two."""
    source = replace(bench.plate, wells=2 * bench.plate.wells, compression="lzw").write(bench.work)
    one, two = (
        bench.convert(source, f"by{workers}", workers=workers, runtime={"threads": 1}) for workers in (1, 2)
    )
    pair = in_turn(one, two, bench.runs)
    said = _medians(pair, "wall")
    promise = "wall of one process of one thread, by that of two"
    yield Outcome(promise, 1.8, pair.ratio("wall"), said, is_at_least=True)
    one, two = (Command((sys.executable, program("decode"), str(source), str(n))) for n in (1, 2))
    pair = in_turn(one, two, bench.runs)
    promise = (
        "the same of a program that only decodes these files: what the machine gives to a second process"
    )
    yield Outcome(promise, None, pair.ratio("wall"), _medians(pair, "wall"))


#: Every measurement, by the name that chooses it.
TARGETS: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (conversion, memory, start_up, init, layouts, verified, large, processes)
}


def measure(name: str, bench: Bench) -> Iterator[Outcome]:
    """The outcomes of one target; what its programs wrote is removed, however it ends.

    Raises:
        FailedRunError: a program failed.
    """
    shutil.rmtree(bench.results, ignore_errors=True)
    bench.results.mkdir(parents=True)
    try:
        yield from TARGETS[name](bench)
    finally:
        shutil.rmtree(bench.results)


def _layout(
    name: str, bench: Bench, source: Path, options: dict[str, Any], peer: tuple[str, int, int]
) -> Iterator[Outcome]:
    """A layout of its own: how fast, and how much of the disk."""
    ours = bench.convert(source, "ours", omezarr_options=options)
    pair = in_turn(ours, bench.peer_convert(source, "peer", *peer), bench.runs)
    yield _by(f"wall, {name}, by the peer's", 1 / 4, pair, "wall")
    yield from _sizes(name, bench)


def _sizes(name: str, bench: Bench) -> Iterator[Outcome]:
    """Bytes and files of the two results that are there."""
    (ours, our_files), (theirs, their_files) = (size_of([bench.results / out]) for out in ("ours", "peer"))
    yield Outcome(f"bytes on disk, {name}, by the peer's", 1, ours / theirs, f"{ours} / {theirs}")
    yield Outcome(
        f"files on disk, {name}, by the peer's", 1, our_files / their_files, f"{our_files} / {their_files}"
    )


def _ends(resident: Sequence[float]) -> tuple[float, float]:
    """The most memory in the first and in the last quarter of a run."""
    quarter = max(1, len(resident) // 4)
    return max(resident[:quarter]), max(resident[-quarter:])


def _compute(bench: Bench) -> Command:
    """The compute executable of Fractal with the work order of one small tile, which init has written."""
    source = BenchPlate(wells=1, fields=1, channels=1, planes=1, side=64).write(bench.work)
    names = ("zarr", "ready", "in.json", "out.json")
    zarr_dir, ready, order, result = (bench.results / name for name in names)
    planned = plan([Acquisition(source)], zarr_dir, ConverterOptions())
    begin(planned)
    (unit,) = units_of(zarr_dir, [image.job for image in planned.images])
    order.write_text(json.dumps(unit))
    shutil.copytree(zarr_dir, ready)
    task = (sys.executable, str(_COMPUTE), "--args-json", str(order), "--out-json", str(result))
    # A result that is there is refused, an image that is there is skipped, and a work order is gone once it is done.
    anew = f'rm -f "{result}" && cp -r "{ready}" "{zarr_dir}" && exec "$@"'
    return Command(("sh", "-c", anew, "sh", *task), zarr_dir)


def _python(code: str) -> Command:
    return Command((sys.executable, "-c", code))


def _by(promise: str, limit: float | None, pair: Pair, figure: str) -> Outcome:
    return Outcome(promise, limit, pair.ratio(figure), _medians(pair, figure))


def _medians(pair: Pair, figure: str) -> str:
    unit, digits = ("MB", 0) if figure == "peak_mb" else ("s", 2)
    return f"{pair.ours.middle(figure):.{digits}f} / {pair.theirs.middle(figure):.{digits}f} {unit}"
