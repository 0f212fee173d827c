"""What CONTRIBUTING.md promises of the code as a whole."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RANK = {"data": 0, "models": 1, "strategies": 1, "engine": 2, "results": 3, "audit": 4, "commands": 5, "cli": 6}
HEAVY = {"torch", "vectorbt", "skfolio", "sklearn", "matplotlib", "arch", "statsmodels", "mlflow", "ray", "yfinance"}
SOURCES = [
    path
    for package in RANK
    for path in sorted((ROOT / package).rglob("*.py") if package != "cli" else [ROOT / "cli.py"])
    if path.relative_to(ROOT).parts[:2] != ("results", "runs")
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(node: ast.AST) -> list[str]:
    """The packages that a statement imports: ours by their folder, others by their top name."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        own = node.module == "assay"
        names = [f"assay.{alias.name}" for alias in node.names] if own else [node.module]
    return [name.removeprefix("assay.").split(".")[0] for name in names]


def test_our_packages_are_imported_under_one_roof():
    bare = [
        (str(path.relative_to(ROOT)), node.lineno)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] in RANK
    ]
    assert not bare


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    mine = package_of(path)
    wrong = [
        (node.lineno, other)
        for node in ast.walk(TREES[path])
        for other in imported(node)
        if other in RANK and other != mine and RANK[other] >= RANK[mine]
    ]
    assert not wrong


#: Modules that may import each other, and why. Nothing else may.
CIRCLES = {
    frozenset({"engine.result", "engine.simulation", "engine.vectorbt_adapter"}): (
        "result.to_vectorbt() hands over a Portfolio of the same weights; the adapter is imported when it is called"
    ),
}


def modules() -> dict[str, Path]:
    """Our modules by dotted name below `assay`; a package goes by its own name."""
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in SOURCES}
    return {".".join(name[:-1] if name[-1] == "__init__" else name): path for path, name in parts.items()}


def imports_of(tree: ast.AST, known: set[str]) -> set[str]:
    """The modules that a module imports at any depth, what only a type checker imports left out."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {name.removeprefix("assay.") for name in names if name.startswith("assay.")} & known
    return found


def circles(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    """Sets of modules each of which reaches every other."""
    reach = {start: set(graph[start]) for start in graph}
    while True:
        grown = {start: met.union(*(reach[other] for other in met)) if met else met for start, met in reach.items()}
        if grown == reach:
            break
        reach = grown
    rings = {frozenset(other for other in reach[one] if one in reach[other]) for one in graph if one in reach[one]}
    return sorted(rings, key=sorted)


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e", "d"}}
    assert circles(graph) == [frozenset("abc"), frozenset("e")]


def test_no_module_imports_itself_in_a_circle():
    known = modules()
    graph = {name: imports_of(TREES[path], set(known)) - {name} for name, path in known.items()}
    assert [sorted(ring) for ring in circles(graph) if ring not in CIRCLES] == []
    assert [sorted(ring) for ring in CIRCLES if ring not in circles(graph)] == []  # a list that is out of date


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_packages_are_imported_inside_functions(path):
    top = [node for node in TREES[path].body if isinstance(node, (ast.Import, ast.ImportFrom))]
    at_top = {name for node in top for name in imported(node)} & HEAVY
    # A module that defines torch layers must import torch; nothing imports such a module before it is needed.
    assert at_top <= ({"torch"} if package_of(path) == "models" else set())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_say_what_they_export(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 600
    assigned = {
        target.id
        for node in TREES[path].body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    assert "__all__" in assigned
    assert ast.get_docstring(TREES[path])


@pytest.mark.parametrize("package", sorted(RANK.keys() - {"cli"}))
def test_packages_resolve_inside_this_repository(package):
    spec = importlib.util.find_spec(f"assay.{package}")
    assert spec is not None
    assert spec.origin is not None
    assert ROOT in Path(spec.origin).resolve().parents


def test_importing_the_packages_stays_cheap():
    code = (
        "import sys, assay.data, assay.models, assay.strategies, assay.engine, assay.results, assay.audit, cli;"
        f"print(','.join(sorted(set(sys.modules) & {HEAVY!r})))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.strip() == ""


def test_empyrical_brings_the_heavy_parts_of_scipy_only_when_they_are_called():
    code = (
        "import sys, pandas; from assay.results.stats.light_empyrical import light_empyrical as light;"
        "empyrical = light(); heavy = {'scipy.stats', 'scipy.optimize'}; print(sorted(heavy & set(sys.modules)));"
        "steady = pandas.Series([0.01] * 9); print(round(empyrical.stability_of_timeseries(steady), 9));"
        "import scipy; print(sorted(heavy & set(sys.modules)), scipy.stats.norm.cdf(0.0))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.splitlines() == ["[]", "1.0", "['scipy.optimize', 'scipy.stats'] 0.5"]


@pytest.mark.parametrize("arguments", [["--help"], ["bactest"], ["--version"]])
def test_help_and_usage_errors_import_nothing_of_ours(arguments):
    code = (
        "import sys, cli; code = cli.main(sys.argv[1:]);"
        "ours = {'pandas', 'numpy', 'assay.engine'} & set(sys.modules); sys.stderr.write(repr(sorted(ours)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert answer.stderr.endswith("[]")


def test_nothing_loads_what_it_should_not_trust():
    banned = ("pickle.load", "joblib.load", "allow_pickle=True", "weights_only=False")
    found = [
        (path.relative_to(ROOT), word)
        for path in SOURCES
        for word in banned
        if word in path.read_text(encoding="utf-8")
    ]
    evals = [
        path
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert not found
    assert not evals


def parameters(function: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """Names of those that may be given by position, and of those that are options by keyword."""
    args = function.args
    placed = [arg.arg for arg in (*args.posonlyargs, *args.args) if arg.arg not in ("self", "cls")]
    return placed, [arg.arg for arg in args.kwonlyargs]


def click_command(function: ast.FunctionDef) -> bool:
    words = [ast.dump(decorator) for decorator in function.decorator_list]
    return any("command" in word or "option" in word for word in words)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_take_at_most_eight_parameters_beside_options_of_an_entry_point(path):
    wrong = []
    for function in (node for node in ast.walk(TREES[path]) if isinstance(node, ast.FunctionDef)):
        placed, options = parameters(function)
        counted = len(placed) + (len(options) if function.name.startswith("_") else 0)
        if counted > 8 and not click_command(function):
            wrong.append((function.name, function.lineno, counted))
    assert not wrong


def test_commands_are_typed():
    names = [
        node
        for path, tree in TREES.items()
        if package_of(path) == "commands"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert len(names) <= 20


def rows_of_the_map() -> dict[str, list[str]]:
    """Folder → what its row names of it in backticks, of the table in CONTRIBUTING.md."""
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    rows = [re.fullmatch(r"\| `([^`]+)` \| (.*) \|", line) for line in lines]
    return {row[1]: re.findall(r"`([\w/.-]+(?:/|\.py|\.toml))`", row[2]) for row in rows if row}


def test_the_map_names_every_folder_of_code_and_nothing_that_is_not_there():
    rows = rows_of_the_map()
    named = {folder for folder in rows if folder.endswith("/")}
    named |= {f"{folder}{name}" for folder, names in rows.items() for name in names if name.endswith("/")}
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in SOURCES} - {"./", "results/"}
    assert sorted(folders - named) == []
    missing = [folder + name for folder, names in rows.items() for name in names if not (ROOT / folder / name).exists()]
    assert [*missing, *(row for row in rows if not (ROOT / row).exists())] == []
