"""A process that has the package imported, and forks a child for every run of one of its programs.

A run is then what it is in a process of its own, a whole group of processes that can be killed, without the second
that an interpreter takes to start. Orders come as lines of JSON on stdin, answers go to stdout.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
from importlib import import_module
from typing import Any


def serve() -> dict[str, Any]:
    """Answer until there are no more orders; in a child: the order of a run."""
    codes: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "start":
            pid = os.fork()
            if not pid:
                return dict(order)
            answer = {"pid": pid}
        else:
            pid = order["pid"]
            if pid not in codes:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = {"code": codes.get(pid)}
        print(json.dumps(answer), flush=True)
    sys.exit()


def run(order: dict[str, Any]) -> None:
    """Be the program of an order."""
    from tests.interruptions.moments import watch

    os.setsid()
    out = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, file in enumerate((null, out, out)):
        os.dup2(file, descriptor)
    program, *sys.argv[1:] = order["command"]
    os.environ.update(order["environment"])
    if order["watch"]:
        watch(**order["watch"])
    if program == "tiles2zarr":
        from tiles2zarr.cli import main

        sys.argv[0] = program
        main()
    sys.argv[0] = program
    runpy.run_path(program, run_name="__main__")


#: What a run imports as it goes along.
IMPORTED = (
    "fractal_task_tools.task_wrapper",
    "imagecodecs",
    "pandas",
    "tiles2zarr.cli",
    "tiles2zarr.fractal.convert_image_compute",
    "tiles2zarr.fractal.convert_tiles_table_to_plate_init",
    "tiles2zarr.models.image_files.tiff",
    "tiles2zarr.runners.local",
    "tiles2zarr.runners.report",
    "tiles2zarr.runners.terminal",
    "tiles2zarr.sources.table",
    "zarr",
)

if __name__ == "__main__":
    for module in IMPORTED:
        import_module(module)
    # Nothing is collected or taken apart in the children that the server made: its memory stays shared.
    gc.collect()
    gc.freeze()
    run(serve())
