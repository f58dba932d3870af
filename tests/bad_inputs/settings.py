"""Options documents, settings and filters that cannot be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bad_inputs.scene import DEEP, BadInput, Scene, options, replace_file, setting

if TYPE_CHECKING:
    from collections.abc import Callable


def document(data: bytes | str, name: str = "options.json") -> Callable[[Scene], object]:
    """An options document of these bytes."""

    def spoil(scene: Scene) -> None:
        file = scene.root / name
        replace_file(file, data.encode() if isinstance(data, str) else data)
        scene.options += ["--options", str(file)]

    return spoil


def document_at(make: Callable[[Scene], object]) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        make(scene)
        scene.options += ["--options", str(scene.root / "options.json")]

    return spoil


_FILE = r"/options\.json: expected an options document in JSON: "
_DEEP_JSON = '{"tiling_mode": ' + DEEP + "}"
_FILTERS = "acquisition.filters="

CASES = [
    BadInput(
        "conditions: a path of half a character",
        document('{"acquisition": {"condition_table_path": "\\ud800.csv"}}'),
        "condition_table_path",
    ),
    BadInput("options: no JSON", document("{"), _FILE + "no JSON: "),
    BadInput(
        "options: no TOML",
        document("a = ", "options.toml"),
        r"/options\.toml: expected an options document in TOML: no TOML: ",
    ),
    BadInput("options: empty", document(""), _FILE + "no JSON: "),
    BadInput(
        "options: a list", document("[1]"), r"/options\.json: expected an object of options, found list"
    ),
    BadInput(
        "options: Latin-1",
        document('{"a": "ä"}'.encode("latin-1")),
        _FILE + "expected UTF-8, found byte 0xe4",
    ),
    BadInput("options: nested 100000 deep", document(_DEEP_JSON), _FILE + ".*nested"),
    BadInput(
        "options: nested 900 deep",
        document('{"tiling_mode": ' + "[" * 900 + "]" * 900 + "}"),
        "option tiling_mode: |/options.json",
    ),
    BadInput(
        "options: TOML nested 100000 deep",
        document(f"tiling_mode = {DEEP}", "options.toml"),
        r"/options\.toml: .*nested",
    ),
    BadInput(
        "options: huge",
        document("{" + " " * 20_000_000 + "}"),
        _FILE + "expected at most .* bytes, found 20000002",
    ),
    BadInput(
        "options: an unknown key",
        document('{"tilling_mode": "Auto"}'),
        "option tilling_mode: unknown: did you mean tiling_mode",
    ),
    BadInput(
        "options: an unknown key of two lines",
        document('{"tiling\\nmode": "Auto"}'),
        r"option tiling\\nmode: unknown",
    ),
    BadInput("options: a giant key", document('{"' + "k" * 1_000_000 + '": 1}'), "option kkk.*unknown"),
    BadInput(
        "options: a giant value",
        document('{"tiling_mode": "' + "k" * 1_000_000 + '"}'),
        "option tiling_mode: .*found 'kkk",
    ),
    BadInput("options: NaN", document('{"tiling_tolerance": NaN}'), "option tiling_tolerance: .*found nan"),
    BadInput(
        "options: beyond floats",
        document('{"tiling_tolerance": 1e999}'),
        "option tiling_tolerance: .*found inf",
    ),
    BadInput(
        "options: 5000 digits",
        document('{"tiling_tolerance": ' + "9" * 5000 + "}"),
        "options.json: |option tiling_tolerance",
    ),
    BadInput(
        "options: a value for a group",
        document('{"omezarr_options": 3}'),
        "option omezarr_options: .*found 3",
    ),
    BadInput(
        "options: half a character",
        document('{"acquisition": {"channels": [{"channel_label": "\\ud800"}]}}'),
        "option acquisition.channels.0.channel_label",
    ),
    BadInput(
        "options: half a character in a label that none checks",
        document('{"acquisition": {"channels": [{"channel_label": "a", "wavelength_id": "\\ud800"}]}}'),
        "option acquisition.channels.0.wavelength_id: expected a text of whole characters",
    ),
    BadInput(
        "options: a named pipe",
        document_at(lambda scene: os.mkfifo(scene.root / "options.json")),
        _FILE + "expected a file, found a device or pipe",
        needs="posix",
    ),
    BadInput(
        "options: endless zeros",
        document_at(lambda scene: (scene.root / "options.json").symlink_to("/dev/zero")),
        _FILE + "expected a file, found a device or pipe",
        needs="posix",
    ),
    # settings
    BadInput(
        "set: an unknown key",
        setting("num_levels=3"),
        "option num_levels: unknown: did you mean omezarr_options.num_levels",
    ),
    BadInput("set: no value", setting("tiling_mode"), "--set 'tiling_mode': expected KEY=VALUE"),
    BadInput("set: no key", setting("=3"), "--set '=3': expected KEY=VALUE"),
    BadInput(
        "set: an empty part of a key", setting("omezarr_options..num_levels=3"), "option omezarr_options"
    ),
    BadInput(
        "set: below a value",
        options("--set", "tiling_mode=Auto", "--set", "tiling_mode.x=1"),
        "--set 'tiling_mode.x=1': expected a group of options at 'tiling_mode'",
    ),
    BadInput("set: a key 100000 deep", setting(".".join(["a"] * 50_000) + "=1"), "option a: unknown"),
    BadInput(
        "set: a value nested 100000 deep",
        setting("tiling_mode=" + "[" * 50_000 + "]" * 50_000),
        "--set 'tiling_mode=.*nested",
    ),
    BadInput(
        "set: a giant value", setting("tiling_mode=" + "k" * 100_000), "option tiling_mode: .*found 'kkk"
    ),
    BadInput("set: a key of two lines", setting("tiling\nmode=Auto"), r"option tiling\\nmode: unknown"),
    BadInput(
        "set: no levels",
        setting("omezarr_options.num_levels=0"),
        "option omezarr_options.num_levels: .*found 0",
    ),
    BadInput(
        "set: 10^9 levels",
        setting("omezarr_options.num_levels=1000000000"),
        "option omezarr_options.num_levels: ",
    ),
    BadInput(
        "set: an unknown mode", setting("tiling_mode=Automatic"), "option tiling_mode: .*found 'Automatic'"
    ),
    BadInput(
        "set: a negative tolerance", setting("tiling_tolerance=-1"), "option tiling_tolerance: .*found -1"
    ),
    BadInput("set: NaN", setting("max_displacement=NaN"), "option max_displacement: .*found nan"),
    BadInput(
        "set: an unknown version",
        setting("omezarr_options.ngff_version=0.6"),
        "option omezarr_options.ngff_version: .*found",
    ),
    BadInput(
        "set: chunks without their mode",
        setting('omezarr_options.chunks={"xy_chunk": 64}'),
        "option omezarr_options.chunks: expected its mode",
    ),
    BadInput(
        "set: chunks that no memory holds",
        options(
            "--memory-limit",
            "0.2GiB",
            "--set",
            'omezarr_options.chunks={"mode":"Fixed Size","xy_chunk":1073741824,"z_chunk":1}',
        ),
        "chunk",
    ),
    BadInput(
        "set: memory that is none",
        options("--memory-limit", "much"),
        "--memory-limit 'much': expected a size such as 2GiB",
    ),
    BadInput("set: memory NaN", options("--memory-limit", "nan"), "memory"),
    BadInput("set: memory negative", options("--memory-limit", "-1GiB"), "memory"),
    BadInput("set: memory infinite", options("--memory-limit", "infGiB"), "memory"),
    BadInput("set: -1000 threads", setting("runtime.threads=-1000"), "option runtime.threads: .*found -1000"),
    # filters
    BadInput(
        "filter: nothing left",
        setting(_FILTERS + '[{"name":"Well Include Filter","wells":["C03"]}]'),
        "filter 1 .*it leaves none of 4 tiles: the values it saw are A01",
    ),
    BadInput(
        "filter: a field that is none",
        setting(_FILTERS + '[{"name":"Include Filter","field":"drug","values":["a"]}]'),
        "filter 1 .*unknown field 'drug': these tiles have",
    ),
    BadInput(
        "filter: no regular expression",
        setting(_FILTERS + '[{"name":"Regex Include Filter","pattern":"("}]'),
        r"option acquisition.filters.0.*'\(' is no regular expression",
    ),
    BadInput(
        "filter: a well that cannot be",
        setting(_FILTERS + '[{"name":"Well Exclude Filter","wells":["99"]}]'),
        "filter 1 .*well '99': expected letters",
    ),
    BadInput(
        "filter: an unknown one",
        setting(_FILTERS + '[{"name":"Best Filter"}]'),
        "option acquisition.filters.0: .*Best Filter",
    ),
    BadInput(
        "filter: a range upside down",
        setting(_FILTERS + '[{"name":"Range Filter","minimum":2,"maximum":1}]'),
        "option acquisition.filters.0.*minimum 2 is above maximum 1",
    ),
    BadInput(
        "filter: a range of NaN", setting(_FILTERS + '[{"name":"Range Filter","minimum":NaN}]'), "filter"
    ),
    BadInput(
        "filter: a range of texts",
        setting(_FILTERS + '[{"name":"Range Filter","field":"fov_name","minimum":1}]'),
        "filter 1 .*expected a field of numbers, found 'FOV_0'",
    ),
    BadInput(
        "filter: a regular expression nested 100000 deep",
        document(
            '{"acquisition": {"filters": [{"name": "Regex Include Filter", "pattern": "'
            + "(" * 100_000
            + ")" * 100_000
            + '"}]}}'
        ),
        "options: a pattern is nested too deeply",
    ),
    BadInput(
        "filter: a regular expression that counts too far",
        setting(_FILTERS + '[{"name":"Regex Include Filter","pattern":"a{99999999999}"}]'),
        "options: a pattern .*counts too far|option acquisition.filters",
    ),
]
