"""Local variables: the assignments that reach a place of a function."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dev.messages.syntax import Function, Scope, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence


def reaching(name: str, node: ast.AST, scope: Scope) -> tuple[list[ast.AST | None], bool]:
    """What a name may hold at a place of its function, None for what is unknown; whether it is a local one."""
    found: list[ast.AST | None] = []
    parents, end = scope.module.parents, scope.function
    current = node
    while current is not end and current in parents:
        parent = parents[current]
        if isinstance(
            parent, ast.comprehension | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
        ):
            generators = parent.generators if not isinstance(parent, ast.comprehension) else [parent]
            if any(name in _targets(each.target) for each in generators):
                return [None], True
        for block in ("body", "orelse", "finalbody", "handlers"):
            statements = getattr(parent, block, None)
            if isinstance(statements, list) and current in statements and block != "handlers":
                before = statements[: statements.index(current)]
                values, is_complete = _in_block(before, name)
                found += values
                if is_complete:
                    return found, True
        if isinstance(parent, ast.ExceptHandler) and parent.name == name:
            return [*found, parent], True
        if isinstance(parent, ast.For) and current is not parent.iter and name in _targets(parent.target):
            return [*found, None], True
        if isinstance(parent, ast.With) and current not in parent.items:
            if any(each.optional_vars and name in _targets(each.optional_vars) for each in parent.items):
                return [*found, None], True
        if isinstance(parent, ast.If | ast.While | ast.IfExp) and current is not parent.test:
            if values := _walrus(parent.test, name):
                return [*found, *values], True
        if isinstance(parent, Function) and parent is not end and name in parameters(parent):
            return [*found, None], True
        current = parent
    return found, bool(found)


def _targets(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _walrus(node: ast.AST, name: str) -> list[ast.AST | None]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.NamedExpr) and n.target.id == name]


def _in_block(statements: Sequence[ast.stmt], name: str) -> tuple[list[ast.AST | None], bool]:
    """The values that a name may have behind some statements, and whether it surely got one of them there."""
    found: list[ast.AST | None] = []
    for statement in reversed(statements):
        values, is_complete = _in_statement(statement, name)
        found += values
        if is_complete:
            return found, True
    return found, False


def _in_statement(statement: ast.stmt, name: str) -> tuple[list[ast.AST | None], bool]:
    match statement:
        case ast.Assign(targets=[target], value=value) if name in _stored(target):
            return [_unpacked(target, value, name)], True
        case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name:
            return ([value], True) if value is not None else ([], False)
        case ast.AugAssign(target=ast.Name(id=target)) if target == name:
            return [None], False
        case ast.If():
            branches = [statement.body, statement.orelse]
            reached = [_in_block(branch, name) for branch in branches if not _ends(branch)]
            values = [value for part, _ in reached for value in part] + _walrus(statement.test, name)
            return values, bool(reached) and all(is_complete for _, is_complete in reached)
        case ast.Try():
            blocks = [[*statement.body, *statement.orelse], *(each.body for each in statement.handlers)]
            reached = [_in_block(block, name) for block in blocks if not _ends(block)]
            return [value for part, _ in reached for value in part], bool(reached) and all(
                done for _, done in reached
            )
        case ast.With():
            if any(each.optional_vars and name in _targets(each.optional_vars) for each in statement.items):
                return [None], True
            return _in_block(statement.body, name)
        case ast.For() | ast.While():
            values, _ = _in_block(statement.body, name)
            if isinstance(statement, ast.For) and name in _targets(statement.target):
                values = [*values, None]
            return values, False
        case ast.FunctionDef() | ast.ClassDef():
            return [], False
    values = _walrus(statement, name)
    return values, bool(values)


def _stored(target: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _unpacked(target: ast.expr, value: ast.expr, name: str) -> ast.AST | None:
    """The part of a value that a name gets."""
    if isinstance(target, ast.Name):
        return value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for element, part in zip(target.elts, value.elts, strict=True):
            if isinstance(element, ast.Name) and element.id == name:
                return part
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "partition"
    ):
        return value
    return None


def _ends(block: Sequence[ast.stmt]) -> bool:
    """Whether what follows a block is never reached from it."""
    if not block:
        return False
    last = block[-1]
    if isinstance(last, ast.If):
        return _ends(last.body) and _ends(last.orelse)
    if isinstance(last, ast.With):
        return _ends(last.body)
    return isinstance(last, ast.Raise | ast.Return | ast.Continue | ast.Break)
