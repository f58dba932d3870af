"""The adapter between a command line and a task function: arguments, errors, exit codes, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.fractal.task_process import COMPUTE, PLATE, run_task

if TYPE_CHECKING:
    from pathlib import Path

# A task that does what its argument says.
PROGRAM = """
import signal, sys, threading
from pydantic import BaseModel, validate_call
from tiles2zarr.errors import Finding, PreflightError, SourceError
from tiles2zarr.fractal.executable import run_task

class Inner(BaseModel):
    number: int

@validate_call
def task(*, do: str, times: int = 1) -> dict:
    if do == "bug":
        raise RuntimeError("a bug")
    if do == "model":
        Inner.model_validate({"number": "x"})
    if do == "bad input":
        raise SourceError("t.tif: expected\\n  a plane")
    if do == "findings":
        raise PreflightError([Finding("warning", "displaced", "B", "far"),
                              *(Finding("error", "missing-file", f"t{n}.tif", "gone") for n in range(40))])
    if do == "wait":
        print("ready", flush=True)
        threading.Event().wait()
    return {"done": [do, times]}

run_task(task)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "task.py"
    file.write_text(PROGRAM)
    return file


def start(program: Path, arguments: Any, *flags: str) -> subprocess.Popen[str]:
    folder = program.parent
    (folder / "in.json").write_text(arguments if isinstance(arguments, str) else json.dumps(arguments))
    flags = flags or ("--args-json", "in.json", "--out-json", "out.json")
    return subprocess.Popen(
        [sys.executable, str(program), *flags],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(program: Path, arguments: Any, *flags: str) -> tuple[int, list[str]]:
    """Exit code and lines of stderr."""
    process = start(program, arguments, *flags)
    _, errors = process.communicate()
    return process.returncode, errors.splitlines()


@pytest.mark.parametrize(
    "flags",
    [
        ("--args-json", "in.json", "--out-json", "out.json"),
        ("-j", "in.json", "--metadata-out", "out.json"),
        ("--json", "in.json", "--metadata-out", "out.json"),
        ("--out-json=out.json", "--args-json=in.json"),
    ],
)
def test_every_convention_of_servers_gives_the_same_result(program: Path, flags: tuple[str, ...]) -> None:
    code, _ = run(program, {"do": "work", "times": 3}, *flags)
    assert code == 0
    assert json.loads((program.parent / "out.json").read_text()) == {"done": ["work", 3]}


def test_a_result_that_is_there_already_is_not_replaced(program: Path) -> None:
    (program.parent / "out.json").write_text("old")
    code, lines = run(program, {"do": "work"})
    assert (code, lines[-1]) == (1, "Output file out.json already exists. Terminating")
    assert (program.parent / "out.json").read_text() == "old"


def test_bad_input_is_one_last_line_without_traceback(program: Path) -> None:
    code, lines = run(program, {"do": "bad input"})
    assert (code, lines[-1]) == (1, "error: t.tif: expected a plane")
    assert not any("Traceback" in line for line in lines)


def test_findings_are_listed_shortly_before_the_last_line(program: Path) -> None:
    code, lines = run(program, {"do": "findings"})
    assert code == 1
    listed = [line.partition("; ERROR; ")[2] for line in lines if "; ERROR; " in line]
    assert listed[:30] == [f"missing-file: t{n}.tif: gone" for n in range(30)]
    assert listed[30:] == ["10 more errors"]
    assert lines[-1] == "error: t0.tif: gone (and 39 more: see `tiles2zarr inspect`)"


@pytest.mark.parametrize(
    ("do", "last"), [("bug", "RuntimeError: a bug"), ("model", "For further information")]
)
def test_a_bug_keeps_its_traceback(program: Path, do: str, last: str) -> None:
    code, lines = run(program, {"do": do})
    assert code == 1
    assert lines[-1].strip().startswith(last)
    assert "Traceback (most recent call last):" in lines


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "argument do: it is required"),
        ({"do": "work", "how": 1}, "argument how: there is no such argument"),
        ({"do": "work", "times": "often"}, "argument times: Input should be a valid integer"),
        ([1], "in.json: expected an object of arguments, found list"),
        ("{", "in.json: expected a JSON file with the task's arguments"),
    ],
)
def test_wrong_arguments_are_one_line(program: Path, arguments: Any, expected: str) -> None:
    code, lines = run(program, arguments)
    assert code == 1
    assert lines[-1].startswith(f"error: {expected}")
    assert not any("Traceback" in line for line in lines)


def test_several_wrong_arguments_are_all_named(program: Path) -> None:
    code, lines = run(program, {"how": 1, "times": "often"})
    assert code == 1
    assert "and 2 more" in lines[-1]
    assert {
        name for name in ("do", "how", "times") if any(f"argument {name}: " in line for line in lines)
    } == {
        "do",
        "how",
        "times",
    }


def test_missing_files_of_arguments_are_one_line(program: Path) -> None:
    code, lines = run(program, {}, "--args-json", "nowhere.json", "--out-json", "out.json")
    assert (code, lines[-1][:54]) == (1, "error: nowhere.json: expected a JSON file with the tas")


def test_a_command_line_without_files_is_wrong_usage(program: Path) -> None:
    code, lines = run(program, {}, "--args-json", "in.json")
    assert code == 2
    assert "--out-json" in lines[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_task_without_traceback(program: Path, number: signal.Signals, code: int) -> None:
    process = start(program, {"do": "wait"})
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in errors
    assert not (program.parent / "out.json").exists()


def test_an_untouched_form_is_refused(tmp_path: Path) -> None:
    acquisitions: list[Any]
    for number, acquisitions in enumerate(([], [{}])):
        done = run_task(
            tmp_path / str(number), PLATE, {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": acquisitions}
        )
        assert done.code == 1
        assert "error: argument acquisitions" in done.log
    assert not (tmp_path / "zarr").exists()


@pytest.mark.parametrize(
    "extra",
    [{"overwrite": True}, {"advanced": {"writer_mode": "x"}}, {"acquisitions": [{"path": "/p", "id": 1}]}],
)
def test_unknown_keys_are_refused_at_any_depth(tmp_path: Path, extra: dict[str, Any]) -> None:
    arguments = {"zarr_dir": str(tmp_path / "zarr"), "acquisitions": [{"path": "/p"}], **extra}
    done = run_task(tmp_path / "run", PLATE, arguments)
    assert done.code == 1
    assert "there is no such argument" in done.log
    assert "Traceback" not in done.log


def test_compute_refuses_arguments_that_are_none_of_its_own(tmp_path: Path) -> None:
    done = run_task(tmp_path / "run", COMPUTE, {"zarr_url": "/z/a.zarr", "init_args": {"x": 1}})
    assert done.code == 1
    assert "argument init_args.tiled_image_json_dump_url: it is required" in done.log
    assert "Traceback" not in done.log
