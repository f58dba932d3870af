"""Task executables run as a Fractal server runs them: a process each, arguments and result in JSON files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRACTAL = Path(__file__).parent.parent.parent / "src" / "tiles2zarr" / "fractal"
PLATE, IMAGES = "convert_tiles_table_to_plate_init", "convert_tiles_table_to_images_init"
COMPUTE = "convert_image_compute"


@dataclass(frozen=True)
class Done:
    """How a process ended.

    Attributes:
        code: its exit code.
        log: what it wrote to stdout and stderr, as a server keeps it.
        result: the JSON document that it left; None where it left none.
    """

    code: int
    log: str
    result: Any


def run_task(
    folder: Path, name: str, arguments: Any, flags: tuple[str, str] = ("--args-json", "--out-json")
) -> Done:
    """One run of an executable; its files go into a folder that is made for it."""
    folder.mkdir(parents=True)
    given, left = folder / "args.json", folder / "out.json"
    given.write_text(arguments if isinstance(arguments, str) else json.dumps(arguments))
    command = [sys.executable, str(FRACTAL / f"{name}.py"), flags[0], str(given), flags[1], str(left)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=folder
    )
    result = json.loads(left.read_text()) if left.exists() else None
    return Done(done.returncode, done.stdout, result)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
