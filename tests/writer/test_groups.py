"""Groups and their attributes, written in one step."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import zarr

from tiles2zarr.errors import OutputError
from tiles2zarr.writer.groups import (
    group_version,
    ngff_attributes,
    read_attributes,
    read_ngff,
    remove_parts,
    write_bytes,
    write_group,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


@VERSIONS
def test_a_group_is_what_zarr_takes_for_one(version: Any, tmp_path: Path) -> None:
    attributes = {"ü": [1, 2.5, None, True]}
    write_group(tmp_path / "a" / "b", attributes, version)

    group = zarr.open_group(tmp_path / "a" / "b", mode="r")

    assert group.metadata.zarr_format == {"0.4": 2, "0.5": 3}[version]
    assert dict(group.attrs) == attributes
    assert group_version(tmp_path / "a" / "b") == version
    assert read_attributes(tmp_path / "a" / "b") == attributes


@VERSIONS
def test_what_else_is_in_the_folder_stays(version: Any, tmp_path: Path) -> None:
    write_group(tmp_path / "g", {"a": 1}, version)
    (tmp_path / "g" / "other").mkdir()
    write_group(tmp_path / "g", {"b": 2}, version)
    assert read_attributes(tmp_path / "g") == {"b": 2}
    assert (tmp_path / "g" / "other").is_dir()
    assert not [file.name for file in (tmp_path / "g").iterdir() if file.name.endswith(".part")]


def test_where_there_is_no_group_there_is_nothing(tmp_path: Path) -> None:
    assert group_version(tmp_path) is None
    assert read_attributes(tmp_path) is None
    assert read_ngff(tmp_path / "nowhere") == {}


def test_a_zarr_v2_group_without_attributes_has_none(tmp_path: Path) -> None:
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    assert read_attributes(tmp_path) == {}


def test_broken_metadata_are_named(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "attri')
    with pytest.raises(OutputError, match=r"zarr\.json: expected a JSON document, found something else"):
        read_attributes(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("zarr.json", "[1]"),
        ("zarr.json", '{"attributes": [1]}'),
        ("zarr.json", '{"attributes": {"ome": "text"}}'),
        ("zarr.json", "[" * 100_000),
        ("zarr.json", '{"attributes":' * 100_000),
        (".zattrs", "[1]"),
        (".zattrs", "null"),
    ],
)
def test_metadata_of_another_shape_are_named_in_one_line(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / ".zgroup").write_text("{}") if file == ".zattrs" else None
    (tmp_path / file).write_text(content)
    with pytest.raises(OutputError, match=r": expected a JSON (object|document), found .*: repair") as caught:
        read_ngff(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@VERSIONS
def test_ngff_metadata_are_found_where_their_version_keeps_them(version: Any, tmp_path: Path) -> None:
    write_group(tmp_path / "g", {**ngff_attributes({"well": {"images": []}}, version), "mine": 1}, version)
    assert read_ngff(tmp_path / "g")["well"] == {"images": []}
    assert ("ome" in (read_attributes(tmp_path / "g") or {})) == (version == "0.5")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"old": True})
    with mock.patch.object(os, "replace", side_effect=OSError(28, "No space left")), pytest.raises(OSError):
        write_bytes(tmp_path / "a.json", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": True}


def test_a_writer_whose_temporary_file_is_cleared_away_writes_it_again(tmp_path: Path) -> None:
    replace, cleared = os.replace, []

    def late(*names: Path) -> None:
        if len(cleared) < 3:
            cleared.append(names[0])
            remove_parts(tmp_path)
        replace(*names)

    with mock.patch.object(os, "replace", late):
        write_bytes(tmp_path / "a.json", b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.json", b"new")]
    assert len(set(cleared)) == 3


def test_a_folder_that_is_gone_is_told_and_not_waited_for(tmp_path: Path) -> None:
    def gone(*_: Path) -> None:
        for file in (tmp_path / "g").iterdir():
            file.unlink()
        (tmp_path / "g").rmdir()
        raise FileNotFoundError

    (tmp_path / "g").mkdir()
    with mock.patch.object(os, "replace", gone), pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "g" / "a.json", b"new")


def test_only_temporary_files_of_ours_are_removed(tmp_path: Path) -> None:
    ours = (".zattrs", ".a b.json")
    kept = (".mine.part", "a.0123456789abcdef.part", ".zattrs", ".x.0123456789ABCDEF.part")
    for name in (*(f".{name.removeprefix('.')}.0123456789abcdef.part" for name in ours), *kept):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    remove_parts(tmp_path / "nowhere")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept)


def test_what_json_cannot_say_is_an_error_and_not_a_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"window": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_files_are_as_readable_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
