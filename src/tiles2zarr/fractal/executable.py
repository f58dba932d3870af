"""A task function as a program: what a Fractal server starts, one process for each unit of work.

Arguments come from a JSON file and the result goes to another, named by ``--args-json F --out-json F`` or, as
older servers do, by ``-j F --metadata-out F``. Bad input ends in one line on stderr and exit code 1, SIGTERM
in 143, Ctrl-C in 130, all without traceback; a bug keeps its traceback.
"""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import signal
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError, validate_call

from tiles2zarr.errors import OptionsError, PreflightError, Tiles2ZarrError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    TaskFunction = Callable[..., Mapping[str, Any]]

logger = logging.getLogger(__name__)
#: Marks a function as a task: its arguments are checked whoever calls it.
task = validate_call
# The server shows the log of a failed job cut short: this many findings are plenty.
_MOST_LISTED = 30


def _is_program() -> bool:
    """Whether this process was started to run a task of this folder: it does nothing else."""
    started = getattr(sys.modules["__main__"], "__file__", None) or ""
    return os.path.dirname(os.path.realpath(started)) == os.path.dirname(os.path.realpath(__file__))


_IS_PROGRAM = _is_program()
if _IS_PROGRAM:
    # numpy comes next: its threads for linear algebra spin, one for each core, and there is no linear algebra here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Little that an import makes is garbage: looking for it takes a tenth of a small image's time. `run_task` turns it
    # on again.
    gc.disable()


def run_task(function: TaskFunction) -> None:
    """Run a task function with the arguments of the command line.

    Args:
        function: takes keywords, checks them (`pydantic.validate_call`) and returns a JSON document.
    """
    signal.signal(signal.SIGTERM, _terminated)
    if _IS_PROGRAM:
        gc.freeze()
        gc.enable()
    try:
        _run(function, sys.argv[1:])
    except Tiles2ZarrError as error:
        _explain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(function: TaskFunction, arguments: Sequence[str]) -> None:
    from fractal_task_tools.task_wrapper import run_fractal_task

    parser = ArgumentParser(description=f"Fractal task {function.__name__}.", allow_abbrev=False)
    parser.add_argument(
        "--args-json",
        "-j",
        "--json",
        metavar="FILE",
        required=True,
        help="JSON file with the task's arguments",
    )
    parser.add_argument(
        "--out-json",
        "--metadata-out",
        metavar="FILE",
        required=True,
        help="JSON file for the result; must not exist",
    )
    files = parser.parse_args(arguments)
    _refuse_unreadable(files.args_json)
    sys.argv[1:] = ["--args-json", files.args_json, "--out-json", files.out_json]
    run_fractal_task(task_function=_with_plain_errors(function))


def _refuse_unreadable(file: str) -> None:
    try:
        with open(file, "rb") as handle:
            document = json.load(handle)
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{file}: expected a JSON file with the task's arguments, found none: {error}"
        raise OptionsError(msg) from error
    if not isinstance(document, dict):
        msg = f"{file}: expected an object of arguments, found {type(document).__name__}"
        raise OptionsError(msg)


def _with_plain_errors(function: TaskFunction) -> TaskFunction:
    """The function, with wrong arguments said in one line."""

    @functools.wraps(function)
    def checked(**arguments: Any) -> Mapping[str, Any]:
        try:
            return function(**arguments)
        except ValidationError as error:
            if error.title != function.__name__:  # of a value within: a bug
                raise
            raise OptionsError(_problems(error)) from error

    return checked


def _problems(error: ValidationError) -> str:
    """The first wrong argument in full, and how many others there are."""
    said = []
    for problem in error.errors():
        place = ".".join(map(str, problem["loc"]))
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            reason = "there is no such argument"
        elif problem["type"] in ("missing", "missing_keyword_only_argument"):
            reason = "it is required"
        else:
            reason = f"{reason}, found {problem['input']!r}"
        said.append(f"{place}: {reason}")
    for line in said[1:_MOST_LISTED]:
        logger.error("argument %s", line)
    more = f" (and {len(said) - 1} more, listed above)" if len(said) > 1 else ""
    return f"argument {said[0]}{more}"


def _explain(error: Tiles2ZarrError) -> None:
    """Say what is wrong, most important last: that is where a server's log ends."""
    if isinstance(error, PreflightError):
        errors = [finding for finding in error.findings if finding.severity == "error"]
        for finding in errors[:_MOST_LISTED]:
            logger.error("%s: %s: %s", finding.code, finding.where, finding.message)
        if len(errors) > _MOST_LISTED:
            logger.error("%d more errors", len(errors) - _MOST_LISTED)
    line = " ".join(str(error).split())
    print(f"error: {line}", file=sys.stderr, flush=True)


def _terminated(signum: int, frame: object) -> NoReturn:
    """End cleanly, with the exit code that a shell expects."""
    sys.exit(128 + signum)
