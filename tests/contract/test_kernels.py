"""Every kernel is compiled by the one decorator: without the GIL, cached, with IEEE division; and none is forgotten at the warm-up."""

import ast
import importlib
import pkgutil
from pathlib import Path

import numba.core.registry
import pytest

import rpsd.kernels
from rpsd.kernels import jit

FILES = sorted(module.name for module in pkgutil.iter_modules(rpsd.kernels.__path__) if module.name != "jit")


def imports_numba(file: Path) -> bool:
    """Whether the file imports numba or a part of it, at any depth."""
    imported: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported.append(node.module or "")
    return any(name.partition(".")[0] == "numba" for name in imported)


def test_numba_is_named_in_two_files(root: Path) -> None:
    found = {str(file.relative_to(root)) for file in (root / "rpsd").rglob("*.py") if imports_numba(file)}
    assert found == {"rpsd/kernels/jit.py", "rpsd/kernels/vector.py"}  # how kernels are compiled, and a type that they share


@pytest.mark.parametrize("name", FILES)
def test_compiled_functions_keep_the_rule(name: str) -> None:
    module = importlib.import_module(f"rpsd.kernels.{name}")
    compiled = {key: value for key, value in vars(module).items() if isinstance(value, numba.core.registry.CPUDispatcher)}
    assert compiled, f"kernels/{name}.py holds no kernel: its place is with its family"
    for key, kernel in compiled.items():
        options = kernel.targetoptions
        assert options.get("nogil") is True, key
        assert options.get("error_model") == "numpy", key
        assert not options.get("parallel"), key
        assert not options.get("fastmath"), key
        assert type(kernel._cache).__name__ == "FunctionCache", f"{key} is not cached on disk"


def called_by_kernels(root: Path) -> set[str]:
    """Names that compiled functions call: those are compiled with their callers."""
    names: set[str] = set()
    for file in (root / "rpsd" / "kernels").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(getattr(decorator, "id", "") == "kernel" for decorator in node.decorator_list):
                names |= {getattr(call.func, "id", "") for call in ast.walk(node) if isinstance(call, ast.Call)}
    return names


def test_every_kernel_is_warmed(root: Path) -> None:
    """No request compiles: after warm() each kernel that Python calls is compiled or loaded."""
    warmed = {warmer.args[0] for warmer in jit.WARMERS}
    assert set(FILES) - warmed == set(), "these files have no line in WARMERS"
    jit.warm()
    inner, cold = called_by_kernels(root), []
    for name in FILES:
        for key, value in vars(importlib.import_module(f"rpsd.kernels.{name}")).items():
            if isinstance(value, numba.core.registry.CPUDispatcher) and key not in inner and not value.signatures:
                cold.append(f"{name}.{key}")
    assert not cold, f"the first request would compile {', '.join(cold)}"
