"""The modules of the source tree: what is in what, who is called with what, plain words for expressions."""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TEXTS = frozenset({"str", "Severity", "Tiles2ZarrError"})

# Methods that keep the meaning of a text.
TRANSPARENT = frozenset(
    {
        "removeprefix",
        "removesuffix",
        "strip",
        "lstrip",
        "rstrip",
        "partition",
        "rpartition",
        "replace",
        "lower",
    }
)

# Calls that are known by what they are given: str(x), sorted(x).
_WRAPPERS = frozenset(
    {
        "str",
        "repr",
        "ascii",
        "sorted",
        "list",
        "set",
        "dict",
        "fromkeys",
        "map",
        "tuple",
        "type",
        "max",
        "min",
        "round",
    }
)

# Functions that say what a placeholder stands for; elsewhere it is the function's own name.
WORDS = {
    "describe": "tile",
    "_describe": "tile",
    "describe_source": "file",
    "first_reason": "reason",
    "shown": "cell",
    "_file": "file",
    "strerror": "reason",
    "len": "number",
    "sum": "number",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """A module of the tree.

    Attributes:
        name: dotted, below the package: ``sources.table``.
        path: its file.
        tree: its syntax.
        imports: per name that it imports from this package, module and name over there.
    """

    name: str
    path: Path
    tree: ast.Module
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node is in."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call of the module."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        while (node := self.parents.get(node, self.tree)) is not self.tree:
            if isinstance(node, Function):
                return node
        return None


@dataclass
class Scope:
    """A function, as it is entered from one place that calls it.

    Attributes:
        module: where it stands.
        function: None at the top of the module.
        bound: per parameter the argument, and the scope that this stands in.
        asked: parameters without an argument that a template wanted.
    """

    module: Module
    function: Function | None
    bound: Mapping[str, tuple[ast.expr, Scope]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)


def is_text(node: ast.expr) -> bool:
    """Whether it is written as a text."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def elements(node: ast.expr) -> list[ast.expr]:
    """The elements of a tuple; of anything else itself."""
    return node.elts if isinstance(node, ast.Tuple) else [node]


def is_method(module: Module, function: Function) -> bool:
    """Whether a function is one of a class."""
    return isinstance(module.parents.get(function), ast.ClassDef)


def parameters(function: Function) -> list[str]:
    """Names of all parameters of a function."""
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def texts(function: Function) -> set[str]:
    """The parameters of a function that may be a part of a message: texts, and errors of the tree."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return {each.arg for each in arguments if each.annotation is not None and word(each.annotation) in _TEXTS}


def arguments_of(call: ast.Call, function: Function, *, is_method: bool) -> dict[str, ast.expr] | None:
    """The arguments of a call by parameter; None where they do not fit the function."""
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
    positional = positional[1:] if is_method and not static else positional
    given = itertools.takewhile(lambda node: not isinstance(node, ast.Starred), call.args)
    found = dict(zip(positional, given, strict=False))
    found |= {word.arg: word.value for word in call.keywords if word.arg is not None}
    is_open = any(isinstance(node, ast.Starred) for node in call.args) or any(
        w.arg is None for w in call.keywords
    )
    names = set(positional) | {each.arg for each in function.args.kwonlyargs}
    optional = (
        set(positional[len(positional) - len(function.args.defaults) :]) if function.args.defaults else set()
    )
    optional |= {
        each.arg
        for each, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if value
    }
    if not is_open and (
        set(found) - names or names - optional - set(found) or len(call.args) > len(positional)
    ):
        return None
    return found


def word(node: ast.AST) -> str:
    """A plain word for what an expression stands for."""
    match node:
        case ast.Name(id=name):
            return WORDS.get(name, name.strip("_"))
        case ast.Attribute(attr="__name__" | "name", value=value):
            return word(value)
        case ast.Attribute(attr=name):
            return WORDS.get(name, name.strip("_"))
        case ast.Constant(value=value):
            return str(value)
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.FormattedValue(value=value):
            return word(value)
        case ast.Call(func=ast.Attribute(attr="join"), args=[argument]):
            return word(argument)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[*_, argument]) if (
            name in _WRAPPERS
        ):
            return word(argument)
        case ast.Call(func=ast.Attribute(attr="get", value=value)):
            return word(value)
        case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in TRANSPARENT | {
            "tolist",
            "items",
            "splitlines",
            "iloc",
            "index",
        }:
            return word(value)
        case ast.Call(func=function):
            return word(function)
        case ast.GeneratorExp(elt=value) | ast.ListComp(elt=value) | ast.SetComp(elt=value):
            return word(value)
        case ast.JoinedStr(values=values):
            words = [word(value) for value in values if isinstance(value, ast.FormattedValue)]
            return words[0] if words else "text"
        case ast.BoolOp(values=values):
            return word(values[0])
        case ast.BinOp(left=left, right=right):
            return (
                "number"
                if isinstance(left, ast.Constant | ast.BinOp)
                else word(left)
                if isinstance(right, ast.Constant)
                else "number"
            )
        case ast.IfExp(body=body):
            return word(body)
        case ast.NamedExpr(target=target):
            return word(target)
    return "value"
