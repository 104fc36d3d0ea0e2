"""The public names of the package, read from its source without importing anything.

Importing ``course_utils`` with everything it needs takes five seconds; reading it takes half of
one. Annotations and defaults stay as the authors wrote them, shapes included.

A name is public when it has no leading underscore and neither has its module; it belongs to the
module that defines it, not to those that pass it on.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "course_utils"
_LONGEST_VALUE = 90


@dataclass(frozen=True)
class Symbol:
    """A public function, class, method or constant.

    Attributes:
        kind: The directive of Sphinx's Python domain that describes it, such as ``function``.
        name: Its name within its module, ``Class.method`` for a method.
        signature: What follows the name.
        options: Options of the directive.
        docstring: What its docstring says, without indentation.
        members: Public methods and documented attributes of a class.
    """

    kind: str
    name: str
    signature: str
    docstring: str
    options: tuple[str, ...] = ()
    members: tuple["Symbol", ...] = ()


@dataclass(frozen=True)
class Source:
    """A module of the package.

    Attributes:
        name: Dotted name.
        path: Its file.
        docstring: What the module's docstring says.
        symbols: What it defines, in the order of the file.
        passed_on: Names it imports from the package and lists in ``__all__``, with their origin.
    """

    name: str
    path: Path
    docstring: str
    symbols: tuple[Symbol, ...]
    passed_on: dict[str, str] = field(hash=False)


def read_modules(root: Path, name: str) -> list[Source]:
    """A top-level module of the package and all modules below it, the outermost first."""
    base = root / "src" / PACKAGE / name
    if not base.is_dir():
        return [read_module(root, base.with_suffix(".py"))]
    files = [file for file in base.rglob("*.py") if _is_public(file.relative_to(base))]
    return [read_module(root, file) for file in sorted(files, key=_outer_first)]


def _is_public(file: Path) -> bool:
    return not any(p.startswith("_") for p in (*file.parts[:-1], file.name.replace("__init__", "")))


def _outer_first(file: Path) -> tuple[str, ...]:
    return file.parent.parts if file.name == "__init__.py" else (*file.parent.parts, file.stem)


def read_module(root: Path, file: Path) -> Source:
    """What one file of the package defines; read once for each state of the file."""
    return _read_module(root, file, file.stat().st_mtime_ns)


@cache
def _read_module(root: Path, file: Path, changed: int) -> Source:
    parts = file.relative_to(root / "src").with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(file.read_text("utf-8"))
    imported = _imports(tree)
    known = imported | {n: f"{name}.{n}" for n in _defined(tree)}
    exported = _exported(tree)
    return Source(
        name,
        file,
        ast.get_docstring(tree) or "",
        tuple(_symbols(tree, known)),
        {n: o for n, o in imported.items() if n in exported and o.startswith(f"{PACKAGE}.")},
    )


def _imports(tree: ast.Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.asname or a.name: a.name for a in node.names}
    return names


def _defined(tree: ast.Module) -> set[str]:
    named = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return named | {name for node in tree.body for name in _targets(node)}


def _targets(node: ast.AST) -> list[str]:
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    flat = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return [target.id for target in flat if isinstance(target, ast.Name)]


def _exported(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if "__all__" in _targets(node):
            return set(ast.literal_eval(node.value))
    return set()


def _symbols(scope: ast.Module | ast.ClassDef, known: dict[str, str]) -> Iterator[Symbol]:
    inside = isinstance(scope, ast.ClassDef)
    for node, after in zip(scope.body, [*scope.body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if not _is_setter(node):
                yield _function(node, known, scope.name if inside else "")
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield _class(node, known)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            docstring = _string(after)
            for name in _targets(node):
                if not name.startswith("_") and (docstring or not inside):
                    shown = f"{scope.name}.{name}" if inside else name
                    yield _constant(node, shown, docstring, "attribute" if inside else "data")


def _is_setter(node: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in node.decorator_list)


def _string(node: ast.AST | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        text = node.value.value
        return _clean(text) if isinstance(text, str) else ""
    return ""


def _clean(text: str) -> str:
    return ast.get_docstring(ast.Module([ast.Expr(ast.Constant(text))], [])) or ""


def _function(node: ast.FunctionDef, known: dict[str, str], owner: str) -> Symbol:
    kinds = {"property", "cached_property", "classmethod", "staticmethod", "abstractmethod"}
    marks = {ast.unparse(d).split("(")[0].split(".")[-1] for d in node.decorator_list} & kinds
    docstring = ast.get_docstring(node) or ""
    if marks & {"property", "cached_property"}:
        options = [f":type: {annotation(node.returns, known)}"] if node.returns else []
        return Symbol("property", f"{owner}.{node.name}", "", docstring, tuple(options))
    bound = bool(owner) and "staticmethod" not in marks
    signature = f"({parameters(node.args, known, drop_first=bound)})"
    if node.returns is not None:
        signature += f" -> {annotation(node.returns, known)}"
    options = tuple(f":{mark}:" for mark in sorted(marks))
    name = f"{owner}.{node.name}" if owner else node.name
    return Symbol("method" if owner else "function", name, signature, docstring, options)


def _class(node: ast.ClassDef, known: dict[str, str]) -> Symbol:
    docstring = ast.get_docstring(node) or ""
    members = tuple(_symbols(node, known))
    kind = "exception" if node.name.endswith(("Error", "Mistake", "Intractable")) else "class"
    return Symbol(kind, node.name, _construction(node, known), docstring, (), members)


def _construction(node: ast.ClassDef, known: dict[str, str]) -> str:
    """What a class is called with: its ``__init__``, or the fields of a data class."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return f"({parameters(member.args, known, drop_first=True)})"
    made_of_fields = any("dataclass" in ast.unparse(d) for d in node.decorator_list) or any(
        ast.unparse(base).endswith("NamedTuple") for base in node.bases
    )
    if not made_of_fields:
        return ""
    fields = [
        _parameter(ast.arg(member.target.id, member.annotation), member.value, known)
        for member in node.body
        if isinstance(member, ast.AnnAssign)
        and isinstance(member.target, ast.Name)
        and not ast.unparse(member.annotation).startswith("ClassVar")
        and "init=False" not in ast.unparse(member)
    ]
    return f"({', '.join(fields)})"


