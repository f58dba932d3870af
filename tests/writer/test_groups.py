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


def test_what_json_cannot_say_is_an_error_and_not_a_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"window": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_files_are_as_readable_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
