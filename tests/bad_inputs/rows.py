"""Rows of a table that cannot be: places, counts, wells, names and paths."""

from __future__ import annotations

from tests.bad_inputs.scene import SECOND, BadInput, Scene
from tests.bad_inputs.tables import A_NAME, FINITE, ROW_2, cell, cells

_ROW_2_PLACE = rf"A/01/0, FOV_0 \(.*\), {SECOND}: "
_WHOLE_FROM_0, _WHOLE_FROM_1 = "expected a whole number from 0 to ", "expected a whole number from 1 to "


def twin_row(scene: Scene) -> None:
    scene.plate.rows.append(dict(scene.plate.rows[1]))
    scene.plate.write_table()


def one_row_less(scene: Scene) -> None:
    del scene.plate.rows[1]
    scene.plate.write_table()


def same_place(scene: Scene) -> None:
    scene.plate.rows[1] |= {"start_c": 0}
    scene.plate.write_table()


def far_away(scene: Scene) -> None:
    for row in scene.plate.rows[2:]:
        row["start_x"] = 1e12
    scene.plate.write_table()


def unknown_channel(scene: Scene) -> None:
    scene.toml.write_text(scene.plate.details + 'channels = [{channel_label = "DAPI"}]\n')


def mirrored_name(scene: Scene) -> None:
    """A name that shows as another one: half of it runs from right to left."""
    cell("file_path", "A01_\u202efit.exe.tif")(scene)


def two_shapes(scene: Scene) -> None:
    """A row says another width than the field's other tile; its file has that width."""
    import numpy as np
    import tifffile

    tifffile.imwrite(scene.tile, np.ones((12, 17), "uint16"))
    cell("length_x", 17)(scene)


