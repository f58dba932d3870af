"""The vendor's metadata files: which are copied, where, and that the result depends on nothing but their content."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tiles2zarr.planning
from tests.writer.scans import FakeSource, Part
from tiles2zarr.converter import Acquisition, begin, plan
from tiles2zarr.core.job import VendorFile
from tiles2zarr.errors import Finding, SourceError
from tiles2zarr.models import ConverterOptions, SingleImage
from tiles2zarr.writer import vendor_files as module
from tiles2zarr.writer.vendor_files import copy_vendor_files, vendor_files

if TYPE_CHECKING:
    from tiles2zarr.sources.base import Scan, ScanRequest


def write(folder: Path, **contents: str) -> list[Path]:
    """Files of this content; ``__`` in a name is a folder."""
    files = []
    for name, content in contents.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        files.append(file)
    return files


def content_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def refused(file: Path, findings: tuple[Finding, ...]) -> str:
    """Why the only file that is not copied is not."""
    (finding,) = findings
    assert (finding.severity, finding.code, finding.where) == ("warning", "uncopied-file", str(file))
    match = re.fullmatch(
        r"expected a metadata file to keep, found (.*): it is not copied, .*", finding.message
    )
    assert match is not None
    return match[1]


# What is copied


def test_files_keep_their_relative_paths_and_are_sorted(tmp_path: Path) -> None:
    files = write(tmp_path / "in", b="2", a__c="1", a__b__d="3")
    found, findings = vendor_files(files, tmp_path / "in")
    assert [file.target for file in found] == ["a/b/d", "a/c", "b"]
    assert findings == ()
    copy_vendor_files(tmp_path / "out", found)
    assert content_of(tmp_path / "out") == {"a/b/d": "3", "a/c": "1", "b": "2"}


def test_a_file_that_is_named_twice_is_copied_once(tmp_path: Path) -> None:
    (file,) = write(tmp_path / "in", a__b="1")
    found, findings = vendor_files([file, file.parent / ".." / "a" / "b", file], tmp_path / "in")
    assert (found, findings) == ((VendorFile(str(file), "a/b"),), ())


def test_a_condition_table_from_elsewhere_goes_by_its_name(tmp_path: Path) -> None:
    files = write(tmp_path, **{"in__Index.xml": "i", "else__where__conditions.csv": "c"})
    found, _ = vendor_files(files, tmp_path / "in")
    assert [file.target for file in found] == ["Index.xml", "conditions.csv"]


def test_a_file_from_elsewhere_never_takes_the_place_of_another(tmp_path: Path) -> None:
    files = write(tmp_path, **{"in__Index.xml": "i", "other__Index.xml": "o"})
    found, findings = vendor_files(files, tmp_path / "in")
    assert found == (VendorFile(str(files[0]), "Index.xml"),)
    assert refused(files[1], findings) == f"the same name as {files[0]}"


@pytest.mark.skipif(sys.platform != "linux", reason="names that differ by case only")
def test_names_that_differ_by_case_only_are_one(tmp_path: Path) -> None:
    files = write(tmp_path, INDEX="1", index="2")
    found, findings = vendor_files(reversed(files), tmp_path)
    assert found == (VendorFile(str(files[0]), "INDEX"),)
    assert refused(files[1], findings) == f"the same name as {files[0]}"


@pytest.mark.parametrize("name", ["zarr.json", ".zattrs", "a/.zgroup", "zarr.json/x", "Zarr.JSON"])
def test_names_that_zarr_reserves_are_left_out(name: str, tmp_path: Path) -> None:
    (file,) = write(tmp_path, **{name: "{}"})
    found, findings = vendor_files([file], tmp_path)
    assert found == ()
    assert refused(file, findings) == "one whose name Zarr reserves"


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of Unix")
def test_pipes_folders_and_lost_files_are_left_out_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, found in (
        ("pipe", "something that is no file"),
        ("folder", "something that is no file"),
        ("lost", "one that cannot be read (No such file or directory)"),
    ):
        chosen, findings = vendor_files([tmp_path / name], tmp_path)
        assert chosen == ()
        assert refused(tmp_path / name, findings) == found


@pytest.mark.skipif(sys.platform == "win32", reason="links of Unix")
def test_a_link_is_followed_only_within_the_folder(tmp_path: Path) -> None:
    write(tmp_path, secret="s", **{"in__real": "r"})
    (tmp_path / "in/inner").symlink_to("real")
    (tmp_path / "in/outer").symlink_to("../secret")
    (tmp_path / "in/dangling").symlink_to("nothing")
    (tmp_path / "link to in").symlink_to("in")
    files = [tmp_path / "link to in" / name for name in ("inner", "outer", "dangling")]
    found, findings = vendor_files(files, tmp_path / "link to in")
    assert [file.target for file in found] == ["inner"]
    assert [Path(finding.where).name for finding in findings] == ["dangling", "outer"]
    assert "a link that leads out of its folder" in findings[1].message
    copy_vendor_files(tmp_path / "out", found)
    assert content_of(tmp_path / "out") == {"inner": "r"}
    assert not (tmp_path / "out/inner").is_symlink()
    allowed, _ = vendor_files([tmp_path / "in/outer"], tmp_path / "in", allow_outside=True)
    assert [file.target for file in allowed] == ["outer"]


# How


def test_names_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    name = "x" * 251 + ".xml"
    (file,) = write(tmp_path / "in", **{name: "long"})
    found, _ = vendor_files([file], tmp_path / "in")
    copy_vendor_files(tmp_path / "out", found)
    assert content_of(tmp_path / "out") == {name: "long"}


def test_what_is_there_with_the_same_content_stays_and_the_rest_is_replaced(tmp_path: Path) -> None:
    files = write(tmp_path / "in", same="1", longer="22", other="33")
    found, _ = vendor_files(files, tmp_path / "in")
    copy_vendor_files(tmp_path / "out", found)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "out").iterdir()}
    write(tmp_path / "in", same="1", longer="222", other="34")
    (tmp_path / "out" / "somebody's").write_text("own")
    copy_vendor_files(tmp_path / "out", found)
    assert content_of(tmp_path / "out") == {"same": "1", "longer": "222", "other": "34", "somebody's": "own"}
    assert (tmp_path / "out/same").stat().st_ino == before["same"]


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Unix")
def test_neither_times_nor_rights_are_copied(tmp_path: Path) -> None:
    (file,) = write(tmp_path / "in", a="1")
    os.utime(file, (1, 1))
    file.chmod(0o400)
    file.parent.chmod(0o500)
    found, _ = vendor_files([file], tmp_path / "in")
    copy_vendor_files(tmp_path / "out", found)
    file.parent.chmod(0o700)
    state = (tmp_path / "out/a").stat()
    assert state.st_mtime > 1
    assert state.st_mode & 0o200


def test_a_large_file_is_copied_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 7)
    (file,) = write(tmp_path / "in", a="0123456789" * 5)
    found, _ = vendor_files([file], tmp_path / "in")
    for _ in range(2):
        copy_vendor_files(tmp_path / "out", found)
        assert content_of(tmp_path / "out") == {"a": "0123456789" * 5}


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    files = write(tmp_path / "in", a__b="1")
    write(tmp_path / "out", **{"a__.copy.0123456789abcdef.part": "half"})
    copy_vendor_files(tmp_path / "out", vendor_files(files, tmp_path / "in")[0])
    assert content_of(tmp_path / "out") == {"a/b": "1"}


def test_a_file_that_goes_away_after_the_plan_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (file,) = write(tmp_path / "in", a="1")
    found, _ = vendor_files([file], tmp_path / "in")
    file.unlink()
    with pytest.raises(SourceError, match=r"a: expected a metadata file, cannot read it \(No such file"):
        copy_vendor_files(tmp_path / "out", found)
    assert content_of(tmp_path / "out") == {}


# In a conversion


def test_a_plate_keeps_those_of_each_acquisition_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cycle in range(2):
        source = FakeSource(files={"Images/Index.xml": f"<{cycle}/>".encode(), "plate.cfg": b"x"})
        source.convert(monkeypatch, tmp_path / f"cycle {cycle}", tmp_path / "zarr", cycle)
    found = content_of_ome(tmp_path / "zarr/P.zarr/OME")
    assert found == {
        "acquisition_0/Images/Index.xml": "<0/>",
        "acquisition_0/plate.cfg": "x",
        "acquisition_1/Images/Index.xml": "<1/>",
        "acquisition_1/plate.cfg": "x",
    }
    assert not list((tmp_path / "zarr/P.zarr").glob("[A-Z]/*/*/OME"))


def content_of_ome(folder: Path) -> dict[str, str]:
    return {name: text for name, text in content_of(folder).items() if name.startswith("acquisition_")}


def test_of_two_sources_of_one_acquisition_the_first_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        tmp_path / "one": FakeSource([Part(("A01",))], {"Index.xml": b"1", "one": b"1"}),
        tmp_path / "two": FakeSource([Part(("B01",))], {"index.XML": b"2", "two": b"2"}),
    }

    class Both(FakeSource):
        def scan(self, request: ScanRequest) -> Scan:
            return sources[request.path].scan(request)

    monkeypatch.setattr(tiles2zarr.planning, "source_by_name", lambda _: Both())
    acquisitions = [Acquisition(path, "fake", "P") for path in sources]
    planned = plan(acquisitions, tmp_path / "zarr", ConverterOptions())
    (finding,) = planned.findings
    assert (finding.code, finding.where) == ("uncopied-file", str(tmp_path / "two/index.XML"))
    begin(planned)
    assert content_of_ome(tmp_path / "zarr/P.zarr/OME") == {
        "acquisition_0/Index.xml": "1",
        "acquisition_0/one": "1",
        "acquisition_0/two": "2",
    }


def test_a_file_that_cannot_be_copied_is_a_warning_and_the_images_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource(more_files=[tmp_path / "source" / "lost.xml"])
    report = source.convert(monkeypatch, tmp_path / "source", tmp_path / "zarr")
    assert [finding.code for finding in report.findings] == ["uncopied-file"]
    assert {image.status for image in report.images} == {"converted"}


def test_files_that_outweigh_images_of_their_own_are_not_copied_into_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Part(tuple(SingleImage(image_path=name) for name in ("one", "two")))
    source = FakeSource([part], {"table.csv": b"," * (2**20 + 1)})
    report = source.convert(monkeypatch, tmp_path / "source", tmp_path / "zarr")
    (finding,) = [one for one in report.findings if one.code == "uncopied-file"]
    assert "found 1.05 MB for each of 2 images" in finding.message
    assert content_of_ome(tmp_path / "zarr/one.zarr/OME") == {}
    assert (tmp_path / "zarr/one.zarr/OME/METADATA.ome.xml").exists()


def test_an_image_of_its_own_that_is_replaced_has_the_new_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Part((SingleImage(image_path="one"),))
    for name in ("before.xml", "after.xml"):
        FakeSource([part], {name: b"x"}).convert(
            monkeypatch, tmp_path / name, tmp_path / "zarr", mode="Overwrite"
        )
    assert content_of_ome(tmp_path / "zarr/one.zarr/OME") == {"acquisition_0/after.xml": "x"}
