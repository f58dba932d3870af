"""What all of these tests share: a server that starts programs, and a scene to kill them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interruptions.runs import ForkServer, fork_server
from tests.interruptions.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Started with the first program; its interpreter is shared by all tests."""
    with fork_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def scene(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Small images, converted uninterrupted once."""
    return Scene.make(tmp_path_factory.mktemp("scene"), server.start, side=(12, 16), planes=1)
