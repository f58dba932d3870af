"""Convert a folder: ``convert.py OUT SOURCE WORKERS OPTIONS`` (OPTIONS: a JSON document).

Prints how many bytes it handed to the system for writing, where the system says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tiles2zarr


def bytes_written() -> int | None:
    """Of this process and of those it waited for, to files or anything else; None where there is no such account."""
    account = Path("/proc/self/io")
    if not account.exists():
        return None
    lines = dict(line.split(": ") for line in account.read_text().splitlines())
    return int(lines["wchar"])


def main() -> None:
    """Convert, and fail with the reasons when an image failed."""
    out, source, workers, options = sys.argv[1:5]
    report = tiles2zarr.convert(
        source, out, plate_name="P", workers=int(workers), options=json.loads(options)
    )
    if failed := [image.error or "" for image in report.images if image.status == "failed"]:
        sys.exit("\n".join(failed))
    print(json.dumps({"bytes_written": bytes_written()}))


if __name__ == "__main__":
    main()
