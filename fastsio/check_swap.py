"""`fastsio check-swap PATH`: what a project uses of python-socketio, and how each of it is here.

Reads source with `ast` and runs none of it. Follows the package under any name, what is imported from it,
objects made from its classes (also in other modules of the project, and as attributes), and classes derived
from them. Knows python-socketio only by swap_table.py.
"""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fastsio import swap_table as table
from fastsio.swap_table import DIFFERS, SAME, UNSUPPORTED, Verdict

SKIPPED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "site-packages", "build", "dist", ".git", ".hg", ".tox", ".nox"}
)
HEADINGS = {UNSUPPORTED: "Not supported", DIFFERS: "Differs", SAME: "The same"}


class Use(NamedTuple):
    """One place where python-socketio is used; `what` names it as the source or its class does."""

    file: str
    line: int
    what: str
    verdict: Verdict


class Failure(NamedTuple):
    """A file that could not be read."""

    file: str
    line: int
    why: str


class Report(NamedTuple):
    """All of a project: `files` is how many were read."""

    files: int
    uses: list[Use]
    failures: list[Failure]

    def count(self, status: str) -> int:
        return sum(use.verdict.status == status for use in self.uses)


class Source(NamedTuple):
    """A file of the project. `module` is its last name in an import: the file's, or its folder's."""

    file: str
    module: str
    tree: ast.Module


# --- finding files -----------------------------------------------------------------------------------


def python_files(path: Path) -> Iterator[Path]:
    """The Python files of a project, sorted; virtual environments and the like are left out."""
    if path.is_file():
        yield path
        return
    for folder, folders, files in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not _is_skipped(here / name))
        yield from (here / name for name in sorted(files) if name.endswith(".py"))


def _is_skipped(folder: Path) -> bool:
    return folder.name in SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists()


def read(path: Path) -> Source | Failure:
    """A file's syntax tree, or why there is none."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        return Failure(str(path), error.lineno or 0, f"syntax error: {error.msg}")
    except (OSError, ValueError) as error:
        return Failure(str(path), 0, str(error))
    module = path.parent.name if path.stem == "__init__" else path.stem
    return Source(str(path), module, tree)


# --- what a name stands for --------------------------------------------------------------------------
#
# Names are bound to texts: "socketio" is the package, "socketio.packet" a submodule, "socketio:Server" a
# class, "=Server" an object of the class, "<Server" a class derived from it.


def _dotted(node: ast.expr) -> str | None:
    """ "a.b.c" for names and attributes of them, None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


class Scope:
    """What the names of a file stand for. Functions share it: a name means one thing in a file."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def meaning(self, node: ast.expr) -> str | None:
        """What an expression stands for, None if it has nothing to do with python-socketio."""
        if isinstance(node, ast.Call):
            made = self.meaning(node.func)
            cls = _class_of(made) if made is not None else None
            return None if cls is None else f"={cls}"
        dotted = _dotted(node)
        if dotted is None:
            return None
        if dotted in self.names:
            return self.names[dotted]
        owner, _, name = dotted.rpartition(".")
        if not owner:
            return None
        found = self.names.get(owner) or self._of_owner(owner)
        return None if found is None else _member(found, name)

    def _of_owner(self, owner: str) -> str | None:
        first, _, name = owner.rpartition(".")
        if not first:
            return None
        found = self.names.get(first) or self._of_owner(first)
        return None if found is None else _member(found, name)


def _member(owner: str, name: str) -> str | None:
    """What `name` of a module or object stands for."""
    if owner in ("socketio", "engineio"):
        is_module = name in table.MODULES if owner == "socketio" else name in ("payload", "packet")
        return f"{owner}.{name}" if is_module else f"{owner}:{name}"
    if owner in ("=AsyncServer", "=Server") and name == "manager":
        return "=AsyncManager" if owner == "=AsyncServer" else "=Manager"
    return None


def bind_imports(scope: Scope, tree: ast.Module, project: dict[tuple[str, str], str]) -> None:
    """Fill in what a file imports, from python-socketio and of objects made elsewhere in the project."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, _, rest = alias.name.partition(".")
                if first in ("socketio", "engineio"):
                    whole = f"{first}.{rest}" if rest and alias.asname else first
                    scope.names[alias.asname or first] = whole
        elif isinstance(node, ast.ImportFrom):
            _bind_from(scope, node, project)


def _bind_from(scope: Scope, node: ast.ImportFrom, project: dict[tuple[str, str], str]) -> None:
    first, _, rest = (node.module or "").partition(".")
    for alias in node.names:
        name = alias.asname or alias.name
        if node.level == 0 and first in ("socketio", "engineio"):
            meaning = f"{first}:{alias.name}" if rest else _member(first, alias.name)
            scope.names[name] = meaning or first
        else:
            module = (node.module or "").rpartition(".")[2]
            found = project.get((module, alias.name))
            if found is not None:
                scope.names[name] = found
            # `from app import sockets`: its objects are sockets.sio and so on.
            for (owner, member), meaning in project.items():
                if owner == alias.name:
                    scope.names[f"{name}.{member}"] = meaning


