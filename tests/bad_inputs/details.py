"""Details of an acquisition and condition tables that cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bad_inputs.files import instead, linked_to
from tests.bad_inputs.scene import DEEP, BadInput, Scene, content

if TYPE_CHECKING:
    from collections.abc import Callable

_TOML = "acquisition_details.toml"


def details(text: str) -> Callable[[Scene], object]:
    """More lines in the details."""
    return lambda scene: scene.toml.write_text(scene.plate.details + text)


def only(text: str) -> Callable[[Scene], object]:
    return content(text, _TOML)


def conditions(data: bytes | str) -> Callable[[Scene], object]:
    """A condition table of these bytes."""

    def spoil(scene: Scene) -> None:
        details('condition_table_path = "drugs.csv"\n')(scene)
        content(data, "drugs.csv")(scene)

    return spoil


def condition_table_at(path: str) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        (scene.root / "outside.csv").write_text("well,drug\nA01,DMSO\n")
        details(f"condition_table_path = '{path}'\n")(scene)

    return spoil


def condition_pipe(scene: Scene) -> None:
    details('condition_table_path = "drugs.csv"\n')(scene)
    os.mkfifo(scene.folder / "drugs.csv")


def conditions_without_wells(scene: Scene) -> None:
    conditions("well,drug\nA01,DMSO\n")(scene)
    for number, row in enumerate(scene.plate.rows):
        del row["row"], row["column"]
        row["image_path"] = f"image {number}"
    scene.plate.write_table()


CASES = [
    BadInput("details: no TOML", only("pixelsize = "), "^{toml}: no TOML: Invalid value"),
    BadInput("details: JSON", only('{"pixelsize": 1}'), "^{toml}: no TOML: "),
    BadInput("details: a web page", only("<html>404</html>"), "^{toml}: no TOML: "),
    BadInput(
        "details: an unknown key",
        only("pixel_size = 0.5"),
        "^{toml}: unknown key pixel_size: expected some of pixelsize",
    ),
    BadInput(
        "details: an unknown key of two lines",
        only('"pixel\\nsize" = 0.5'),
        r"^{toml}: unknown key pixel\\nsize: expected",
    ),
    BadInput("details: a giant key", only(f"{'k' * 500_000} = 1"), "^{toml}: unknown key kkk"),
    BadInput("details: a key twice", only("pixelsize = 1\npixelsize = 2"), "^{toml}: no TOML: "),
    BadInput(
        "details: pixel size is a text", only('pixelsize = "wide"'), "^{toml}: pixelsize: .*valid number"
    ),
    BadInput("details: pixel size NaN", only("pixelsize = nan"), "^{toml}: pixelsize: "),
    BadInput("details: pixel size infinite", only("pixelsize = inf"), "^{toml}: pixelsize: "),
    BadInput(
        "details: pixel size negative", only("pixelsize = -0.5"), "^{toml}: pixelsize: .*greater than 0"
    ),
    BadInput("details: pixel size of 400 digits", only(f"pixelsize = {'9' * 400}"), "^{toml}: pixelsize: "),
    BadInput(
        "details: pixel size of 5000 digits", only(f"pixelsize = {'9' * 5000}"), "^{toml}: no TOML: .*digits"
    ),
    BadInput(
        "details: pixel size tiny", only("pixelsize = 1e-12"), "^{toml}: pixelsize: .*expected 1e-09 to 1e.09"
    ),
    BadInput(
        "details: z spacing zero",
        only("pixelsize = 1\nz_spacing = 0"),
        "^{toml}: z_spacing: .*greater than 0",
    ),
    BadInput("details: channels are a number", only("channels = 3"), "^{toml}: channels: "),
    BadInput("details: channels are texts", only('channels = ["DAPI"]'), "^{toml}: channels.0: "),
    BadInput(
        "details: a channel without its label",
        only("channels = [{}]"),
        "^{toml}: channels.0.channel_label: Field required",
    ),
    BadInput(
        "details: a channel twice",
        details('channel_names = ["DAPI", "DAPI"]'),
        "A/01/0: .*different labels, found DAPI more than once",
    ),
    BadInput(
        "details: a colour that is none",
        only('channels = [{channel_label = "a", color = "blue"}]'),
        "^{toml}: channels.0.color: ",
    ),
    BadInput(
        "details: a window upside down",
        only('channels = [{channel_label = "a", window = [9, 1]}]'),
        "^{toml}: channels.0: window",
    ),
    BadInput("details: unknown axes", only('axes = "zyxw"'), "^{toml}: axes: "),
    BadInput("details: an unknown pixel type", only('data_type = "float24"'), "^{toml}: data_type: "),
    BadInput(
        "details: a pixel type too small",
        details('data_type = "uint8"\n'),
        "A01_f0.*expected pixels that fit data_type = uint8, found uint16",
    ),
    BadInput(
        "details: an unknown unit",
        only('position_unit = "mm"'),
        "^{toml}: position_unit: expected .*found 'mm'",
    ),
    BadInput(
        "details: a giant unit",
        only(f'position_unit = "{"m" * 500_000}"'),
        "^{toml}: position_unit: expected .*found 'mmm",
    ),
    BadInput("details: a date", only("pixelsize = 2020-01-01"), "^{toml}: pixelsize: "),
    BadInput(
        "details: Latin-1",
        content('channel_names = ["µ"]'.encode("latin-1"), _TOML),
        "^{toml}: expected UTF-8, found byte 0xb5",
    ),
    BadInput(
        "details: UTF-16",
        content("pixelsize = 1".encode("utf-16"), _TOML),
        "^{toml}: expected UTF-8, found byte 0xff",
    ),
    BadInput("details: NUL characters", only("pixelsize = 1\0"), "^{toml}: no TOML: "),
    BadInput("details: nested 100000 deep", only(f"channels = {DEEP}"), "^{toml}: .*nested"),
    BadInput(
        "details: huge", only("# nothing\n" * 1_000_000), "^{toml}: expected at most .* bytes, found 10000000"
    ),
    BadInput("details: a folder", instead(os.mkdir, _TOML), "^{toml}: expected a file, found a folder"),
    BadInput(
        "details: a named pipe",
        instead(os.mkfifo, _TOML),
        "^{toml}: expected a file, found a device or pipe",
        needs="posix",
    ),
    BadInput(
        "details: endless zeros",
        instead(linked_to("/dev/zero"), _TOML),
        "^{toml}: expected a file, found a device",
        needs="posix",
    ),
    BadInput(
        "details: a link to nothing",
        instead(linked_to("gone.toml"), _TOML),
        "^{toml}: cannot be read: No such file",
        needs="posix",
    ),
    BadInput(
        "details: a link to itself",
        instead(linked_to(_TOML), _TOML),
        "^{toml}: cannot be read: ",
        needs="posix",
    ),
    # conditions
    BadInput(
        "conditions: not there",
        details('condition_table_path = "drugs.csv"'),
        "^{folder}/drugs.csv: expected a condition table, found nothing there",
    ),
    BadInput("conditions: empty", conditions(""), "^{folder}/drugs.csv: expected a header"),
    BadInput("conditions: no wells", conditions("drug\nDMSO\n"), "^{folder}/drugs.csv: missing column well"),
    BadInput(
        "conditions: a well that cannot be",
        conditions("well,drug\nA01,a\nA0,b\n"),
        "^{folder}/drugs.csv, row 2: well 'A0': expected letters",
    ),
    BadInput(
        "conditions: a row without its column",
        conditions("row,drug\nA,a\n"),
        "^{folder}/drugs.csv: missing column",
    ),
    BadInput(
        "conditions: both ways of naming wells",
        conditions("well,row,column\nA01,A,1\n"),
        "^{folder}/drugs.csv: expected either column well or",
    ),
    BadInput(
        "conditions: two of a well",
        conditions("well,drug\nA01,a\nA01,b\n"),
        "^{folder}/drugs.csv, row 2: well A01 has two values of drug",
    ),
    BadInput(
        "conditions: UTF-16",
        conditions("well,drug\nA01,a\n".encode("utf-16")),
        "^{folder}/drugs.csv: expected",
    ),
    BadInput(
        "conditions: a giant well",
        conditions(f"well,drug\n{'A' * 1_000_000},a\n"),
        "^{folder}/drugs.csv, row 1: well 'AAA",
    ),
    BadInput(
        "conditions: upwards",
        condition_table_at("../outside.csv"),
        r"\.\./outside.csv: expected a file in {folder}, found one outside",
    ),
    BadInput(
        "conditions: absolute and elsewhere",
        condition_table_at("/etc/passwd"),
        "/etc/passwd: expected a file in {folder}, found one outside",
    ),
    BadInput(
        "conditions: a named pipe",
        condition_pipe,
        "^{folder}/drugs.csv: expected a condition table",
        needs="posix",
    ),
    BadInput(
        "conditions: of single images",
        conditions_without_wells,
        "^{folder}/drugs.csv: expected the condition table of a plate",
    ),
]
