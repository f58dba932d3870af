"""When something happened, as instruments write it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import nan


def posix(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time with any fraction and offset; NaN where there is no such time.

    A time without an offset is taken as UTC: only differences are used.

    >>> posix("2021-01-26T14:30:00.1234567+01:00") - posix("2021-01-26T13:29:59Z")
    1.1234560012817383
    >>> posix("")
    nan
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
