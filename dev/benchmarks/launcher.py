"""Starts a command and prints, as the last line, what it took: ``launcher.py EVERY COMMAND ...``.

The system counts the memory of whoever starts a process into that process's peak, for the time before it becomes
another program. So the starter has to be small: this program needs no more than a bare interpreter.
EVERY: seconds between two looks at the command's resident memory; 0: none.
"""

from __future__ import annotations

import json
import os
import sys
import time


def resident_bytes(process: int) -> int:
    """Resident memory of a running process; 0 where the system has no /proc, or the process has just ended."""
    try:
        with open(f"/proc/{process}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def environment() -> dict[str, str]:
    """That of this process, but programs may keep their compiled byte code, as installed ones do.

    Without it a process compiles everything that it imports, which would be measured instead.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Run the command to its end."""
    every, command = float(sys.argv[1]), sys.argv[2:]
    resident = []
    started = time.monotonic()
    process = os.posix_spawnp(command[0], command, environment())
    ended, status, usage = os.wait4(process, os.WNOHANG if every else 0)
    while not ended:
        resident.append(resident_bytes(process))
        time.sleep(every)
        ended, status, usage = os.wait4(process, os.WNOHANG)
    document = {
        "wall": time.monotonic() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        # macOS counts bytes, Linux KiB.
        "peak_mb": usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "resident_mb": [size / 2**20 for size in resident if size],
        "exit_code": os.waitstatus_to_exitcode(status),
    }
    print(f"\n{json.dumps(document)}")


main()
