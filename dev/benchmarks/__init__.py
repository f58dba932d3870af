"""How fast and lean the converter is: whole processes, in turn with what it is compared with, as ratios of medians.

Run ``python -m dev.benchmarks --help`` from the repository's root.
"""

from __future__ import annotations