def bind_objects(scope: Scope, tree: ast.Module) -> None:
    """Fill in variables and attributes that are made from a class, and classes that are derived from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                found = scope.meaning(base)
                if found is not None and found[0] != "=" and ":" in found:
                    scope.names[node.name] = f"<{found.partition(':')[2]}"
                elif found is not None and found.startswith("<"):
                    scope.names[node.name] = found
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            _bind_value(scope, node)


def _bind_value(scope: Scope, node: ast.Assign | ast.AnnAssign) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    value = node.value
    meaning = scope.meaning(value) if value is not None else None
    if meaning is None and isinstance(node, ast.AnnAssign):
        annotated = scope.meaning(node.annotation)
        cls = _class_of(annotated) if annotated is not None else None
        meaning = None if cls is None else f"={cls}"
    for target in targets:
        dotted = _dotted(target)
        if dotted is not None and meaning is not None:
            scope.names[dotted] = meaning


def _class_of(meaning: str) -> str | None:
    """The class whose objects a call of `meaning` makes."""
    if meaning.startswith("<"):
        return meaning[1:]
    package, separator, name = meaning.partition(":")
    return name if separator and package == "socketio" and name in table.MEMBERS else None


def bind_parameters(scope: Scope, tree: ast.Module) -> None:
    """Fill in parameters that are annotated with a class: `def setup(sio: socketio.AsyncServer)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            found = scope.meaning(node.annotation)
            cls = _class_of(found) if found is not None else None
            if cls is not None:
                scope.names[node.arg] = f"={cls}"


# --- judging -----------------------------------------------------------------------------------------


class Reader:
    """The uses of one file."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self.uses: list[Use] = []
        self._file = source.file
        self._scope = scope
        for node in ast.walk(source.tree):
            self._visit(node)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(node, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            self._import_from(node)
        elif isinstance(node, ast.Attribute):
            self._attribute(node)
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)

    def _add(self, node: ast.AST, what: str, verdict: Verdict) -> None:
        self.uses.append(Use(self._file, getattr(node, "lineno", 0), what, verdict))

    def _import(self, node: ast.AST, name: str) -> None:
        first, _, rest = name.partition(".")
        if first == "flask_socketio":
            self._add(node, f"import {name}", table.FLASK_SOCKETIO)
        elif first == "socketio":
            verdict = table.MODULES.get(rest, table.INTERNAL_MODULE) if rest else None
            self._add(node, f"import {name}", verdict or table.MODULE_IMPORT)
        elif first == "engineio":
            self._add(node, f"import {name}", Verdict(DIFFERS, "from fastsio import engineio"))

    def _import_from(self, node: ast.ImportFrom) -> None:
        first, _, rest = (node.module or "").partition(".")
        if first == "flask_socketio":
            self._add(node, f"from {node.module}", table.FLASK_SOCKETIO)
            return
        if first not in ("socketio", "engineio"):
            return
        for alias in node.names:
            self._add(
                node, f"from {node.module} import {alias.name}", _imported(first, rest, alias.name)
            )

    def _attribute(self, node: ast.Attribute) -> None:
        owner = self._scope.meaning(node.value)
        if owner is None:
            return
        if owner in ("socketio", "engineio"):
            names = table.NAMES | table.MODULES if owner == "socketio" else table.ENGINEIO
            self._add(node, f"{owner}.{node.attr}", names.get(node.attr, table.UNKNOWN))
        elif owner.startswith("socketio."):
            module = owner.partition(".")[2]
            self._add(node, f"{owner}.{node.attr}", _imported("socketio", module, node.attr))
        elif owner.startswith("engineio."):
            self._add(node, f"{owner}.{node.attr}", table.ENGINEIO[owner.partition(".")[2]])
        elif owner.startswith("="):
            members = table.MEMBERS.get(owner[1:], {})
            unknown = table.PRIVATE if node.attr.startswith("_") else table.UNKNOWN
            self._add(node, f"{owner[1:]}.{node.attr}", members.get(node.attr, unknown))

    def _call(self, node: ast.Call) -> None:
        meaning = self._scope.meaning(node.func)
        cls = None if meaning is None or meaning.startswith("<") else _class_of(meaning)
        if cls is None or cls not in table.ARGUMENTS:
            return
        for keyword in node.keywords:
            if keyword.arg is None:
                continue
            verdict = table.ARGUMENTS[cls].get(keyword.arg, table.UNKNOWN_ARGUMENT)
            what = f"{cls}({keyword.arg}=)"
            if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                special = table.VALUES.get((cls, keyword.arg, keyword.value.value))
                if special is not None:
                    verdict, what = special, f"{cls}({keyword.arg}={keyword.value.value!r})"
            self._add(keyword.value, what, verdict)

    def _class(self, node: ast.ClassDef) -> None:
        meaning = self._scope.names.get(node.name, "")
        base = meaning[1:] if meaning.startswith("<") else ""
        if base not in table.MEMBERS:
            return
        for member in node.body:
            if not isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            verdict = _overridden(base, member.name)
            if verdict is not None:
                self._add(member, f"{base} subclass, {member.name}()", verdict)
        self._members_of_self(node, base)

    def _members_of_self(self, node: ast.ClassDef, base: str) -> None:
        """`self.emit(...)` in a class-based namespace and the like."""
        own = {
            member.name
            for member in ast.walk(node)
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for inner in ast.walk(node):
            if (
                isinstance(inner, ast.Attribute)
                and _dotted(inner.value) == "self"
                and inner.attr not in own
            ):
                verdict = table.MEMBERS[base].get(inner.attr)
                if verdict is not None:
                    self._add(inner, f"{base}.{inner.attr}", verdict)


def _imported(package: str, module: str, name: str) -> Verdict:
    """The verdict on `from package.module import name`."""
    if package == "engineio":
        return table.ENGINEIO.get(module or name, table.UNKNOWN)
    if not module:
        return table.NAMES.get(name) or table.MODULES.get(name) or table.UNKNOWN
    names = table.MODULE_NAMES.get(module)
    if names is not None:
        return names.get(name, table.UNKNOWN)
    return table.MODULES.get(module, table.INTERNAL_MODULE)


def _overridden(base: str, name: str) -> Verdict | None:
    """The verdict on a method that a subclass defines; None for one of its own."""
    if base in table.MANAGER_CLASSES:
        known = name in table.MEMBERS[base] and name not in table.MANAGER_HOOKS
        return table.NEVER_CALLED if known else None
    if base in table.NAMESPACE_CLASSES:
        return table.AS_IS if name.startswith("on_") or name == "trigger_event" else None
    if name.startswith("_") and not name.startswith("__"):
        return table.PRIVATE
    return table.AS_IS if name in table.MEMBERS[base] else None


# --- the whole ---------------------------------------------------------------------------------------


def check(path: Path) -> Report:
    """Read a file or a folder of them."""
    read_files = [read(file) for file in python_files(path)]
    sources = [one for one in read_files if isinstance(one, Source)]
    scopes = [Scope() for _ in sources]
    project: dict[tuple[str, str], str] = {}
    # Twice: what a module makes may be of a class that another one derives.
    for _ in range(2):
        for source, scope in zip(sources, scopes, strict=True):
            bind_imports(scope, source.tree, project)
            bind_objects(scope, source.tree)
            bind_parameters(scope, source.tree)
            for name, meaning in scope.names.items():
                if meaning[0] in "=<" and name.isidentifier():
                    project[source.module, name] = meaning
    uses = [
        use
        for source, scope in zip(sources, scopes, strict=True)
        for use in sorted(Reader(source, scope).uses, key=lambda use: (use.line, use.what))
    ]
    failures = [one for one in read_files if isinstance(one, Failure)]
    return Report(len(sources), uses, failures)


def as_text(report: Report) -> str:
    """For people: what is not supported first; uses of a kind on one line."""
    lines: list[str] = []
    for status, heading in HEADINGS.items():
        kinds: dict[tuple[str, str], list[str]] = {}
        for use in report.uses:
            if use.verdict.status == status:
                place = f"{use.file}:{use.line}"
                places = kinds.setdefault((use.what, use.verdict.note), [])
                if place not in places:
                    places.append(place)
        if kinds:
            lines.append(f"{heading}:")
            lines += [
                f"  {what}{f': {note}' if note else ''}\n      {', '.join(places)}"
                for (what, note), places in kinds.items()
            ]
    if report.failures:
        lines.append("Not read:")
        lines += [f"  {one.file}:{one.line}: {one.why}" for one in report.failures]
    return "\n".join([*lines, _summary(report)])


def _summary(report: Report) -> str:
    if not report.uses:
        said = "no use of python-socketio"
    else:
        said = (
            f"{len(report.uses)} uses of python-socketio: {report.count(SAME)} the same, "
            f"{report.count(DIFFERS)} differ, {report.count(UNSUPPORTED)} not supported"
        )
    unread = f", {len(report.failures)} not read" if report.failures else ""
    return f"{said} ({report.files} {'file' if report.files == 1 else 'files'} read{unread})"


def as_json(report: Report) -> str:
    """For programs: {"files", "counts", "uses": [{"file", "line", "what", "status", "note"}], "failures"}."""
    uses = [
        {"file": use.file, "line": use.line, "what": use.what, "status": use.verdict.status,
         "note": use.verdict.note}
        for use in report.uses
    ]  # fmt: skip
    counts = {status: report.count(status) for status in HEADINGS}
    failures = [one._asdict() for one in report.failures]
    whole = {"files": report.files, "counts": counts, "uses": uses, "failures": failures}
    return json.dumps(whole, indent=2)


def run(path: str, *, is_json: bool = False) -> int:
    """The command. Exit status: 0, or 1 if something is not supported. Raises ValueError for no such path."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path!r}: there is no such file or folder")
    report = check(Path(path))
    print(as_json(report) if is_json else as_text(report))
    return 1 if report.count(UNSUPPORTED) else 0
