"""XML as instruments write it: local names, records one by one, and nothing that could expand or point elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tiles2zarr.errors import SourceError
from tiles2zarr.sources.xml import parse_xml, read_xml, records

if TYPE_CHECKING:
    from pathlib import Path

INDEX = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<Data xmlns="urn:any" xmlns:b="urn:other">
  <Image Version="1"><id>0101</id><b:Place b:Row="3">x</b:Place></Image>
  <Map><Entry b:ID="1"><Name>DAPI</Name></Entry></Map>
  <Image><id>0102</id></Image>
</Data>
"""


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "Index.xml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_names_come_without_namespace_and_prefix(tmp_path: Path) -> None:
    root = read_xml(written(tmp_path, INDEX))
    assert [element.tag for element in root.iter()] == [
        *("Data", "Image", "id", "Place", "Map", "Entry", "Name", "Image", "id"),
    ]
    place = root.find("Image/Place")
    assert place is not None and (place.attrib, place.text) == ({"Row": "3"}, "x")


def test_records_come_one_by_one_and_whole(tmp_path: Path) -> None:
    file = written(tmp_path, INDEX)
    assert [(record.tag, record.attrib, record.findtext("id")) for record in records(file, "Image")] == [
        ("Image", {"Version": "1"}, "0101"),
        ("Image", {}, "0102"),
    ]
    assert [record.findtext("Entry/Name") for record in records(file, "Map")] == ["DAPI"]
    assert [record.tag for record in records(file, "Image", "Map")] == ["Image", "Map", "Image"]


def test_records_need_the_memory_of_one(tmp_path: Path) -> None:
    many = "".join(f"<Image><id>{number}</id></Image>" for number in range(50_000))
    found = records(written(tmp_path, f"<Data>{many}</Data>"), "Image")
    first = next(found)
    assert sum(1 for _ in found) == 49_999
    assert len(first) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected XML, found no element found"),
        ("<a><b></a>", "line 1: expected XML, found mismatched tag"),
        ("<a>\n<b>", "line 2: expected XML, found no element found"),
        ("not xml", "line 1: expected XML, found syntax error"),
        ("<a>&unknown;</a>", "found undefined entity"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "an encoding that cannot be read"),
        (b"<a>\xff</a>", "not well-formed"),
        ("<!DOCTYPE a><a/>", "found a document type or entities"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "found a document type or entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "found a document type or entities"),
    ],
)
def test_what_is_no_plain_xml_is_refused_by_file_and_line(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    file = written(tmp_path, text)
    for read in (read_xml, lambda file: list(records(file, "a"))):
        with pytest.raises(SourceError) as refused:
            read(file)
        assert str(refused.value).startswith(f"{file}") and said in str(refused.value)


def test_a_document_type_is_refused_however_late_it_comes_and_in_any_encoding(tmp_path: Path) -> None:
    comment = f"<!--{'x' * 100_000}-->"
    document = f'{comment}<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
    for encoding in ("utf-8", "utf-16", "utf-16-le"):
        mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
        with pytest.raises(SourceError, match="document type"):
            read_xml(written(tmp_path, mark + document.encode(encoding)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Index\.xml: cannot be read: No such file"):
        read_xml(tmp_path / "Index.xml")


def test_embedded_xml_is_called_by_where_it_was(tmp_path: Path) -> None:
    assert parse_xml("<a:b xmlns:a='u' a:c='1'/>", "x").attrib == {"c": "1"}
    with pytest.raises(SourceError, match=r"^a\.tif, line 1: expected XML"):
        parse_xml("<MetaData>", "a.tif")


@pytest.mark.benchmark
def test_a_hundred_thousand_records_of_forty_values_take_ten_seconds(tmp_path: Path) -> None:
    values = "".join(f"<V{n} Unit='m'>{n}</V{n}>\n" for n in range(40))
    file = written(tmp_path, f"<Data>{f'<Image>{values}</Image>' * 100_000}</Data>")
    started = time.process_time()
    assert sum(1 for _ in records(file, "Image")) == 100_000
    assert time.process_time() - started < 10
