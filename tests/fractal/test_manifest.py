"""The manifest: up to date, complete, and with forms that a user can fill in."""

from __future__ import annotations

import json
import subprocess
import sys
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from tests.fractal import form_rules
from tests.fractal.form_rules import RULES, fields

if TYPE_CHECKING:
    from tests.fractal.form_rules import Rule, Schema

PACKAGE = files("tiles2zarr")
MANIFEST = json.loads(PACKAGE.joinpath("__FRACTAL_MANIFEST__.json").read_text(encoding="utf-8"))
TASKS = MANIFEST["task_list"]
KINDS = ("non_parallel", "parallel")


def name_of(task: dict[str, Any]) -> str:
    return str(task["name"])


@pytest.fixture(params=TASKS, ids=name_of)
def task(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_the_manifest_is_what_the_tasks_make_of_it() -> None:
    check = "from fractal_task_tools._cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", check, "check", "--package", "tiles2zarr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tasks_are_these() -> None:
    assert [task["name"] for task in TASKS] == [
        "Convert Operetta to OME-Zarr Plate",
        "Convert CellVoyager to OME-Zarr Plate",
        "Convert CQ3K to OME-Zarr Plate",
        "Convert ImageXpress to OME-Zarr Plate",
        "Convert ImageXpress HCS.ai to OME-Zarr Plate",
        "Convert ScanR to OME-Zarr Plate",
        "Convert OME-TIFF to OME-Zarr",
        "Convert CZI to OME-Zarr",
        "Convert LIF to OME-Zarr",
        "Convert ND2 to OME-Zarr",
        "Convert Other Microscope Files to OME-Zarr",
        "Convert Tiles Table to OME-Zarr Plate",
        "Convert Tiles Table to OME-Zarr Images",
    ]


def test_the_manifest_says_what_a_server_asks_for() -> None:
    assert MANIFEST["manifest_version"] == "2"
    assert MANIFEST["has_args_schemas"] is True
    assert MANIFEST["authors"]


def test_a_task_is_a_converter(task: dict[str, Any]) -> None:
    assert task["type"] == "converter_compound"
    assert task["category"] == "Conversion"
    assert task.get("modality") == ("HCS" if "Plate" in task["name"] else None)


def test_executables_are_there_and_their_names_hold_no_shell_characters(task: dict[str, Any]) -> None:
    for kind in KINDS:
        path = task[f"executable_{kind}"]
        assert PACKAGE.joinpath(path).is_file()
        assert not set(path) & set("`#$&*()\\|[]{};<>?! ")


def test_a_task_can_be_found_and_understood(task: dict[str, Any]) -> None:
    assert task["tags"] and len(set(task["tags"])) == len(task["tags"]) and all(task["tags"])
    assert task["docs_info"].startswith("### Purpose\n")
    assert task["docs_link"].startswith("https://")


def test_a_task_says_what_it_needs(task: dict[str, Any]) -> None:
    for kind in KINDS:
        meta = task[f"meta_{kind}"]
        assert meta.keys() == {"cpus_per_task", "mem"}
    models = task["args_schema_non_parallel"]["$defs"]
    advanced = models.get("AdvancedForm") or models["TableAdvancedForm"]
    default = advanced["properties"]["memory_limit_gib"]["default"]
    assert task["meta_parallel"]["mem"] >= default * 1024 + 1024


def test_init_takes_the_destination_and_compute_the_image_and_its_work_order(task: dict[str, Any]) -> None:
    init, compute = (task[f"args_schema_{kind}"]["properties"] for kind in KINDS)
    assert next(iter(init)) == "zarr_dir"
    assert not {"zarr_url", "zarr_urls"} & init.keys()
    assert list(compute) == ["zarr_url", "init_args"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_form_keeps_the_rule(task: dict[str, Any], rule: Rule) -> None:
    assert list(rule(task["args_schema_non_parallel"])) == []


def test_the_compute_task_asks_the_user_nothing(task: dict[str, Any]) -> None:
    assert list(fields(task["args_schema_parallel"])) == []


def test_the_size_of_the_forms_is_known() -> None:
    sizes = [sum(field.is_input for field in fields(task["args_schema_non_parallel"])) for task in TASKS]
    plates, with_spacings, images, tables = 26, 29, 25, (30, 28)
    assert sizes == [*[plates] * 5, *[with_spacings] * 3, images, with_spacings, images, *tables]


class Color(StrEnum):
    RED = "red"
    NONE = ""


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Square(Closed):
    kind: Literal["square"] = "square"
    side: int = 1


class Round(Closed):
    kind: Literal["round"] = "round"
    radius: int = 1


class Node(Closed):
    inner: list[Node] = Field(default_factory=list)


class Deep(Closed):
    squares: list[Square] = Field(min_length=1)


Shape = Annotated[Square | Round, Field(discriminator="kind")]
MANY = {f"number_{n}": (int, Field(default=1)) for n in range(41)}
BREAKS: list[tuple[Rule, Any, Any]] = [
    (form_rules.only_known_keywords, Annotated[str, Field(json_schema_extra={"widget": "x"})], ...),
    (form_rules.no_nullable_union, Shape | None, None),
    (form_rules.no_list_of_fixed_length, Annotated[list[int], Field(min_length=2, max_length=2)], ...),
    (form_rules.no_recursion, Node, ...),
    (form_rules.no_open_objects, dict[str, Any], ...),
    (form_rules.any_of_is_optional, int | str, ...),
    (form_rules.every_part_has_one_type, Any, ...),
    (form_rules.choices_are_not_nullable, bool | None, None),
    (form_rules.choices_are_not_nullable, Color | None, None),
    (form_rules.choices_have_a_default_that_shows, bool, ...),
    (form_rules.choices_have_a_default_that_shows, Color, Color.NONE),
    (form_rules.texts_have_no_default, str, "plate"),
    (form_rules.every_field_has_title_and_description, int, 1),
    (form_rules.bounds_are_said, Annotated[int, Field(ge=7)], 8),
    (form_rules.numbers_have_units, float, 1.0),
    (form_rules.paths_have_examples, str, ...),
    (form_rules.branches_have_titles_of_their_own, Annotated[int, Field(title="Mode")], 1),
    (form_rules.an_untouched_form_is_not_valid, int, 1),
    (form_rules.acquisitions_come_first_then_the_common_choices, int, 1),
    (form_rules.a_form_is_short, create_model("Long", __base__=Closed, **MANY), ...),  # type: ignore[call-overload]
    (form_rules.a_form_is_flat, list[Deep], ...),
]


def form_of(annotation: Any, default: Any) -> Schema:
    """The schema of a form with one field, called ``a_path``."""
    model: type[BaseModel] = create_model("Form", __base__=Closed, a_path=(annotation, default))
    return model.model_json_schema()


@pytest.mark.parametrize(
    ("rule", "annotation", "default"), BREAKS, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_rule_finds_what_breaks_it(rule: Rule, annotation: Any, default: Any) -> None:
    assert list(rule(form_of(annotation, default)))


def test_the_rules_about_unions_and_defaults_find_what_breaks_them() -> None:
    form = form_of(Shape, ...)
    assert not list(form_rules.discriminators_have_mappings(form))
    del form["properties"]["a_path"]["discriminator"]["mapping"]
    assert list(form_rules.discriminators_have_mappings(form))

    form = form_of(Square, Square())
    assert not list(form_rules.defaults_of_blocks_are_whole(form))
    del form["properties"]["a_path"]["default"]["side"]
    assert list(form_rules.defaults_of_blocks_are_whole(form))


def test_every_rule_is_shown_to_find_something() -> None:
    shown = {rule for rule, _, _ in BREAKS}
    others = {form_rules.discriminators_have_mappings, form_rules.defaults_of_blocks_are_whole}
    assert shown | others == set(RULES)


def test_inputs_of_a_union_are_counted_in_every_branch_and_of_a_list_once() -> None:
    assert [str(field) for field in fields(form_of(list[Shape], ...)) if field.is_input] == [
        "a_path/[]/<Square>/kind",
        "a_path/[]/<Square>/side",
        "a_path/[]/<Round>/kind",
        "a_path/[]/<Round>/radius",
    ]
