"""Two acquisitions of one plate, what becomes of them uninterrupted, and runs that are killed on the way."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tests.interruptions.runs import PAUSE, Run, Starter, moments_of
from tests.interruptions.stores import assert_pixels, attributes, final_names, images_of, look, stray, tree
from tests.table_plates import small_plate
from tiles2zarr.writer.groups import group_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.interruptions.stores import Pixels, Tree

LEVELS = 3
WELLS = (("A", 1), ("B", 2), ("C", 3))
Kind = Literal["add", "replace"]
#: A phase of a run and a share of its moments; or ``time`` or ``progress`` and a share of the whole run.
When = tuple[str, float]


@dataclass
class Scene:
    """Sources of one plate, what they become, and a folder for trials.

    Attributes:
        folder: holds everything.
        start: starts programs.
        sources: folders of the versions of the plate, by name.
        pixels: level 0 of each image, by version and path.
        whole: what each version becomes: everything in its destination.
        images: the same by image.
        moments: of an uninterrupted run that adds the old version, and of one that replaces it by the new.
        begins: when the first of them came, s after the start.
        seconds: the length of that run.
    """

    folder: Path
    start: Starter
    sources: dict[str, Path] = field(default_factory=dict)
    pixels: dict[str, dict[str, Pixels]] = field(default_factory=dict)
    whole: dict[str, Tree] = field(default_factory=dict)
    images: dict[str, dict[str, Tree]] = field(default_factory=dict)
    moments: dict[Kind, list[tuple[str, str, str]]] = field(default_factory=dict)
    begins: float = 0.0
    seconds: float = 0.0
    _trials: int = 0

    @classmethod
    def make(cls, folder: Path, start: Starter, side: tuple[int, int], planes: int) -> Scene:
        """Write the sources and convert them, uninterrupted."""
        scene = cls(folder, start)
        for number, version in enumerate(("old", "new")):
            plate = small_plate(folder / version, WELLS, channels=2, planes=planes, side=side)
            for row in plate.rows:
                row["drug"] = f"{version} {row['row']}"
            plate.pixels = {name: pixels + number for name, pixels in plate.pixels.items()}
            scene.sources[version] = plate.write()
            scene.pixels[version] = {
                f"P.zarr/{row}/{column:02d}/0": np.array(
                    [
                        [
                            np.hstack(
                                [plate.pixels[f"{row}{column:02d}_f{f}_t0_c{c}_z{z}.tif"] for f in range(2)]
                            )
                            for z in range(planes)
                        ]
                        for c in range(2)
                    ]
                )
                for row, column in WELLS
            }
            scene._convert_uninterrupted(version)
        scene._replace_uninterrupted()
        return scene

    def _replace_uninterrupted(self) -> None:
        zarr_dir = self.destination("old")
        log = zarr_dir.parent / "moments.log"
        run = self.convert("new", zarr_dir, "Overwrite", watch={"log": str(log)})
        assert run.end() == 0, run.log
        assert tree(zarr_dir) == self.whole["new"]
        self.moments["replace"] = moments_of(log)

    def _convert_uninterrupted(self, version: str) -> None:
        zarr_dir, log = self.folder / f"whole {version}", self.folder / f"{version}.log"
        started = time.monotonic()
        run = self.convert(version, zarr_dir, watch={"log": str(log)})
        begins = 0.0
        while (code := run.code_of()) is None:
            if not begins and log.exists():
                begins = time.monotonic() - started
            time.sleep(PAUSE)
        assert code == 0, run.log
        for path, pixels in self.pixels[version].items():
            assert_pixels(zarr_dir / path, pixels, LEVELS)
        self.whole[version], self.images[version] = tree(zarr_dir), images_of(zarr_dir)
        assert self.images[version].keys() == self.pixels[version].keys()
        assert not stray(zarr_dir)
        if version == "old":
            self.begins, self.seconds = begins, time.monotonic() - started
            self.moments["add"] = moments_of(log)

    def convert(
        self,
        version: str,
        zarr_dir: Path,
        mode: str = "No Overwrite",
        workers: int = 1,
        watch: dict[str, Any] | None = None,
    ) -> Run:
        """Start a conversion; `watch` holds what `moments.watch` is told beside the folders."""
        source = self.sources[version]
        options = (f"omezarr_options.num_levels={LEVELS}", "runtime.threads=1")
        command = ["tiles2zarr", "convert", str(source), str(zarr_dir), "--plate-name", "P", "--mode", mode]
        command += [part for option in options for part in ("--set", option)]
        seen = {"zarr_dir": str(zarr_dir), "source": str(source), **watch} if watch is not None else None
        output = zarr_dir.with_name(f"{zarr_dir.name}.{self._number()}.txt")
        return self.start([*command, "--workers", str(workers)], output, seen, workers > 1)

    def _number(self) -> int:
        self._trials += 1
        return self._trials

    def destination(self, holds: str | None = None) -> Path:
        """A new destination, with what a version became in it, or nothing."""
        folder = self.folder / "trials" / str(self._number()) / "zarr"
        folder.parent.mkdir(parents=True)
        if holds is not None:
            shutil.copytree(self.folder / f"whole {holds}", folder)
        return folder

    def number_of(self, when: When, kind: Kind = "add") -> int:
        """The number of the moment that lies at a share of those of a phase."""
        phase, share = when
        numbers = [number for number, moment in enumerate(self.moments[kind]) if moment[0] == phase]
        return numbers[round(share * (len(numbers) - 1))]

    def killed(self, kind: Kind, when: When, workers: int = 1) -> str:
        """A run that is killed, looked at all the while, and taken up again; the phase in which it died.

        Args:
            kind: images are added, or replaced.
            when: at a moment of a phase; or, from outside, a time after the first moment, or after so many.
            workers: processes.
        """
        adds = kind == "add"
        version, zarr_dir = ("old", self.destination()) if adds else ("new", self.destination("old"))
        versions = ("old",) if adds else ("old", "new")
        may_be = {path: [self.images[name][path] for name in versions] for path in self.images["old"]}

        def reader() -> None:
            look(zarr_dir, may_be, must_be=not adds)
            time.sleep(PAUSE)

        log = zarr_dir.parent / "moments.log"
        is_own = when[0] not in ("time", "progress")
        watch = {"log": str(log), "at": self.number_of(when, kind) if is_own else None}
        run = self.convert(version, zarr_dir, "No Overwrite" if adds else "Overwrite", workers, watch)
        if not is_own:
            self._wait(run, log, when, kind, reader)
        code = run.end(reader) if is_own or run.code_of() is not None else run.kill()
        assert code in (-9, 0), run.log
        reader()
        for image in final_names(zarr_dir):
            self.assert_whole(image, zarr_dir, versions)
        assert_ngio_opens(zarr_dir / "P.zarr")

        again = self.convert(version, zarr_dir, "Extend" if adds else "Overwrite", workers)
        assert again.end(reader) == 0, again.log
        assert tree(zarr_dir) == self.whole[version]
        assert not stray(zarr_dir)
        phase = self.phase_of_end(log) if code else "finished"
        shutil.rmtree(zarr_dir.parent)
        return phase

    def _wait(self, run: Run, log: Path, when: When, kind: Kind, reader: Callable[[], None]) -> None:
        """Wait until a run is to be killed, or has ended."""
        due = None
        while run.code_of() is None:
            reader()
            seen = len(moments_of(log))
            if when[0] == "progress" and seen > when[1] * len(self.moments[kind]):
                return
            if seen and due is None:
                due = time.monotonic() + when[1] * (self.seconds - self.begins)
            if when[0] == "time" and due is not None and time.monotonic() > due:
                return

    def assert_whole(self, image: Path, zarr_dir: Path, versions: Sequence[str]) -> None:
        """Zarr reads the image's pixels, all those of one version."""
        path = str(image.relative_to(zarr_dir))
        version = next(name for name in versions if tree(image) == self.images[name][path])
        assert_pixels(image, self.pixels[version][path], LEVELS)

    @staticmethod
    def phase_of_end(log: Path) -> str:
        """The phase of the last moment of a log."""
        moments = moments_of(log)
        return moments[-1][0] if moments else "before init"


def assert_ngio_opens(plate: Path) -> None:
    """What a plate lists can be opened by ngio, whatever was killed."""
    import ngio

    # A plate that was killed between its attributes and the document that makes it a group is none yet.
    if group_version(plate) is not None and attributes(plate).get("plate"):
        opened = ngio.open_ome_zarr_plate(plate, mode="r")
        for path in opened.images_paths(max_workers=1):
            image = ngio.open_ome_zarr_container(plate / path, mode="r")
            assert image.levels == LEVELS
            assert image.get_table("FOV_ROI_table").dataframe.shape[0] == 2