def _constant(node: ast.AST, name: str, docstring: str, kind: str) -> Symbol:
    value = ast.unparse(node.value) if getattr(node, "value", None) else ""
    shown = (f":value: {value}",) if 0 < len(value) <= _LONGEST_VALUE else ()
    return Symbol(kind, name, "", docstring, shown)


def parameters(arguments: ast.arguments, known: dict[str, str], drop_first: bool = False) -> str:
    """The parameters of a function as its author wrote them, names of types in full."""
    ordered = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(ordered) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [_parameter(a, d, known) for a, d in zip(ordered, defaults, strict=True)]
    if arguments.posonlyargs:
        shown.insert(len(arguments.posonlyargs), "/")
    shown = shown[1:] if drop_first else shown
    if arguments.vararg:
        shown.append(f"*{_parameter(arguments.vararg, None, known)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    shown += [_parameter(a, d, known) for a, d in pairs]
    if arguments.kwarg:
        shown.append(f"**{_parameter(arguments.kwarg, None, known)}")
    return ", ".join(shown)


def _parameter(argument: ast.arg, default: ast.expr | None, known: dict[str, str]) -> str:
    text = argument.arg
    if argument.annotation is not None:
        text += f": {annotation(argument.annotation, known)}"
    if default is not None:
        equals = " = " if argument.annotation is not None else "="
        text += f"{equals}{ast.unparse(default)}"
    return text


class _InFull(ast.NodeTransformer):
    """Put ``~torch.Tensor`` for ``Tensor``: Sphinx shows the last part and links the whole."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:
        full = None if node.id.startswith("_") else self.known.get(node.id)
        return ast.Name(f"~{full}") if full else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        text = node.value
        return ast.Constant(text.strip()) if isinstance(text, str) else node


def annotation(node: ast.expr, known: dict[str, str]) -> str:
    """An annotation as it is written, the names in it followed to where they come from."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    tree = _InFull(known).visit(ast.parse(ast.unparse(node), mode="eval").body)
    return ast.unparse(tree)
