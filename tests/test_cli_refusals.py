"""What is refused although the input is sound: what is there already, and what does not fit into memory.

Bad inputs have a corpus of their own: `tests.bad_inputs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.table_plates import small_plate
from tests.test_cli_convert import run

if TYPE_CHECKING:
    from pathlib import Path


def test_an_image_that_exists(tmp_path: Path) -> None:
    plate = small_plate(tmp_path / "plate")
    plate.write()
    assert run("convert", plate.folder, tmp_path / "out").returncode == 0
    done = run("convert", plate.folder, tmp_path / "out")
    assert done.returncode == 2
    assert "use mode Extend to keep it" in done.stderr


def test_chunks_that_do_not_fit_into_the_memory_that_is_allowed(tmp_path: Path) -> None:
    plate = small_plate(
        tmp_path / "plate", side=(3000, 4000), fields=1, channels=1, planes=1, wells=(("A", 1),)
    )
    plate.write()
    chunks = 'omezarr_options.chunks={"mode":"Fixed Size","xy_chunk":65536,"z_chunk":1}'
    done = run("convert", plate.folder, tmp_path / "out", "--memory-limit", "0.22GiB", "--set", chunks)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "use smaller chunks" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["convert", "inspect"])
@pytest.mark.parametrize("below", ["", "sub/folder"])
def test_a_destination_that_is_a_file_or_lies_below_one(command: str, below: str, tmp_path: Path) -> None:
    source = small_plate(tmp_path / "plate").write()
    file = tmp_path / "out"
    file.write_text("mine")
    option = ("--dest",) if command == "inspect" else ()
    done = run(command, source, *option, file / below)
    assert done.returncode == 2
    assert f"error: {file}: expected a folder as destination, found that it is a file: give a folder\n" in (
        done.stderr
    )
    assert file.read_text() == "mine"
