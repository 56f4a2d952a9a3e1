"""The house: arrows between files run downward only, in no circle, and every file has a caller."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vicinal

ROOT = Path(vicinal.__file__).parent

#: What each room may use, besides itself and the foundation.
MAY_USE = {
    "foundation": set(),
    "data": set(),
    "kernels": set(),
    "geometry": set(),
    "weights": set(),
    "pairing": {"geometry", "weights"},
    "plan": {"kernels", "pairing", "weights"},
    "io": set(),
    "page": {"io"},
    "jobs": {"io"},
    "nn": {"geometry", "weights", "pairing", "plan"},
    "table": {"io", "jobs", "kernels", "weights", "pairing", "plan"},
    "learn": {"geometry", "weights", "pairing", "plan", "table"},
    "text": {"io", "page", "jobs", "weights", "pairing", "plan", "nn"},
    "report": {"io", "page", "weights", "plan", "table"},
    "studio": {"io", "page", "table", "report", "text"},
    "cli": {"data", "io", "page", "jobs", "weights", "pairing", "plan", "table", "report"}
    | {"nn", "text", "studio"},
}


def room_of(module: str) -> str:
    """Return the room of a module: a folder, or a file of the top; "foundation" for ``_name``."""
    parts = module.split(".")[1:]
    return "foundation" if not parts or parts[0].startswith("_") else parts[0]


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """Return the modules of ours that a file imports when it runs, anywhere in it."""
    found, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if is_for_types(node):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vicinal"):
            for alias in node.names:
                one = f"{node.module}.{alias.name}"
                found.add(one if one in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
    return found


def stubbed(package: str, known: set[str]) -> set[str]:
    """Return what the public face of a package leads to."""
    file = ROOT.joinpath(*package.split(".")[1:], "__init__.pyi")
    if not file.exists():
        return set()
    nodes = ast.parse(file.read_text()).body
    return {
        f"{package}.{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)
    } & known


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    files = {
        ".".join(("vicinal", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): file
        for file in ROOT.rglob("*.py")
    }
    assert len(files) > 100
    return {
        name: imported(ast.parse(file.read_text()), set(files)) - {name}
        for name, file in files.items()
    }


def test_every_arrow_runs_downward(graph):
    wrong = []
    for name, uses in graph.items():
        for used in uses:
            here, there = room_of(name), room_of(used)
            if there not in {here, "foundation"} and there not in MAY_USE[here]:
                wrong.append(f"{name} -> {used}")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_circle_of_files(graph):
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for used in sorted(graph[name]):
            if circle := walk(used, [*path, name]):
                return circle
        done.add(name)
        return []

    for name in sorted(graph):
        circle = walk(name, [])
        assert not circle, " -> ".join(circle)


def test_every_file_is_used(graph):
    used = set().union(*graph.values(), *(stubbed(name, set(graph)) for name in graph))
    used |= {name.rpartition(".")[0] for name in used}
    used |= {"vicinal", "vicinal.cli"}  # the package, and what its command starts
    assert not sorted(set(graph) - used)
