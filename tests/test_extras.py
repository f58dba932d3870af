"""What an installation without extras can do, and what it says of the rest."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.simulators.operetta import contract_plate
from tiles2zarr.sources import every_source

EXTRAS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
# Files that only an extra can read, by the extra.
FILES = {"nd2": "a.nd2", "bioimage": "a.vsi"}
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split()))  # as if they were not installed
from tiles2zarr.cli import main
main()
"""


def run_without_extras(*arguments: object) -> subprocess.CompletedProcess[str]:
    libraries = " ".join(library for source in every_source() for library in source.libraries)
    command = [sys.executable, "-c", WITHOUT, libraries, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_extra_of_a_format_is_one_of_the_package_and_in_all() -> None:
    needed = {source.extra for source in every_source() if source.extra is not None}
    assert needed <= EXTRAS.keys() and needed == FILES.keys()
    (everything,) = EXTRAS["all"]
    listed = everything.removeprefix("tiles2zarr[").removesuffix("]").split(",")
    assert sorted(listed) == sorted(EXTRAS.keys() - {"all"})


def test_what_an_extra_brings_is_what_its_format_imports() -> None:
    for source in every_source():
        if source.extra is not None:
            assert [text.partition(">=")[0] for text in EXTRAS[source.extra]] == list(source.libraries)
            for library in source.libraries:
                assert importlib.import_module(library)


def test_without_extras_all_formats_are_listed_with_what_they_lack() -> None:
    done = run_without_extras("formats", "--json")
    assert done.returncode == 0, done.stderr
    formats = json.loads(done.stdout)["formats"]
    assert [found["name"] for found in formats] == [source.name for source in every_source()]
    assert [found["name"] for found in formats if not found["installed"]] == sorted(FILES, reverse=True)
    text = run_without_extras("formats").stdout
    assert text.count("(not installed)") == len(FILES)


def test_without_extras_the_others_convert(tmp_path: Path) -> None:
    plate = contract_plate(tmp_path)
    done = run_without_extras("convert", plate, tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert {image["status"] for image in json.loads(done.stdout)["images"]} == {"converted"}


@pytest.mark.parametrize(("extra", "name"), FILES.items())
def test_a_missing_extra_is_named_in_one_line(tmp_path: Path, extra: str, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\xda\xce\xbe\x0a" + bytes(100))
    done = run_without_extras("inspect", file)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"tiles2zarr[{extra}]" in line and str(file) in line
