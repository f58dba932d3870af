"""The benchmarks measure what they say, and run from end to end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from dev.benchmarks import __main__ as command_line
from dev.benchmarks.measuring import Command, FailedRunError, Pair, Run, Runs, in_turn, measured
from dev.benchmarks.outcome import Outcome
from dev.benchmarks.plates import BenchPlate
from dev.benchmarks.targets import TARGETS, Bench, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="no account of a process that ended")


def python(code: str) -> Command:
    return Command((sys.executable, "-S", "-c", code))


def test_the_peak_is_that_of_the_program_and_not_of_who_starts_it() -> None:
    ours = bytearray(300 * 2**20)
    ours[:: 2**12] = b"1" * len(ours[:: 2**12])

    assert measured(python("pass")).peak_mb < 100
    assert 100 < measured(python("kept = b'1' * (100 * 2**20)")).peak_mb < 200


def test_cpu_counts_the_processes_that_a_program_waits_for() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    waits = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"

    run = measured(python(waits))

    assert run.cpu >= 0.3
    assert run.wall >= 0.3


def test_what_a_program_says_last_is_known() -> None:
    run = measured(python("print('{\"seconds\": 1}\\nwords\\n{\"seconds\": 2.5}'); print('bye', end='')"))
    assert run.output == '{"seconds": 1}\nwords\n{"seconds": 2.5}\nbye'
    assert run.seconds == 2.5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_memory_is_looked_at_while_a_program_runs() -> None:
    busy = "import time\nkept = b'1' * (100 * 2**20)\nwhile time.process_time() < 0.5: pass"
    run = measured(python(busy), look_every=0.02)
    assert len(run.resident_mb) > 5
    # The system's own counts of the two differ by some pages.
    assert max(run.resident_mb) == pytest.approx(run.peak_mb, rel=0.05)
    assert run.peak_mb > 100


@pytest.mark.parametrize(
    ("command", "said"),
    [(python("print('why'); raise SystemExit(3)"), "why"), (Command(("no-such-program",)), "no-such")],
)
def test_a_program_that_fails_has_no_figures(command: Command, said: str) -> None:
    with pytest.raises(FailedRunError, match=said):
        measured(command)


def test_programs_run_in_turn_after_a_run_that_is_not_counted(tmp_path: Path) -> None:
    ours, theirs = (
        python(f"open({str(tmp_path / 'order')!r}, 'a').write({letter!r})") for letter in ("a", "b")
    )
    pair = in_turn(ours, theirs, 2)
    assert (tmp_path / "order").read_text() == "ababba"
    assert len(pair.ours.runs) == len(pair.theirs.runs) == 2


def test_a_ratio_is_the_median_of_those_of_neighbours() -> None:
    ours = Runs(tuple(Run(wall, 1, 1) for wall in (1, 8, 3)))
    theirs = Runs(tuple(Run(wall, 1, 1) for wall in (2, 4, 3)))
    assert Pair(ours, theirs).ratio("wall") == 1
    assert (ours.middle("wall"), theirs.middle("wall")) == (3, 3)


def test_a_row_names_promise_limit_figure_and_whether_it_is_kept() -> None:
    assert Outcome("wall", 0.2, 0.2, "1 / 5 s").row() == "| wall | at most 0.2 | 0.200 | yes | 1 / 5 s |"
    assert Outcome("wall", 0.2, 0.21, "").row() == "| wall | at most 0.2 | 0.210 | **no** |  |"
    assert Outcome("gain", 1.8, 1.9, "", is_at_least=True).row() == "| gain | at least 1.8 | 1.900 | yes |  |"
    assert not Outcome("gain", 1.8, 1.7, "", is_at_least=True).is_kept
    assert Outcome("wall", None, 99, "").row() == "| wall | none | 99.000 | - |  |"


def test_a_plate_of_links_has_as_many_pixels_of_its_own_as_it_says(tmp_path: Path) -> None:
    plate = BenchPlate(wells=1, fields=3, channels=1, planes=2, side=128, distinct=4)
    folder = plate.write(tmp_path)
    assert len({file.stat().st_ino for file in folder.glob("*.tif")}) == 4
    assert len(list(folder.glob("*.tif"))) == len(plate.rows()) == 6


def test_a_conversion_is_measured_from_end_to_end(tmp_path: Path) -> None:
    plate = BenchPlate(wells=1, fields=4, channels=1, planes=2, side=128)
    outcomes = list(measure("conversion", Bench(tmp_path, None, 1, plate)))
    assert [outcome.promise for outcome in outcomes] == [
        "CPU of a conversion, by a plain one-pass program",
        "wall of a conversion, by a plain one-pass program",
    ]
    assert all(outcome.figure > 0 for outcome in outcomes)
    assert [path.name for path in tmp_path.iterdir()] == [plate.name]


def test_a_target_that_fails_leaves_no_results_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(bench: Bench) -> Iterator[Outcome]:
        (bench.results / "half").write_text("")
        measured(python("raise SystemExit('broken')"))
        yield Outcome("never", 1, 1, "")

    def working(bench: Bench) -> Iterator[Outcome]:
        assert list(bench.results.iterdir()) == []
        yield Outcome("ever", 1, 1, "")

    monkeypatch.setitem(TARGETS, "failing", failing)
    monkeypatch.setitem(TARGETS, "working", working)

    code = command_line.main(["--work", str(tmp_path), "failing", "working"])

    printed = capsys.readouterr()
    assert code == 1
    assert "| failing | - | failed | **no** | see the messages |" in printed.out
    assert "| ever | at most 1 | 1.000 | yes |  |" in printed.out
    assert "broken" in printed.err
    assert list(tmp_path.iterdir()) == []
    assert command_line.main(["--work", str(tmp_path), "working"]) == 0


def test_an_unknown_target_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command_line.main(["--work", str(tmp_path), "converstion"])
    assert "unknown target converstion: expected some of conversion, memory" in capsys.readouterr().err
