"""Every message that the package can say, read off its source tree without running it.

Collected are the findings (`Finding(severity, code, where, message)`), the errors of the tree in
`tiles2zarr.errors`, and what the values of the options say (`ValueError`), which becomes part of an error. A message
is followed through local variables, conditions, constants, functions that return texts, and parameters of functions
to the places that call them. One that cannot be followed is an `UnreadableMessageError`, so that none stays
undocumented.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.messages.syntax import (
    TRANSPARENT,
    WORDS,
    Function,
    Module,
    Scope,
    arguments_of,
    elements,
    is_method,
    is_text,
    parameters,
    texts,
    word,
)
from dev.messages.templates import (
    Choice,
    Slot,
    Template,
    alternatives,
    expanded,
    has_prose,
    passes_on,
    rows,
    shown,
)
from dev.messages.variables import reaching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "tiles2zarr"

_DEEPEST = 8


class UnreadableMessageError(Exception):
    """A message that cannot be followed: say it in a simpler way, as an f-string or a variable just before it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the source tree.

    Attributes:
        kind: class of the error, ``ValueError``, or ``Finding``.
        code: code of the finding; empty for an error. ``*`` stands for the code of the finding before it.
        severity: of the finding; words joined by " or ".
        template: what is said.
        module: where it stands, such as ``sources.table``.
        line: where it stands.
    """

    kind: str
    code: str
    severity: str
    template: Template
    module: str
    line: int

    def shown(self) -> str:
        """The message with its alternatives in brackets."""
        return shown(self.template)

    def said(self) -> list[str]:
        """Every form that the message can take, placeholders in braces."""
        return list(dict.fromkeys("".join(parts).strip() for parts in expanded(self.template)))


class Sources:
    """The source tree."""

    def __init__(self, package: Path = PACKAGE) -> None:
        """Read it.

        Args:
            package: the folder of the package.
        """
        self.modules = {}
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package).with_suffix("").parts
            name = ".".join(part for part in parts if part != "__init__")
            module = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package.name:
                    origin = (node.module or "").partition(".")[2]
                    module.imports |= {a.asname or a.name: (origin, a.name) for a in node.names}
            self.modules[name] = module
        self.errors = self._error_classes()

    def _error_classes(self) -> dict[str, str]:
        """Names of the classes of the error tree, each with its parent's."""
        found = {"Tiles2ZarrError": "Exception"}
        classes = [n for m in self.modules.values() for n in ast.walk(m.tree) if isinstance(n, ast.ClassDef)]
        for _ in classes:
            found |= {
                node.name: base.id
                for node in classes
                for base in node.bases
                if isinstance(base, ast.Name) and base.id in found
            }
        return found

    def messages(self) -> list[Message]:
        """Every message of the tree, in the order of its modules.

        Raises:
            UnreadableMessageError: one of them cannot be followed.
        """
        found: list[Message] = []
        for module in self.modules.values():
            if module.name == "errors":  # says what others found
                continue
            for node in module.calls:
                if ast.unparse(node.func) == "Finding.of":
                    found += self._passed_on(module, node)
                elif isinstance(node.func, ast.Name):
                    if node.func.id == "Finding":
                        found += self._findings(module, node)
                    elif node.func.id in self.errors and node.func.id != "PreflightError":
                        found += self._errors(module, node, node.func.id)
                    elif node.func.id == "ValueError" and _is_of_values(module):
                        found += self._errors(module, node, "ValueError")
        return list(dict.fromkeys(found))

    def _passed_on(self, module: Module, call: ast.Call) -> Iterator[Message]:
        """What `Finding.of(code, error)` makes of an error that is said elsewhere."""
        if len(call.args) != 2 or call.keywords:
            raise self._unreadable(module, call, "expected Finding.of(code, error)")
        code, error = call.args
        for scope in self._scopes(module, module.function_of(call), [code]):
            for each_code in alternatives(self._of(code, scope)):
                for each in rows(self._of(error, scope)):
                    yield Message("Finding", each_code, "error", each, module.name, call.lineno)

    def _findings(self, module: Module, call: ast.Call) -> Iterator[Message]:
        if len(call.args) != 4 or call.keywords:
            raise self._unreadable(module, call, "expected Finding(severity, code, where, message)")
        severity, code, _, message = call.args
        for scope in self._scopes(module, module.function_of(call), [code, message]):
            template = self._of(message, scope)
            words = [word for word in alternatives(self._of(code, scope)) if "{" not in word]
            if not words and not self._is_loop_variable(module, code):
                raise self._unreadable(module, call, "the code of the finding is no text")
            self._check(module, call, template)
            severities = alternatives(self._of(severity, scope))
            said = " or ".join(word for word in severities if "{" not in word) or "as the ones before"
            for each_code in words or ["*"]:
                yield from (
                    Message("Finding", each_code, said, each, module.name, call.lineno)
                    for each in rows(template)
                )

    @staticmethod
    def _is_loop_variable(module: Module, code: ast.expr) -> bool:
        """Whether a code comes from findings that were made before: a loop over them, or one's attribute."""
        return isinstance(code, ast.Attribute) or any(
            isinstance(node, ast.comprehension | ast.For)
            and any(
                isinstance(n, ast.Name) and isinstance(code, ast.Name) and n.id == code.id
                for n in ast.walk(node.target)
            )
            for node in ast.walk(module.function_of(code) or module.tree)
        )

    def _errors(self, module: Module, call: ast.Call, kind: str) -> Iterator[Message]:
        if len(call.args) != 1 or call.keywords:
            raise self._unreadable(module, call, f"expected {kind}(message)")
        for scope in self._scopes(module, module.function_of(call), call.args):
            template = self._of(call.args[0], scope)
            self._check(module, call, template)
            yield from (Message(kind, "", "", each, module.name, call.lineno) for each in rows(template))

    def _check(self, module: Module, call: ast.Call, template: Template) -> None:
        for row in rows(template):
            letters = sum(map(str.isalpha, "".join(part for part in row if isinstance(part, str))))
            if letters < 2 and not has_prose(row) and not passes_on(row):
                raise self._unreadable(module, call, f"all that can be told of it is {shown(row)!r}")

    @staticmethod
    def _unreadable(module: Module, node: ast.expr, problem: str) -> UnreadableMessageError:
        return UnreadableMessageError(
            f"{module.path}:{node.lineno}: a message that dev/messages cannot follow ({problem}): "
            "write it as an f-string, or assign it to a variable just before"
        )

    # Parameters: from a function to the places that call it

    def _scopes(
        self, module: Module, function: Function | None, wanted: Sequence[ast.expr], depth: int = 0
    ) -> list[Scope]:
        """The function as it is entered from each place that hands it a part of a message."""
        probe = Scope(module, function)
        for node in wanted:
            self._of(node, probe)
        probe.asked &= texts(function) if function is not None else set()
        if function is None or depth > _DEEPEST or not probe.asked:
            return [Scope(module, function)]
        found: list[Scope] = []
        is_bearing = False
        for caller, call in self._calls(module, function):
            arguments = arguments_of(call, function, is_method=is_method(module, function))
            if arguments is None:
                continue
            given = [arguments[name] for name in sorted(probe.asked) if name in arguments]
            for outer in self._scopes(caller, caller.function_of(call), given, depth + 1):
                bound = {name: (node, outer) for name, node in arguments.items()}
                found.append(Scope(module, function, bound))
                is_bearing |= any(self._bears(node, outer) for node in given)
        return found if is_bearing else [Scope(module, function)]

    def _bears(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an argument is a part of a message: words, or the code of a finding, or an error."""
        template = self._of(node, scope)
        return has_prose(template) or any(
            part.name.startswith("message of ") if isinstance(part, Slot) else isinstance(node, ast.Constant)
            for part in template
        )

    def _calls(self, module: Module, function: Function) -> Iterator[tuple[Module, ast.Call]]:
        of_class = is_method(module, function)
        for other in self.modules.values():
            known = [
                name
                for name, origin in other.imports.items()
                if self._origin(*origin) == (module.name, function.name)
            ]
            names = {function.name} if other is module else set(known)
            for node in other.calls:
                if isinstance(node.func, ast.Name) and not of_class and node.func.id in names:
                    yield other, node
                elif (
                    isinstance(node.func, ast.Attribute)
                    and of_class
                    and node.func.attr == function.name
                    and word(node.func.value) not in ("logger", "log", "console", "said")
                ):
                    yield other, node

    def _origin(self, module: str, name: str) -> tuple[str, str]:
        """Where a name is defined that a module may have imported itself."""
        found = self.modules.get(module)
        while found is not None and found.imports.get(name, (module, name)) != (module, name):
            module, name = found.imports[name]
            found = self.modules.get(module)
        return module, name

    # Expressions: what they say

    def _of(self, node: ast.expr, scope: Scope, depth: int = 0) -> Template:
        """What an expression says."""
        if depth > 4 * _DEEPEST:
            return (Slot(word(node)),)
        match node:
            case ast.Constant(value=str() | int() | float() as value):
                return (str(value),)
            case ast.JoinedStr():
                return tuple(part for value in node.values for part in self._of(value, scope, depth + 1))
            case ast.FormattedValue():
                return self._of(node.value, scope, depth + 1)
            case ast.BinOp(op=ast.Add()):
                left, right = self._of(node.left, scope, depth + 1), self._of(node.right, scope, depth + 1)
                if any(
                    has_prose(part) or is_text(side)
                    for part, side in ((left, node.left), (right, node.right))
                ):
                    return (*left, *right)
            case ast.IfExp():
                return self._choice((node.body, node.orelse), scope, word(node.body), depth)
            case ast.BoolOp(op=ast.Or()):
                return self._choice(node.values, scope, word(node.values[0]), depth)
            case ast.Name():
                return self._name(node, scope, depth)
            case ast.Attribute():
                return self._attribute(node, depth)
            case ast.Call():
                return self._call(node, scope, depth)
        return (Slot(word(node)),)

    def _choice(self, nodes: Sequence[ast.expr], scope: Scope, word: str, depth: int) -> Template:
        options = tuple(dict.fromkeys(self._of(node, scope, depth + 1) for node in nodes))
        if len(options) == 1:
            return options[0]
        if not any(isinstance(part, str | Choice) for option in options for part in option):
            return (Slot(word),)
        return (Choice(options),)

    def _name(self, node: ast.Name, scope: Scope, depth: int) -> Template:
        found, is_local = reaching(node.id, node, scope)
        if found:
            options = tuple(dict.fromkeys(self._definition(node.id, each, scope, depth) for each in found))
            if all(len(option) == 1 and isinstance(option[0], Slot) for option in options):
                passed_on = [option for option in options if passes_on(option)]
                return passed_on[0] if passed_on else (Slot(word(node)),)
            return options[0] if len(options) == 1 else (Choice(options),)
        if is_local:
            return (Slot(word(node)),)
        if node.id in scope.bound:
            argument, outer = scope.bound[node.id]
            template = self._of(argument, outer, depth + 1)
            if all(isinstance(part, Slot) for part in template) and not passes_on(template):
                return (Slot(word(node)),)
            return template
        if scope.function is not None and node.id in parameters(scope.function):
            scope.asked.add(node.id)
            return (Slot(word(node)),)
        return self._constant(scope.module.name, node)

    def _definition(self, name: str, value: ast.AST | None, scope: Scope, depth: int) -> Template:
        if isinstance(value, ast.ExceptHandler):
            kinds = [word(kind) for kind in elements(value.type)] if value.type is not None else []
            own = [kind for kind in kinds if kind in self.errors]
            return (Slot(f"message of {' or '.join(own)}" if own else "reason"),)
        if isinstance(value, ast.expr):
            return self._of(value, scope, depth + 1)
        return (Slot(name.strip("_")),)

    def _constant(self, module: str, node: ast.Name) -> Template:
        origin, name = self._origin(module, node.id)
        for statement in self.modules[origin].tree.body if origin in self.modules else ():
            match statement:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                    template = self._of(value, Scope(self.modules[origin], None))
                    if all(isinstance(part, str) for part in template):
                        return template
        return (Slot(word(node)),)

    def _attribute(self, node: ast.Attribute, depth: int) -> Template:
        """A field of a value that holds words, such as a problem; of anything else its name."""
        options: list[Template] = []
        for module in self.modules.values() if node.attr in ("problem", "remedy", "reason", "found") else ():
            for call in module.calls:
                if not isinstance(call.func, ast.Name):
                    continue
                fields = self._fields(module, call.func.id)
                if node.attr in fields:
                    index = fields.index(node.attr)
                    given = {word.arg: word.value for word in call.keywords}
                    value = call.args[index] if index < len(call.args) else given.get(node.attr)
                    if value is not None and not isinstance(value, ast.Starred):
                        scopes = self._scopes(module, module.function_of(call), [value])
                        options += [self._of(value, scope, depth + 1) for scope in scopes]
        prose = tuple(dict.fromkeys(option for option in options if has_prose(option)))
        return (Choice(prose),) if prose else (Slot(word(node)),)

    def _fields(self, module: Module, name: str) -> list[str]:
        origin, name = self._origin(module.name, name)
        tree = self.modules[origin].tree.body if origin in self.modules else []
        classes = [node for node in tree if isinstance(node, ast.ClassDef) and node.name == name]
        return [
            statement.target.id
            for node in classes[:1]
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        ]

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Template:
        match node.func:
            case ast.Name(id="str" | "one_line") if node.args:
                return self._of(node.args[0], scope, depth + 1)
            case ast.Attribute(attr=attr, value=value) if attr in TRANSPARENT:
                return self._of(value, scope, depth + 1)
            case ast.Name(id=name) if name not in WORDS:
                origin, name = self._origin(scope.module.name, name)
                return self._returned(node, scope, origin, name, depth)
        return (Slot(word(node)),)

    def _returned(self, call: ast.Call, scope: Scope, origin: str, name: str, depth: int) -> Template:
        """What a function of this package returns."""
        module = self.modules.get(origin)
        for function in module.tree.body if module is not None else ():
            if module is not None and isinstance(function, Function) and function.name == name:
                arguments = arguments_of(call, function, is_method=False) or {}
                inner = Scope(module, function, {key: (value, scope) for key, value in arguments.items()})
                values = [
                    n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None
                ]
                options = tuple(dict.fromkeys(self._of(value, inner, depth + 1) for value in values))
                if any(map(has_prose, options)):
                    return options[0] if len(options) == 1 else (Choice(options),)
        return (Slot(word(call)),)


def _is_of_values(module: Module) -> bool:
    """Whether what is wrong with a value there becomes a part of an error; image files say it by themselves."""
    return module.name.startswith("models") and not module.name.startswith("models.image_files")
