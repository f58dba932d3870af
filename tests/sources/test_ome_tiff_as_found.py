"""OME-TIFFs as software in the field writes them: not quite what the schema asks for, and unmistakable all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from tests.simulators.truth import convert, scale_of
from tiles2zarr.errors import SourceError
from tiles2zarr.sources.base import ScanRequest
from tiles2zarr.sources.ome_tiff import OmeTiffSource

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tiles2zarr.sources.base import Scan

UTF8 = '<?xml version="1.0" encoding="UTF-8"?>'
SIZE = 'PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="0.5" PhysicalSizeYUnit="µm"'


def image(inside: str, *, c: int = 1, z: int = 1, t: int = 1, said: str = SIZE, name: str = "im") -> str:
    sizes = f'SizeX="16" SizeY="12" SizeC="{c}" SizeZ="{z}" SizeT="{t}"'
    pixels = f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {sizes} {said}>{inside}</Pixels>'
    return f'<Image ID="Image:0" Name="{name}">{pixels}</Image>'


def document(images: str, declaration: str = UTF8) -> str:
    return f'{declaration}<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{images}</OME>'


def channels(*names: str) -> str:
    return "".join(f'<Channel ID="Channel:0:{i}" Name="{name}"/>' for i, name in enumerate(names))


def pages(count: int, *samples: int) -> NDArray[Any]:
    return np.random.default_rng(count).integers(0, 250, (count, 12, 16, *samples)).astype("uint8")


def write(folder: Path, text: str | bytes, content: NDArray[Any], name: str = "a.ome.tif") -> Path:
    folder.mkdir(exist_ok=True)
    kind = "rgb" if content.ndim == 4 else "minisblack"
    with tifffile.TiffWriter(folder / name) as tif:
        for number, page in enumerate(content):
            said = text if number == 0 else None
            encoded = said.encode() if isinstance(said, str) else said
            tif.write(page, description=encoded, photometric=kind, metadata=None, contiguous=False)
    return folder


def scan(path: Path) -> Scan:
    return OmeTiffSource().scan(ScanRequest(path))


def converted(folder: Path, dest: Path) -> NDArray[Any]:
    (path,) = convert(folder, dest, format="ome_tiff")
    return np.asarray(zarr.open_array(dest / path / "0", mode="r")[...])


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-8", "ISO-8859-1", "windows-1252", "US-ASCII", "GBK"])
@pytest.mark.parametrize("written", ["utf-8", "latin-1"])
def test_the_encoding_that_a_text_declares_is_not_believed(
    encoding: str, written: str, tmp_path: Path
) -> None:
    text = document(image("<TiffData/>"), f'<?xml version="1.0" encoding="{encoding}" standalone="yes"?>')
    folder = write(tmp_path / "images", text.encode(written), pages(1))
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(1))
    assert scale_of(tmp_path / "out" / "a.zarr")["x"] == 0.5


@pytest.mark.parametrize("encoding", ["utf-16", "US-ASCII", "GBK"])
def test_the_encoding_that_a_companion_declares_is_not_believed_either(encoding: str, tmp_path: Path) -> None:
    block = '<TiffData IFD="0"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData>'
    folder = write(tmp_path / "images", "", pages(1), "a.tif")
    text = document(image(block, name="Größe 5 µm"), f'<?xml version="1.0" encoding="{encoding}"?>')
    (folder / "a.companion.ome").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(1))


def test_a_companion_may_really_be_in_utf_16(tmp_path: Path) -> None:
    block = '<TiffData IFD="0"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData>'
    folder = write(tmp_path / "images", "", pages(1), "a.tif")
    text = document(image(block), '<?xml version="1.0" encoding="utf-16"?>')
    (folder / "a.companion.ome").write_text(text, encoding="utf-16")
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(1))


def test_characters_that_xml_cannot_say_do_not_matter(tmp_path: Path) -> None:
    folder = write(tmp_path / "images", document(image("<TiffData/>", name="a\x01b\x0b")), pages(1))
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(1))


def test_a_document_type_is_refused_whatever_encoding_is_declared(tmp_path: Path) -> None:
    text = document("", '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE OME [<!ENTITY a "b">]>')
    folder = write(tmp_path / "images", text, pages(1))
    with pytest.raises(
        SourceError, match="expected plain XML, found a document type or entities: remove them"
    ):
        scan(folder)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("um", 1),
        ("microns", 1),
        ("Âµm", 1),
        ("Î¼m", 1),
        ("\ufffdm", 1),
        ("?m", 1),
        ("µm ", 1),
        ("", 1),
        ("thou", 25.4),
        ("Angstrom", 1e-4),
        ("pt", 25400 / 72),
        ("nm", 1e-3),
    ],
)
def test_every_spelling_of_a_unit_is_read(unit: str, factor: float, tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        document(image("<TiffData/>", said=f'PhysicalSizeX="0.5" PhysicalSizeXUnit="{unit}"')),
        pages(1),
    )
    found = scan(folder)
    assert found.tiles.all_details[0].pixelsize == pytest.approx(0.5 * factor)
    assert [finding.code for finding in found.findings if finding.severity == "error"] == []


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, document(image("<TiffData/>", said='PhysicalSizeX="0,325"')), pages(1))
    assert scan(folder).tiles.all_details[0].pixelsize == 0.325


@pytest.mark.parametrize("text", ["1,000,5", "1,000.5", "wide"])
def test_numbers_that_could_mean_anything_are_refused(text: str, tmp_path: Path) -> None:
    folder = write(tmp_path, document(image("<TiffData/>", said=f'PhysicalSizeX="{text}"')), pages(1))
    with pytest.raises(SourceError, match="expected PhysicalSizeX to be a number"):
        scan(folder)


@pytest.mark.parametrize(
    ("said", "c"),
    [
        (channels("r", "g", "b"), 3),
        ("", 3),
        (channels("all"), 1),
        ("", 1),
        ('<Channel SamplesPerPixel="3"/>', 1),
    ],
    ids=["three channels", "none listed", "one channel", "none", "one that says so"],
)
def test_pages_of_colours_that_the_document_forgot_are_colours(said: str, c: int, tmp_path: Path) -> None:
    content = pages(1, 3)
    folder = write(tmp_path / "images", document(image(f"{said}<TiffData/>", c=c)), content)
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[:, 0], content[0].transpose(2, 0, 1))


def test_a_stack_of_forgotten_colours_keeps_its_planes(tmp_path: Path) -> None:
    content = pages(4, 3)
    blocks = "".join(f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1"/>' for z in range(4))
    folder = write(tmp_path / "images", document(image(blocks, c=3, z=4)), content)
    np.testing.assert_array_equal(converted(folder, tmp_path / "out"), content.transpose(3, 0, 1, 2))


@pytest.mark.parametrize(
    "block",
    ['<TiffData IFD="0"/>', '<TiffData FirstZ="0"/>', '<TiffData IFD="0" PlaneCount="0"/>', "<TiffData/>"],
)
def test_a_single_block_that_does_not_say_how_long_it_is_takes_all_pages(block: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "images", document(image(block, z=5)), pages(5))
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(5))


def test_a_single_block_ends_where_that_of_the_next_image_begins(tmp_path: Path) -> None:
    two = image('<TiffData IFD="0"/>', z=4, name="one") + image('<TiffData IFD="3"/>', z=4, name="two")
    folder = write(tmp_path / "images", document(two), pages(7))
    convert(folder, tmp_path / "out", format="ome_tiff")
    for name, expected in (("one", pages(7)[:3]), ("two", pages(7)[3:])):
        stored = zarr.open_array(tmp_path / "out" / "a" / f"{name}.zarr" / "0", mode="r")
        np.testing.assert_array_equal(stored[0], expected)


@pytest.mark.parametrize(("listed", "held"), [(2, 1), (3, 3)])
def test_where_more_channels_are_listed_than_counted_the_file_decides(
    listed: int, held: int, tmp_path: Path
) -> None:
    folder = write(tmp_path / "images", document(image(channels(*"abc"[:listed]))), pages(held))
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[:, 0], pages(held))


def test_a_set_whose_files_share_one_identity_goes_by_their_names(tmp_path: Path) -> None:
    uuid = "urn:uuid:11111111-1111-1111-1111-111111111111"
    blocks = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="z{z}.ome.tif">{uuid}</UUID></TiffData>'
        for z in range(3)
    )
    text = document(image(blocks, z=3)).replace("<OME ", f'<OME UUID="{uuid}" ')
    for z in range(3):
        write(tmp_path / "images", text, pages(3)[z : z + 1], f"z{z}.ome.tif")
    np.testing.assert_array_equal(converted(tmp_path / "images", tmp_path / "out")[0], pages(3))


@pytest.mark.parametrize(
    "inside", ["", '<TiffData IFD="0" PlaneCount="90000000"/>', '<TiffData PlaneCount="90000000"/>']
)
def test_planes_that_no_file_holds_are_refused_before_they_take_memory(inside: str, tmp_path: Path) -> None:
    folder = write(tmp_path, document(image(inside, z=90_000_000)), pages(2))
    with pytest.raises(
        SourceError, match=r"a\.ome\.tif, image Image:0: expected a file of 90000000 pages, found 2"
    ):
        scan(folder)


def test_channels_beyond_counting_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, document(image("<TiffData/>", c=90_000_000)), pages(2))
    with pytest.raises(
        SourceError, match="expected at most 4096 channels, found 90000000: correct the document"
    ):
        scan(folder)


def test_a_thousand_nameless_channels_are_told_apart(tmp_path: Path) -> None:
    folder = write(tmp_path, document(image("<TiffData/>", c=1000)), pages(1000))
    assert len(set(scan(folder).tiles.c.tolist())) == 1000


def test_pages_of_more_channels_than_are_counted_are_all_kept(tmp_path: Path) -> None:
    blocks = "".join(f'<TiffData IFD="{c}" FirstC="{c}" PlaneCount="1"/>' for c in range(2))
    folder = write(tmp_path / "images", document(image(channels("camera") + blocks, c=1)), pages(2))
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[:, 0], pages(2))


def test_planes_that_were_announced_and_are_not_there_are_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "images", document(image("<TiffData/>", z=5)), pages(3))
    (found,) = [finding for finding in scan(folder).findings if finding.code == "missing-plane"]
    assert found.severity == "warning"
    assert found.message.startswith("expected 5 x 1 x 1 planes (Z x C x T), found 3 x 1 x 1 (and 0 more")
    np.testing.assert_array_equal(converted(folder, tmp_path / "out")[0], pages(3))
