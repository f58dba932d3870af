"""How findings are said in text: errors first, what many have in common once, and never a wall of lines."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from rich.console import Console

from tests.table_plates import small_plate
from tests.test_cli_convert import run
from tiles2zarr.cli.findings import print_findings
from tiles2zarr.errors import Finding

if TYPE_CHECKING:
    from pathlib import Path


def said(*findings: Finding) -> list[str]:
    out = io.StringIO()
    print_findings(findings, Console(file=out, width=500))
    return out.getvalue().splitlines()


def lost(image: str, number: int) -> Finding:
    where = f"{image}, F{number} (DAPI, z-plane 0, timepoint 0), {number}.tif"
    return Finding("error", "missing-file", where, "expected a file, found none: find it")


def test_errors_come_first_then_warnings_then_infos() -> None:
    kinds = ("info", "left-behind"), ("error", "disk-room"), ("warning", "displaced"), ("error", "wrong-type")
    assert said(*(Finding(severity, code, code, "m") for severity, code in kinds)) == [
        "error: disk-room: m",
        "error: wrong-type: m",
        "warning: displaced: m",
        "info: left-behind: m",
    ]


def test_few_findings_of_an_image_are_said_one_by_one() -> None:
    findings = [lost("P.zarr/A/01/0", number) for number in range(3)]
    assert said(*findings) == [f"error: {finding.where}: {finding.message}" for finding in findings]


def test_many_findings_of_an_image_are_one_line() -> None:
    findings = [lost(image, number) for image in ("P.zarr/A/01/0", "P.zarr/C/03/0") for number in range(27)]
    assert said(*findings) == [
        f"error: 27 missing files in {image}, such as F0 (DAPI, z-plane 0, timepoint 0), 0.tif: "
        "expected a file, found none: find it"
        for image in ("P.zarr/A/01/0", "P.zarr/C/03/0")
    ]


def test_the_same_advice_for_many_images_is_given_once() -> None:
    findings = [Finding("error", "output-exists", f"{number}.zarr", "found one: go") for number in range(384)]
    assert said(*findings) == [
        "error: 0.zarr; 1.zarr; 2.zarr and 381 more (--json lists them all): found one: go"
    ]


def test_more_than_a_screenful_of_a_kind_is_cut_and_counted() -> None:
    findings = [Finding("error", "wrong-shape", f"{n}.zarr", f"found {n} px") for n in range(30)]
    lines = said(*findings, Finding("warning", "disk-room", "out", "free some"))
    assert lines[:20] == [f"error: {n}.zarr: found {n} px" for n in range(20)]
    assert lines[20:] == [
        "warning: out: free some",
        "error: 10 more findings of the kind wrong-shape; --json lists them all",
    ]


def test_json_holds_every_finding_and_text_says_them_in_few_lines(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", wells=(("A", 1), ("B", 2), ("C", 3)), planes=7)
    folder = plate.write()
    for name in plate.pixels:
        if name[0] in "AB" or "_f1_" in name:
            (folder / name).unlink()
    document = json.loads(run("inspect", folder, "--json").stdout)
    assert [finding["code"] for finding in document["findings"]] == ["missing-file"] * (28 + 28 + 14)
    assert "the run" not in {finding["where"] for finding in document["findings"]}
    lines = [line for line in run("inspect", folder).stdout.splitlines() if line.startswith("error")]
    assert [line.split(", such")[0] for line in lines] == [
        f"error: {count} missing files in plate.zarr/{well}/0"
        for count, well in ((28, "A/01"), (28, "B/02"), (14, "C/03"))
    ]
    refused = run("convert", folder, tmp_path / "out").stderr.splitlines()
    assert refused[:-1] == lines
    assert refused[-1] == "refused; nothing was written"


def test_findings_have_the_same_order_in_inspect_and_convert(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate", planes=3)
    plate.details += 'channels = [{channel_label = "a"}, {channel_label = "b"}, {channel_label = "c"}]\n'
    plate.rows = [row for row in plate.rows if not (row["row"] == "A" and row["start_z"] > 3)]
    source = plate.write()
    (source / "B02_f0_t0_c0_z0.tif").unlink()
    order = [
        ("error", "missing-file"),
        ("warning", "uneven-extent"),
        ("info", "known-gap"),
        ("info", "known-gap"),
    ]
    for command in (("inspect", source), ("convert", source, tmp_path / "out")):
        findings = json.loads(run(*command, "--json").stdout)["findings"]
        assert [(finding["severity"], finding["code"]) for finding in findings] == order
