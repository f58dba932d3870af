"""What Fractal's web form makes of a JSON schema: the rules that a form must keep, each a function.

A rule takes the schema of a task's arguments and says what breaks it, one line each. Arguments that the
server fills in (``zarr_dir``, ``zarr_url``, ``init_args``) are no part of the form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
Rule = Callable[[Schema], Iterator[str]]

FILLED_IN = ("zarr_dir", "zarr_url", "zarr_urls", "init_args")
MOST_FIELDS, DEEPEST = 40, 4
_KEYWORDS = frozenset(
    "$ref additionalProperties anyOf const default description discriminator enum examples exclusiveMaximum "
    "exclusiveMinimum items maxItems maxLength maximum minItems minLength minimum oneOf pattern prefixItems "
    "properties required title type".split()
)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_NULL = {"type": "null"}


@dataclass(frozen=True)
class Field:
    """A place of a form: an input, or a block, list item or branch with places of its own.

    Attributes:
        path: names from the top, ``[]`` for the item of a list, ``<title>`` for a branch of a union.
        schema: as written, references followed, null taken out of ``anyOf``.
        written: as written.
        is_property: it has a name of its own.
    """

    path: tuple[str, ...]
    schema: Schema
    written: Schema
    is_property: bool = True

    @property
    def is_input(self) -> bool:
        """Whether a user fills it in: no block, and no list of things that are filled in themselves."""
        return not {"properties", "items", "oneOf"} & self.schema.keys()

    def __str__(self) -> str:
        """The path."""
        return "/".join(self.path)


def fields(schema: Schema) -> Iterator[Field]:
    """Every place, reached by opening every block, one item of each list and every branch of a union."""
    visible = {name: part for name, part in schema["properties"].items() if name not in FILLED_IN}
    yield from _properties({"properties": visible}, schema.get("$defs", {}), ())


def _properties(part: Schema, models: Schema, path: tuple[str, ...]) -> Iterator[Field]:
    for name, written in part.get("properties", {}).items():
        yield from _below(Field((*path, name), followed(written, models), written), models)


def _below(field: Field, models: Schema) -> Iterator[Field]:
    yield field
    if len(field.path) > 20:  # a model within itself
        return
    yield from _properties(field.schema, models, field.path)
    if "items" in field.schema:
        item = field.schema["items"]
        yield from _below(Field((*field.path, "[]"), followed(item, models), item, False), models)
    for branch in field.schema.get("oneOf", []):
        opened = followed(branch, models)
        yield from _properties(opened, models, (*field.path, f"<{opened.get('title')}>"))


def followed(part: Schema, models: Schema) -> Schema:
    """A part of a schema with its reference followed, and without the null of ``anyOf``."""
    others = [option for option in part.get("anyOf", []) if option != _NULL]
    merged = {**part, **others[0]} if len(others) == 1 else dict(part)
    if "$ref" in merged:
        merged = {**models[merged.pop("$ref").rpartition("/")[2]], **merged}
    return merged


def every_part(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every schema within the schema of a form, with a name for messages."""
    for field in fields(schema):
        yield str(field), field.written
        for number, option in enumerate(field.written.get("anyOf", [])):
            yield f"{field}/{number}", option
    yield from schema.get("$defs", {}).items()


# --- no form at all --------------------------------------------------------------------------------------


def only_known_keywords(schema: Schema) -> Iterator[str]:
    """An unknown keyword or any format shows no form at all."""
    for name, part in every_part(schema):
        if unknown := sorted(part.keys() - _KEYWORDS):
            yield f"{name}: {', '.join(unknown)}"


def no_nullable_union(schema: Schema) -> Iterator[str]:
    """A discriminated union that may also be null shows no form at all."""
    for field in fields(schema):
        options = field.written.get("anyOf", [])
        if _NULL in options and any("oneOf" in option for option in options):
            yield str(field)


def no_list_of_fixed_length(schema: Schema) -> Iterator[str]:
    """A list of a fixed length shows no form at all, a tuple does."""
    for name, part in every_part(schema):
        if "minItems" in part and part["minItems"] == part.get("maxItems") and "prefixItems" not in part:
            yield name


def no_recursion(schema: Schema) -> Iterator[str]:
    """A model within itself shows no form at all."""
    yield from (str(field)[:60] for field in fields(schema) if len(field.path) > 20)


def discriminators_have_mappings(schema: Schema) -> Iterator[str]:
    """A union needs a discriminator, and this a mapping."""
    for name, part in every_part(schema):
        if "oneOf" in part and not part.get("discriminator", {}).get("mapping"):
            yield name


def no_open_objects(schema: Schema) -> Iterator[str]:
    """An object of any keys (dict[str, Any]) shows no form at all; unknown keys must be refused."""
    if schema.get("additionalProperties") is not False:
        yield "top level: unknown arguments are accepted"
    for name, part in every_part(schema):
        if part.get("type") == "object" and (
            not part.get("properties") or part.get("additionalProperties") is not False
        ):
            yield name


# --- unsupported property --------------------------------------------------------------------------------


def any_of_is_optional(schema: Schema) -> Iterator[str]:
    """The only anyOf that a form shows is something or null."""
    for name, part in every_part(schema):
        options = part.get("anyOf")
        if options is not None and (len(options) != 2 or _NULL not in options):
            yield name


def every_part_has_one_type(schema: Schema) -> Iterator[str]:
    """Any, and several types at once, are unsupported properties."""
    for name, part in every_part(schema):
        kinds = {"type", "$ref", "anyOf", "oneOf"} & part.keys()
        if not kinds or isinstance(part.get("type"), list):
            yield name


# --- misbehaves ------------------------------------------------------------------------------------------


