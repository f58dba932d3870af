"""Documents and foreign texts: what is read, what is refused, and how it stands in a message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles2zarr.errors import OptionsError
from tiles2zarr.models.documents import one_line, options_of, read_document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.toml", b'a = ["\xc2\xb5", 1]\r\n'),
        ("a.TOML", b'\xef\xbb\xbfa = ["\xc2\xb5", 1]\n'),
        ("a.json", b'{"a": ["\xc2\xb5", 1]}'),
        ("a", b'\xef\xbb\xbf{"a": ["\xc2\xb5", 1]}'),
    ],
)
def test_a_document_is_toml_or_json_by_its_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_document(tmp_path / name) == {"a": ["µ", 1]}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b"{", "no JSON: "),
        ("a.toml", b"a = ", "no TOML: "),
        ("a.toml", b"a = " + b"9" * 5000, "no TOML: "),
        ("a.json", b"[" * 100_000, "no JSON of this kind: its values are nested too deeply"),
        ("a.toml", b"a = " + b"[" * 100_000, "no TOML of this kind: its values are nested too deeply"),
        ("a.json", b'{"a": "\xe4"}', "expected UTF-8, found byte 0xe4"),
        ("a.json", b" " * (2**22 + 1), "expected at most 4194304 bytes, found 4194305"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message) as refused:
        read_document(tmp_path / name)
    assert str(refused.value).isprintable()


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a file, found a folder"):
        read_document(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(ValueError, match="expected a file, found a device or pipe"):
        read_document(tmp_path / "a.toml")


@given(st.text(), st.integers(3, 50))
def test_any_text_becomes_one_printable_line_of_its_characters(text: str, most: int) -> None:
    line = one_line(text, most)
    assert line.isprintable() or not line
    if len(text) <= most and text.isprintable():
        assert line == text


def test_the_end_of_a_long_line_is_kept_since_it_says_what_to_do() -> None:
    assert (
        one_line("where: " + "x" * 5000 + ": do this", 40)
        == "where: " + "x" * 13 + "…" + "x" * 11 + ": do this"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"tiling_mode": "x" * 5000}, "option tiling_mode: "),
        ({"x" * 5000: 1}, "option x"),
        (
            {"acquisition": {"condition_table_path": "\ud800"}},
            "option acquisition.condition_table_path: expected a",
        ),
        (
            {
                "acquisition": {
                    "filters": [{"name": "Regex Include Filter", "pattern": "(" * 9999 + ")" * 9999}]
                }
            },
            "options: a pattern is nested too deeply",
        ),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_short_line(
    document: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionsError, match=message) as refused:
        options_of(document)
    assert len(str(refused.value)) < 1500
    assert str(refused.value).isprintable()