CASES = [
    # positions
    BadInput("position: NaN", cell("start_y", "nan"), ROW_2 + f"start_y: {FINITE}'nan'"),
    BadInput("position: infinite", cell("start_x", "-inf"), ROW_2 + f"start_x: {FINITE}-inf"),
    BadInput("position: beyond floats", cell("start_x", "1e999"), ROW_2 + f"start_x: {FINITE}"),
    BadInput("position: a text", cell("start_x", "left"), ROW_2 + f"start_x: {FINITE}'left'"),
    BadInput("position: a decimal comma", cell("start_x", "1,5"), ROW_2 + f"start_x: {FINITE}'1,5'"),
    BadInput("position: empty", cell("start_y", ""), ROW_2 + f"start_y: {FINITE}nan"),
    BadInput(
        "position: the largest float",
        cells("start_x", "1.7976931348623157e308"),
        "^{table}, row 1 .*column start_x: expected a number from -1e.18 to 1e.18, found 1.79",
    ),
    BadInput(
        "position: absurdly far away",
        far_away,
        r"A01_f1.*implausible extent: expected positions within .* found x = 1e\+12 µm",
    ),
    BadInput(
        "position: z out of reach",
        cell("start_z", 1e17),
        _ROW_2_PLACE + "expected a z position within .* found 1e.17: z or its spacing",
    ),
    BadInput(
        "position: t out of reach",
        cell("start_t", 9e17),
        _ROW_2_PLACE + "expected a t position within .* found 9e.17: t or its spacing",
    ),
    BadInput(
        "position: two tiles in one place",
        same_place,
        "{folder}/A01_f0_t0_c0_z0.tif: expected one tile in this place, found a second one",
        errors=1,
    ),
    BadInput(
        "position: a row twice", twin_row, "{tile}: expected one tile in this place, found a second one"
    ),
    BadInput(
        "position: a plane that is missing",
        one_row_less,
        r"A/01/0, FOV_0 \(channel_1, z-plane 0, timepoint 0\): expected a tile, found none",
    ),
    # counts
    BadInput("length: negative", cell("length_x", -16), ROW_2 + f"length_x: {_WHOLE_FROM_1}.*found -16"),
    BadInput("length: zero", cell("length_y", 0), ROW_2 + f"length_y: {_WHOLE_FROM_1}.*found 0"),
    BadInput("length: a fraction", cell("length_x", 15.5), ROW_2 + f"length_x: {_WHOLE_FROM_1}.*found 15.5"),
    BadInput("length: 10^12", cell("length_x", 10**12), ROW_2 + f"length_x: {_WHOLE_FROM_1}"),
    BadInput("length: 2^63", cell("length_x", 2**63), ROW_2 + f"length_x: {_WHOLE_FROM_1}"),
    BadInput(
        "length: 400 digits", cell("length_x", "9" * 400), ROW_2 + f"length_x: ({_WHOLE_FROM_1}|{FINITE})"
    ),
    BadInput(
        "length: 2^31 - 1 px everywhere",
        cells("length_x", 2**31 - 1),
        "A01.*expected an extent of at most",
        errors=2,
    ),
    BadInput(
        "length: 2^31 - 1 planes", cells("length_z", 2**31 - 1), "A/01/0.*2147483647 z-planes", errors=2
    ),
    BadInput("length: a text", cell("length_x", "wide"), ROW_2 + f"length_x: {FINITE}'wide'"),
    BadInput(
        "length: of neighbours of a field that differ",
        two_shapes,
        "A01_f0.*px .height x width. as its field of view",
    ),
    BadInput("channel: negative", cell("start_c", -1), ROW_2 + f"start_c: {_WHOLE_FROM_0}.*found -1"),
    BadInput("channel: 2^31 - 1", cell("start_c", 2**31 - 1), "channel"),
    BadInput(
        "channel: not among the named ones",
        unknown_channel,
        rf"^{{table}}, row 2 \({SECOND}\): expected a channel from 0 to 0 .DAPI., found channel 1",
    ),
    BadInput(
        "page: beyond the file",
        cells("first_page", 7),
        "{folder}/A01_f0_t0_c0_z0.tif: expected 1 plane",
    ),
    BadInput(
        "page: negative",
        cells("first_page", -1),
        rf"^{{table}}, row 1 \(.*column first_page: {_WHOLE_FROM_0}",
    ),
    # wells and names
    BadInput("well: column 0", cell("column", 0), ROW_2 + f"column: {_WHOLE_FROM_1}.*found 0"),
    BadInput("well: column 1000", cell("column", 1000), rf"^{{table}}, row 2 \({SECOND}\): column: .*999"),
    BadInput("well: row 0", cells("row", 0), "^{table}, row 1 .*, column row: expected a row letter"),
    BadInput("well: row ABC", cell("row", "ABC"), ROW_2 + "row: expected a row letter .*found 'ABC'"),
    BadInput("well: row of another alphabet", cell("row", "А"), ROW_2 + "row: expected a row letter"),  # noqa: RUF001
    BadInput("name: empty", cell("fov_name", ""), ROW_2 + "fov_name: expected a text"),
    BadInput(
        "name: a line break", cell("fov_name", "FOV\n0"), ROW_2 + rf"fov_name: {A_NAME}, found 'FOV\\n0'"
    ),
    BadInput(
        "name: an escape sequence",
        cell("fov_name", "\x1b[2J"),
        ROW_2 + rf"fov_name: {A_NAME}, found '\\x1b\[2J'",
    ),
    BadInput(
        "name: right to left",
        cell("fov_name", "\u202eVOF"),
        ROW_2 + rf"fov_name: {A_NAME}, found '\\u202eVOF'",
    ),
    BadInput(
        "name: a line separator",
        cell("fov_name", "FOV\u20280"),
        ROW_2 + rf"fov_name: {A_NAME}, found 'FOV\\u20280'",
    ),
    # paths
    BadInput("path: empty", cell("file_path", ""), "^{table}, row 2 .*, column file_path: expected a text"),
    BadInput(
        "path: spaces only", cell("file_path", "  "), "^{table}, row 2 .*, column file_path: expected a text"
    ),
    BadInput(
        "path: a line break",
        cell("file_path", "a\nb.tif"),
        rf"^{{table}}, row 2 \(a\\nb.tif\), column file_path: {A_NAME}",
    ),
    BadInput(
        "path: a bell",
        cell("file_path", "a\ab.tif"),
        rf"^{{table}}, row 2 \(a\\x07b.tif\), column file_path: {A_NAME}",
    ),
    BadInput(
        "path: right to left",
        mirrored_name,
        rf"^{{table}}, row 2 \(A01_\\u202efit.exe.tif\), column file_path: {A_NAME}",
    ),
    BadInput(
        "path: very long",
        cell("file_path", "a" * 300 + ".tif"),
        r"{folder}/a{300}.tif: cannot be opened .*too long",
    ),
    BadInput(
        "path: longer than any",
        cell("file_path", "a/" * 3000 + "b.tif"),
        "^{table}, row 2 .*, column file_path: expected a text of 1 to 1000",
    ),
    BadInput(
        "path: absolute and elsewhere",
        cell("file_path", "/etc/passwd"),
        r"^{table}, row 2 \(/etc/passwd\): expected a file in {folder}, found one outside",
    ),
    BadInput(
        "path: upwards",
        cell("file_path", "../other.tif"),
        r"^{table}, row 2 \(../other.tif\): .*found one outside",
    ),
    BadInput(
        "path: upwards from within",
        cell("file_path", "a/../../other.tif"),
        r"^{table}, row 2 .*found one outside",
    ),
    BadInput(
        "path: upwards as Windows has it",
        cell("file_path", "..\\other.tif"),
        r"^{table}, row 2 .*found one outside",
    ),
    BadInput(
        "path: a drive",
        cell("file_path", "C:\\plate\\a.tif"),
        r"^{table}, row 2 .*found one outside",
        needs="posix",
    ),
    BadInput(
        "path: a network share",
        cell("file_path", "\\\\server\\plate\\a.tif"),
        r"^{table}, row 2 .*found one outside",
    ),
    BadInput(
        "path: the folder itself", cell("file_path", "."), "{folder}: expected an image file, found a folder"
    ),
    BadInput("path: an address", cell("file_path", "https://example.org/a.tif"), "no such file"),
    BadInput(
        "path: first of them upwards",
        cells("file_path", "../../a.tif"),
        r"^{table}, row 1 .*found one outside",
    ),
]
