"""The package as a whole: what its wheel ships, what it depends on, and how its modules are cut."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "tiles2zarr"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAX_LINES = 420


def module_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def distribution_name(text: str) -> str:
    """The normalised name at the start of a requirement such as ``dask[array]>=2025.12``."""
    name = re.match(r"[\w.-]+", text)
    assert name, text
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def top_level_imports(source: str) -> set[str]:
    """The first name of every absolute import, at whatever depth it is written."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_ships_types_manifest_and_licence_once_and_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    info = f"tiles2zarr-{PROJECT['version']}.dist-info"
    for name in (
        "tiles2zarr/__init__.py",
        "tiles2zarr/py.typed",
        "tiles2zarr/__FRACTAL_MANIFEST__.json",
        f"{info}/licenses/LICENSE",
    ):
        assert names.count(name) == 1, f"{name} is {names.count(name)} times in the wheel"
    assert sum(name.endswith("__FRACTAL_MANIFEST__.json") for name in names) == 1
    assert {name.partition("/")[0] for name in names} == {"tiles2zarr", info}


def test_the_wheel_ships_every_module_of_the_source_tree(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.endswith(".py")}
    assert shipped == {f"tiles2zarr/{module_id(path)}" for path in MODULES}


def test_the_metadata_of_the_wheel_is_what_pyproject_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(
            archive.read(f"tiles2zarr-{PROJECT['version']}.dist-info/METADATA").decode()
        )
    assert metadata["Name"] == "tiles2zarr"
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"
    core = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert sorted(map(distribution_name, core)) == sorted(map(distribution_name, PROJECT["dependencies"]))


def test_the_installed_package_knows_its_version(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    # The folder goes first on the path: what is imported, and asked for its version, is the wheel.
    path_first = "import sys; sys.path.insert(0, sys.argv[1])"
    program = f"{path_first}; import tiles2zarr; print(tiles2zarr.__file__, tiles2zarr.__version__)"
    run = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'tiles2zarr' / '__init__.py'} {PROJECT['version']}"


def test_every_dependency_has_a_floor() -> None:
    assert [text for text in PROJECT["dependencies"] if ">=" not in text] == []


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_fits_a_reader(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{module_id(path)} has {lines} lines, at most {MAX_LINES}: cut it in two"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_is_named_for_what_is_in_it(path: Path) -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools"}
    assert vague.isdisjoint(path.relative_to(PACKAGE).with_suffix("").parts)


def test_every_imported_library_is_a_declared_dependency() -> None:
    extras = PROJECT.get("optional-dependencies", {}).values()
    declared = {distribution_name(text) for texts in (PROJECT["dependencies"], *extras) for text in texts}
    distributions = packages_distributions()
    undeclared: dict[str, list[str]] = {}
    for path in MODULES:
        imported = top_level_imports(path.read_text(encoding="utf-8"))
        for name in imported - sys.stdlib_module_names - {"tiles2zarr"}:
            candidates = {distribution_name(text) for text in distributions.get(name, [name])}
            if candidates.isdisjoint(declared):
                undeclared.setdefault(name, []).append(module_id(path))
    assert undeclared == {}
