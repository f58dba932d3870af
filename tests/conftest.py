"""What every test may lean on: one Hypothesis profile, and the real vendor files where they are."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

# Before ngio, whichever test asks for that: pydantic-zarr 0.9, the last for Python 3.11, otherwise confuses
# the Zarr v2 models of ome-zarr-models with those of v3.
import ome_zarr_models  # noqa: F401
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_DATA = Path(os.environ.get("TILES2ZARR_REALDATA") or REPOSITORY.parent / "shared" / "data")

# A deadline measures how busy the machine is, not the code; the blob repeats here a failure seen elsewhere.
settings.register_profile("tiles2zarr", deadline=None, print_blob=True)
settings.load_profile("tiles2zarr")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what asks for `real_dataset` as realdata, and skips all realdata tests where there is none."""
    for item in items:
        if "real_dataset" in getattr(item, "fixturenames", ()):
            item.add_marker("realdata")
        if item.get_closest_marker("realdata") and not REAL_DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no real vendor files in {REAL_DATA}"))


# A shell that puts the tests in the background lets them, and every process that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_dataset() -> Callable[[str], Path]:
    """Turns the name of a real dataset into its folder, to be read and never written."""

    def folder(name: str) -> Path:
        path = REAL_DATA / name
        assert path.is_dir(), f"no dataset {name} in {REAL_DATA}"
        return path

    return folder