def choices_are_not_nullable(schema: Schema) -> Iterator[str]:
    """A form cannot unset a yes or no, nor a choice."""
    models = schema.get("$defs", {})
    for field in fields(schema):
        if _NULL in field.written.get("anyOf", []):
            options = [followed(option, models) for option in field.written["anyOf"]]
            if any(option.get("type") == "boolean" or "enum" in option for option in options):
                yield str(field)


def choices_have_a_default_that_shows(schema: Schema) -> Iterator[str]:
    """A yes or no needs a default; 0 and an empty text are shown as no choice at all."""
    for field in fields(schema):
        part = field.schema
        is_choice = part.get("type") == "boolean" or "enum" in part
        if is_choice and field.is_property and "default" not in part:
            yield f"{field}: no default"
        if "enum" in part and part.get("default", 1) in ("", 0):
            yield f"{field}: default {part['default']!r}"


def texts_have_no_default(schema: Schema) -> Iterator[str]:
    """A text that is cleared becomes null whatever its default: it is required, or null by default."""
    for field in fields(schema):
        part = field.schema
        if (
            part.get("type") == "string"
            and not {"enum", "const"} & part.keys()
            and part.get("default") is not None
        ):
            yield str(field)


def defaults_of_blocks_are_whole(schema: Schema) -> Iterator[str]:
    """A default that names some fields of a block loses the others."""
    for field in fields(schema):
        default, own = field.schema.get("default"), field.schema.get("properties")
        if own is not None and isinstance(default, dict) and default.keys() != own.keys():
            yield str(field)


# --- what the user sees ----------------------------------------------------------------------------------


def every_field_has_title_and_description(schema: Schema) -> Iterator[str]:
    """Labels are for people: a title, a description, and no name of a class."""
    for field in fields(schema):
        part = field.schema
        if field.is_property and (not part.get("title") or len(part.get("description", "")) < 10):
            yield f"{field}: no title or description"
        if "Missing description" in part.get("description", ""):
            yield f"{field}: missing description"
        if re.search(r"[a-z][A-Z][a-z]|_", field.schema.get("title", "")):
            yield f"{field}: title {part['title']!r}"


def bounds_are_said(schema: Schema) -> Iterator[str]:
    """A form checks the bounds of a number and does not show them."""
    for field in fields(schema):
        said = re.findall(r"\d+(?:\.\d+)?", field.schema.get("description", ""))
        for bound in _BOUNDS:
            if bound in field.schema and float(field.schema[bound]) not in map(float, said):
                yield f"{field}: {bound} {field.schema[bound]}"


def numbers_have_units(schema: Schema) -> Iterator[str]:
    """The title of a number that may have a fraction says its unit."""
    for field in fields(schema):
        if field.schema.get("type") == "number" and not re.search(
            r"\((µm|px|s|GiB)\)$", field.schema["title"]
        ):
            yield str(field)


def paths_have_examples(schema: Schema) -> Iterator[str]:
    """A field for a path shows what one looks like."""
    for field in fields(schema):
        name = field.path[-1]
        if re.search(r"(^|_)(path|file)$", name) and "Example: " not in field.schema.get("description", ""):
            yield str(field)


def branches_have_titles_of_their_own(schema: Schema) -> Iterator[str]:
    """A union is labelled with what it chooses, not with Mode."""
    for field in fields(schema):
        if field.schema.get("title") == "Mode":
            yield str(field)


# --- layout ----------------------------------------------------------------------------------------------


def an_untouched_form_is_not_valid(schema: Schema) -> Iterator[str]:
    """Something must be filled in: a required input without default that a form opens by itself."""
    for field in fields(schema):
        parent = field.schema
        if parent.get("minItems", 0) > 0 and parent.get("items"):
            item = followed(parent["items"], schema.get("$defs", {}))
            required = [item["properties"][name] for name in item.get("required", [])]
            if any("default" not in part and part.get("minLength", 0) > 0 for part in required):
                return
    yield "no list with a required text that must not be empty"


def acquisitions_come_first_then_the_common_choices(schema: Schema) -> Iterator[str]:
    """The order of the form; the most dangerous choice is early, and safe by default."""
    names = [name for name in schema["properties"] if name not in FILLED_IN]
    common = ["overwrite_mode", "tiling_mode", "grouping", "missing_tiles", "ngff_version"]
    if names[:6] != ["acquisitions", *common]:
        yield f"order: {', '.join(names)}"
    if schema["properties"].get("overwrite_mode", {}).get("default") != "No Overwrite":
        yield "overwrite_mode: not safe by default"


def a_form_is_short(schema: Schema) -> Iterator[str]:
    """At most 40 inputs."""
    count = sum(field.is_input for field in fields(schema))
    if count > MOST_FIELDS:
        yield f"{count} inputs"


def a_form_is_flat(schema: Schema) -> Iterator[str]:
    """At most 4 deep, counting blocks, list items and branches."""
    for field in fields(schema):
        if len(field.path) > DEEPEST:
            yield str(field)


RULES: tuple[Rule, ...] = (
    only_known_keywords,
    no_nullable_union,
    no_list_of_fixed_length,
    no_recursion,
    discriminators_have_mappings,
    no_open_objects,
    any_of_is_optional,
    every_part_has_one_type,
    choices_are_not_nullable,
    choices_have_a_default_that_shows,
    texts_have_no_default,
    defaults_of_blocks_are_whole,
    every_field_has_title_and_description,
    bounds_are_said,
    numbers_have_units,
    paths_have_examples,
    branches_have_titles_of_their_own,
    an_untouched_form_is_not_valid,
    acquisitions_come_first_then_the_common_choices,
    a_form_is_short,
    a_form_is_flat,
)
