"""The pages say what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from tests.table_plates import pixels_of

REPOSITORY = Path(__file__).parent.parent


def test_the_page_of_options_is_made_from_the_code() -> None:
    made = subprocess.run(
        [sys.executable, REPOSITORY / "dev" / "options_page.py"], capture_output=True, text=True, check=True
    )
    page = (REPOSITORY / "docs" / "options.md").read_text(encoding="utf-8")
    assert made.stdout == page, "run: python dev/options_page.py > docs/options.md"


def test_the_page_of_errors_is_made_from_the_code() -> None:
    made = subprocess.run(
        [sys.executable, REPOSITORY / "dev" / "errors_page.py"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert made.returncode == 0, made.stderr
    page = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
    assert made.stdout == page, "run: python dev/errors_page.py > docs/errors.md"


def test_the_converter_page_runs(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "converter.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    for name in ("f1.npy", "f2.npy"):
        np.save(tmp_path / name, pixels_of(ord(name[1]), side=(48, 64)))
    names: dict[str, Any] = {"folder": str(tmp_path), "zarr_dir": str(tmp_path / "out")}
    exec(compile(code, "docs/converter.md", "exec"), names)
    plate = np.asarray(zarr.open_array(tmp_path / "out/plate.zarr/A/01/0/0", mode="r"))
    expected = np.hstack([np.load(tmp_path / name) for name in ("f1.npy", "f2.npy")])
    np.testing.assert_array_equal(plate, expected[None, None])
    image = np.asarray(zarr.open_array(tmp_path / "out/gradient.zarr/0", mode="r"))
    np.testing.assert_array_equal(image[0, 0, :, :64], np.arange(64 * 48).reshape(48, 64))
    np.testing.assert_array_equal(image[0, 0, :, 64:], np.arange(1000, 1000 + 64 * 48).reshape(48, 64))
