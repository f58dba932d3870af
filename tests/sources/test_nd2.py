"""Nikon ND2: a simulator writes the files, the package nd2 reads their metadata."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.simulators.nd2 import DAY, Nd2, Point
from tests.simulators.truth import convert, fields_of, fingerprints, scale_of
from tiles2zarr.errors import MissingExtraError, SourceError
from tiles2zarr.models import ChannelInfo
from tiles2zarr.sources.base import Scan, ScanRequest
from tiles2zarr.sources.nd2 import Nd2Source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

nd2 = pytest.importorskip("nd2", reason="the extra nd2 is not installed")

STARTED = (DAY - 2440587.5) * 86400 + 0.5
OPTICS = {"objective": "Plan Apo λ 20x", "magnification": 20.0, "numerical_aperture": 0.75}
CORNER = (Point(0.0, 0.0, "one"), Point(16.0, 0.0, "two"), Point(0.0, -12.0, "three"))


def scan(path: Path) -> Scan:
    return Nd2Source().scan(ScanRequest(path))


def scanned(tmp_path: Path, document: Nd2) -> Scan:
    return scan(document.write(tmp_path / "a.nd2"))


def pixels(found: Scan, row: int) -> NDArray[Any]:
    """Axes y and x, and the colour last."""
    data: NDArray[Any] = found.tiles.loaders[row].load_data(found.resource)
    return data if data.ndim == 2 else data.transpose(1, 2, 0)


def assert_same_pixels(found: Scan, document: Nd2) -> None:
    rows = [
        (at, c)
        for number, at in enumerate(document.places())
        for c in range(len(document.channels))
        if number not in document.without
    ]
    assert len(found.tiles) == len(rows)
    for row, (at, c) in enumerate(rows):
        assert_array_equal(pixels(found, row), document.pixels(at["p"], c, at["z"], at["t"]))


@pytest.mark.parametrize(
    "document",
    [
        Nd2(loops=""),
        Nd2(loops="z", size_z=3),
        Nd2(loops="t", size_t=3),
        Nd2(loops="tpz", size_t=2, size_z=2, points=CORNER),
        Nd2(loops="ptz", size_t=2, size_z=2, points=CORNER),
        Nd2(loops="zpt", size_t=2, size_z=2, points=CORNER),
        Nd2(dtype="uint8"),
        Nd2(dtype="float32"),
        Nd2(is_compressed=True, loops="z", size_z=2),
        Nd2(padding=6, width=31),
        Nd2(channels=("one",), samples=(1,)),
    ],
    ids=["single", "z", "t", "tpz", "ptz", "zpt", "uint8", "float32", "zlib", "padded", "one channel"],
)
def test_pixels_are_those_of_the_frame_and_of_the_package_nd2(tmp_path: Path, document: Nd2) -> None:
    found = scanned(tmp_path, document)
    assert_same_pixels(found, document)
    with nd2.ND2File(tmp_path / "a.nd2") as opened:
        for row in range(len(found.tiles)):
            frame = opened.read_frame(row // len(document.channels)).reshape(
                -1, document.height, document.width
            )
            assert_array_equal(pixels(found, row), frame[row % len(document.channels)])


@pytest.mark.parametrize("samples", [(3,), (1, 3), (3, 1)])
def test_colours_become_channels_in_the_order_red_green_blue(
    tmp_path: Path, samples: tuple[int, ...]
) -> None:
    document = Nd2(
        channels=("first", "second")[: len(samples)], samples=samples, colors=("FFFFFF",) * len(samples)
    )
    found = scanned(tmp_path, document)
    assert_same_pixels(found, document)
    channels = found.tiles.all_details[0].channels
    assert channels is not None
    expected = [
        label
        for name, count in zip(document.channels, samples, strict=True)
        for label in ([name] if count == 1 else [f"{name} R", f"{name} G", f"{name} B"])
    ]
    assert [channel.channel_label for channel in channels] == expected
    (image,) = convert(tmp_path / "a.nd2", tmp_path / "out")
    (stored,) = fields_of(tmp_path / "out" / image).values()
    planes = [document.pixels(0, c) for c in range(len(samples))]
    assert_array_equal(
        stored[:, 0], np.concatenate([np.atleast_3d(plane).transpose(2, 0, 1) for plane in planes])
    )


def test_channels_keep_names_with_any_characters_wavelengths_exposure_objective_and_colour(
    tmp_path: Path,
) -> None:
    assert scanned(tmp_path, Nd2()).tiles.all_details[0].channels == (
        ChannelInfo(
            channel_label="DAPI", color="0000FF", excitation_nm=400, emission_nm=450, exposure_s=0.1, **OPTICS
        ),
        ChannelInfo(
            channel_label="FITC/GFP 50%",
            color="00FF00",
            excitation_nm=450,
            emission_nm=500,
            exposure_s=0.2,
            **OPTICS,
        ),
    )


def test_channels_without_a_dye_have_no_wavelengths(tmp_path: Path) -> None:
    channels = scanned(tmp_path, Nd2(has_dyes=False)).tiles.all_details[0].channels
    assert channels is not None
    assert [(channel.excitation_nm, channel.emission_nm) for channel in channels] == [(None, None)] * 2


def test_positions_are_fields_of_view_with_y_turned_down(tmp_path: Path) -> None:
    found = scanned(tmp_path, Nd2(points=CORNER))
    assert found.tiles.fov_names == ("FOV_1", "FOV_2", "FOV_3")
    assert found.tiles.x.tolist() == [0.0, 0.0, 16.0, 16.0, 0.0, 0.0]
    assert found.tiles.y.tolist() == [0.0, 0.0, 0.0, 0.0, 12.0, 12.0]
    single = scanned(tmp_path, Nd2(loops="", points=(Point(49481.8, -32354.2),)))
    assert (single.tiles.x[0], single.tiles.y[0]) == (49481.8, 32354.2)


@pytest.mark.parametrize("angle", [0, 1, 2, 3])
def test_positions_are_turned_as_the_camera_is(tmp_path: Path, angle: int) -> None:
    """A mosaic that the camera sees from another side: its tiles meet at the right edges all the same."""
    turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), angle)
    # A camera that is not quite straight, as none is.
    slant = np.array([[np.cos(0.01), -np.sin(0.01)], [np.sin(0.01), np.cos(0.01)]]) @ turn
    corners = np.array([[0.0, 0.0], [16.0, 0.0], [0.0, 12.0]])
    stage = corners @ turn.T * (1, -1)
    document = Nd2(points=tuple(Point(x, y) for x, y in stage), camera=tuple(slant.ravel().tolist()))
    found = scanned(tmp_path, document)
    assert_allclose(np.stack([found.tiles.x, found.tiles.y], axis=1)[::2], corners, atol=1e-9)


def test_a_stage_that_counts_the_other_way_round_is_turned(tmp_path: Path) -> None:
    points = (Point(0.0, 0.0), Point(-16.0, 0.0), Point(0.0, 12.0))
    found = scanned(tmp_path, Nd2(points=points, orientation=(-1, 1)))
    assert found.tiles.x.tolist()[::2] == [0.0, 16.0, 0.0]
    assert found.tiles.y.tolist()[::2] == [0.0, 0.0, 12.0]


def test_positions_that_are_called_after_wells_make_a_plate(tmp_path: Path) -> None:
    points = (Point(0, 0, "A1_0"), Point(16, 0, "A1_1"), Point(9000, 0, "B12_0"), Point(0, 9, "AF48_0"))
    document = Nd2(points=points)
    found = scanned(tmp_path, document)
    assert [image.path() for image in found.tiles.collections] == [
        "a.zarr/A/01/0",
        "a.zarr/AF/48/0",
        "a.zarr/B/12/0",
    ]
    assert found.tiles.fov.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert_same_pixels(found, document)


@pytest.mark.parametrize(
    "names", [("", ""), ("A1", "corner"), ("P1", "P2"), ("Z3", "Z4"), ("A1", "A100"), ("#1", "#2")]
)
def test_positions_of_other_names_are_fields_of_view_of_one_image(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    points = tuple(Point(16.0 * number, 0, name) for number, name in enumerate(names))
    found = scanned(tmp_path, Nd2(points=points))
    assert [image.path() for image in found.tiles.collections] == ["a.zarr"]


def test_a_converted_mosaic_holds_every_position_in_its_place(tmp_path: Path) -> None:
    document = Nd2(points=CORNER, size_z=2)
    (image,) = convert(document.write(tmp_path / "a.nd2"), tmp_path / "out")
    fields = fields_of(tmp_path / "out" / image)
    assert list(fields) == ["FOV_1", "FOV_2", "FOV_3"]
    for p, found in enumerate(fields.values()):
        assert_array_equal(found, [[document.pixels(p, c, z) for z in range(2)] for c in range(2)])
    assert scale_of(tmp_path / "out" / image) == {"c": 1.0, "z": 1.5, "y": 0.5, "x": 0.5}


def test_the_z_spacing_of_a_single_plane_is_a_placeholder_and_not_taken(tmp_path: Path) -> None:
    assert scanned(tmp_path, Nd2(size_z=2)).tiles.all_details[0].z_spacing == 1.5
    found = scanned(tmp_path, Nd2())
    assert found.tiles.all_details[0].z_spacing == 1.0
    assert found.findings == ()


def test_times_of_frames_give_the_time_spacing_else_the_loop_does(tmp_path: Path) -> None:
    found = scanned(tmp_path, Nd2(loops="tz", size_t=3, size_z=2, seconds=7.5))
    assert_allclose(found.tiles.all_details[0].t_spacing, 7.5, atol=1e-5)
    assert found.acquired is not None
    assert_allclose(found.acquired[::2] - STARTED, [0.0, 0.1, 7.5, 7.6, 15.0, 15.1], atol=1e-3)
    found = scanned(tmp_path, Nd2(loops="tz", size_t=3, seconds=7.5, has_times=False))
    assert found.tiles.all_details[0].t_spacing == 7.5


def test_a_file_without_calibration_says_so(tmp_path: Path) -> None:
    found = scanned(tmp_path, Nd2(pixelsize=None))
    assert found.tiles.all_details[0].pixelsize == 1.0
    assert [finding.code for finding in found.findings] == ["assumed-value"]


def test_frames_that_the_file_lacks_are_gaps_not_black_planes(tmp_path: Path) -> None:
    document = Nd2(loops="tz", size_t=2, size_z=3, without=frozenset({4, 5}))
    found = scanned(tmp_path, document)
    assert_same_pixels(found, document)
    assert [(gap.c, gap.z) for gap in found.known_gaps] == [(0, 1.5), (1, 1.5), (0, 3.0), (1, 3.0)]
    assert {gap.reason for gap in found.known_gaps} == {"the file has no such frame"}
    (image,) = convert(tmp_path / "a.nd2", tmp_path / "out")
    (stored,) = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(stored[1, 0, 0], document.pixels(0, 0, 0, 1))


def test_a_stopped_run_of_colours_is_converted_without_filling(tmp_path: Path) -> None:
    document = Nd2(loops="t", size_t=2, channels=("a", "b"), samples=(3, 1), without=frozenset({1}))
    (image,) = convert(replace(document, size_t=3).write(tmp_path / "a.nd2"), tmp_path / "out")
    (stored,) = fields_of(tmp_path / "out" / image).values()
    assert_array_equal(stored[2, :3, 0], document.pixels(0, 0, 0, 2).transpose(2, 0, 1))
    assert_array_equal(stored[0, 3, 0], document.pixels(0, 1, 0, 0))
    assert not stored[1].any()


def test_files_that_share_wells_make_one_plate(tmp_path: Path) -> None:
    folder = tmp_path / "screen"
    folder.mkdir()
    first = Nd2(points=(Point(0.0, 0.0, "A1"), Point(5000.0, 0.0, "A2")))
    second = Nd2(points=(Point(16.0, 0.0, "A1"),), channels=("DAPI",), samples=(1,), size_z=2)
    first.write(folder / "a.nd2")
    second.write(folder / "b.nd2")
    assert sorted(convert(folder, tmp_path / "out")) == ["screen.zarr/A/01/0", "screen.zarr/A/02/0"]
    one, two = fields_of(tmp_path / "out" / "screen.zarr/A/01/0").values()
    nothing = np.zeros((24, 32))
    assert_array_equal(one, [[first.pixels(0, 0), nothing], [first.pixels(0, 1), nothing]])
    assert_array_equal(two, [[second.pixels(0, 0, 0), second.pixels(0, 0, 1)], [nothing, nothing]])
    (other,) = fields_of(tmp_path / "out" / "screen.zarr/A/02/0").values()
    assert_array_equal(other[:, 0], [first.pixels(1, 0), first.pixels(1, 1)])
    replace(second, pixelsize=0.25).write(folder / "b.nd2")
    with pytest.raises(SourceError, match=r"b.nd2: expected pixelsize 0.5 µm as in a.nd2, .* found 0.25 µm"):
        scan(folder)


def test_a_file_and_the_folder_that_holds_only_it_make_the_same_images(tmp_path: Path) -> None:
    file = Nd2(points=(Point(0.0, 0.0, "B2"),)).write(tmp_path / "a.nd2")
    assert fingerprints(Nd2Source(), file, "P") == fingerprints(Nd2Source(), tmp_path, "P")


def test_positions_that_are_counted_and_not_listed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected the 9 positions of its loops, found 3 in its list"):
        scanned(tmp_path, Nd2(loops="pp", points=CORNER))


@pytest.mark.parametrize(
    ("lasers", "bands", "excitation"),
    [
        ((), (405.0,), 405.0),
        ((), (405.0, 488.0, 561.0), None),
        ((488,), (405.0,), 488.0),
        ((488,), (405.0, 488.0, 561.0), 488.0),
        ((488, 561), (405.0,), None),
        ((561,), (), None),
    ],
)
def test_the_laser_goes_before_a_filter_that_serves_several_dyes(
    tmp_path: Path, lasers: tuple[int, ...], bands: tuple[float, ...], excitation: float | None
) -> None:
    document = Nd2(has_dyes=False, lasers=lasers, filter_bands=bands)
    channels = scanned(tmp_path, document).tiles.all_details[0].channels
    assert channels is not None
    assert {channel.excitation_nm for channel in channels} == {excitation}


def test_loops_that_count_more_than_any_file_has_are_refused(tmp_path: Path) -> None:
    whole = Nd2(loops="z", size_z=3).write(tmp_path / "a.nd2").read_bytes()
    count = "uiCount\0".encode("utf-16-le")
    place = whole.index(count, whole.index("uLoopPars".encode("utf-16-le"))) + len(count)
    file = tmp_path / "damaged.nd2"
    file.write_bytes(whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :])
    with pytest.raises(SourceError, match="loops over 2147483647 frames"):
        scan(file)


def test_lossy_and_legacy_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="without loss"):
        scanned(tmp_path, Nd2(is_lossy=True))
    (tmp_path / "old.nd2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(200))
    with pytest.raises(SourceError, match="legacy"):
        scan(tmp_path / "old.nd2")


def test_a_file_that_was_cut_off_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = Nd2(size_z=2).write(tmp_path / "whole.nd2").read_bytes()
    file = tmp_path / "cut.nd2"
    for length in (
        0,
        1,
        3,
        4,
        50,
        112,
        1000,
        len(whole) // 2,
        len(whole) - 100,
        len(whole) - 8,
        len(whole) - 1,
    ):
        file.write_bytes(whole[:length])
        with pytest.raises(SourceError) as refused:
            scan(file)
        assert str(file) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_damaged_file_is_refused_or_read_but_never_breaks(tmp_path: Path) -> None:
    whole = Nd2(size_z=2).write(tmp_path / "whole.nd2").read_bytes()
    file = tmp_path / "damaged.nd2"
    random = np.random.default_rng(5)
    start = whole.index(b"ImageAttributesLV!") - 20
    refused = 0
    for _ in range(100):
        data = bytearray(whole)
        for place in random.integers(start, len(data), 10):
            data[place] = random.integers(256)
        file.write_bytes(data)
        try:
            found = scan(file)
            for loader in found.tiles.loaders:
                loader.load_data(found.resource)
        except SourceError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Nd2().write(tmp_path / "a.nd2")
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "nd2":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert Nd2Source().detect(path) == "one ND2 file"
    with pytest.raises(MissingExtraError, match=r'run pip install "tiles2zarr\[nd2\]"'):
        scan(path)


def test_ten_thousand_planes_are_scanned_at_once(tmp_path: Path) -> None:
    points = tuple(Point(2.0 * number, 0.0) for number in range(250))
    found = scanned(tmp_path, Nd2(points=points, size_z=10, size_t=2, height=4, width=4))
    assert len(found.tiles) == 10_000
    assert len(found.tiles.fov_names) == 250
