"""What ``import vicinal`` costs, and that its public face is whole."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vicinal

FACES = [
    "vicinal",
    "vicinal.learn",
    "vicinal.pairing",
    "vicinal.table",
    "vicinal.report",
    "vicinal.nn",
    "vicinal.text",
]
HEAVY = (
    "scipy.stats",
    "scipy",
    "pandas",
    "polars",
    "torch",
    "pyarrow",
    "numba",
    "sklearn",
    "narwhals",
    "typer",
    "rich",
)


def test_import_loads_nothing_heavy():
    code = f"import sys, vicinal; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_naming_every_public_object_loads_no_numba():
    code = (
        "import sys, vicinal\n"
        "for name in vicinal.__all__: getattr(vicinal, name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def opened(face: str) -> ModuleType:
    """Import a public face; those that need a part which is not installed are skipped."""
    module = importlib.import_module(face)
    try:
        for name in module.__all__:
            getattr(module, name)
    except ImportError as error:
        pytest.skip(str(error))
    return module


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_resolves(face):
    module = opened(face)
    assert len(module.__all__) >= 2
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module) or name == "__version__"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No vicinal attribute Mixup"):
        vicinal.Mixup  # noqa: B018


@pytest.mark.parametrize("face", FACES)
def test_stub_and_module_agree(face):
    module = opened(face)
    stub = Path(module.__file__).with_suffix(".pyi")
    named = {}
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name, "a stub re-exports only `name as name`"
                named[alias.name] = f"{face}.{node.module}"
        elif isinstance(node, ast.AnnAssign):
            named[node.target.id] = None
    assert set(named) == set(module.__all__)
    for name, home in named.items():
        if home is not None:
            one = getattr(module, name)
            assert getattr(one, "__module__", home) == home


def test_public_names_have_docstrings_with_examples():
    assert len(vicinal.__all__) > 10
    for name in vicinal.__all__:
        one = getattr(vicinal, name)
        if isinstance(one, str):
            continue
        assert one.__doc__, name
        if not getattr(one, "__abstractmethods__", None):
            assert ">>>" in one.__doc__, f"{name} has no runnable example"
