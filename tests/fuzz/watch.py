"""Branches of modules in Python as coverage: each block of a watched module tells the fuzzer that it runs.

libFuzzer sees what its compiler has instrumented; this does the same for source that is not compiled. Modules are
watched from their import on, so watch() comes first.
"""

from __future__ import annotations

import ast
import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import CodeType, ModuleType
from typing import Any
from zlib import crc32

HIT = "__fuzz_hit__"
BLOCKS = ("body", "orelse", "finalbody")
# The hits of a module's own statements say nothing: they run once, at its import.
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Marker(ast.NodeTransformer):
    """Puts a call in front of every block inside of a function."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._depth = 0

    def visit(self, node: ast.AST) -> Any:
        is_function = isinstance(node, FUNCTIONS)
        self._depth += is_function
        self.generic_visit(node)
        if self._depth and isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            for name in BLOCKS:
                block = getattr(node, name, None)
                if block:
                    setattr(node, name, self._marked(block, is_function))
        self._depth -= is_function
        return node

    def _marked(self, block: list[ast.stmt], is_function: bool) -> list[ast.stmt]:
        first = block[0]
        number = crc32(f"{self._path}:{first.lineno}:{first.col_offset}".encode())
        call = ast.Call(ast.Name(HIT, ast.Load()), [ast.Constant(number)], [])
        hit = ast.fix_missing_locations(ast.copy_location(ast.Expr(call), first))
        # A docstring stays the first statement.
        at = 1 if is_function and is_text(first) and len(block) > 1 else 0
        return [*block[:at], hit, *block[at:]]


def is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


class _Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, **options: Any) -> CodeType:
        tree = _Marker(str(path)).visit(ast.parse(data, path))
        return compile(tree, path, "exec", dont_inherit=True)

    def get_code(self, fullname: str) -> CodeType | None:
        """Never from the cache, which has the code without the calls."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, prefixes: tuple[str, ...]) -> None:
        self._prefixes = prefixes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(fullname == one or fullname.startswith(f"{one}.") for one in self._prefixes):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def watch(names: Sequence[str], hit: Callable[[int], None]) -> None:
    """Call `hit(number)` whenever a block of fastsio's modules `names`, or of what is in them, begins."""
    setattr(builtins, HIT, hit)
    sys.meta_path.insert(0, _Finder(tuple(f"fastsio.{name}" for name in names)))
