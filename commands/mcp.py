"""The commands as tools of the Model Context Protocol, over files below one folder."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from assay.commands.options import PATH
from assay.commands.pulse import no_pulse

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

__all__ = ["Tools", "build_server", "mcp"]

_INSTRUCTIONS = (
    "Assay backtests predictions and checks what is said about them. Paths are relative to the server's root. Figures "
    "come with their conventions and intervals; quote both. `passed` is whether every check held."
)
_LOCK = threading.Lock()


@click.command()
@click.option("--root", required=True, type=PATH, help="The folder that files are read from and runs written below.")
def mcp(root: Path) -> None:
    """Serve `backtest`, `gate`, `audit`, `leaks` and `verify` to an agent, on stdin and stdout.

    Only files below --root are read or written: runs go to ROOT/results/runs, trials to ROOT/.assay. Strategies are
    those of the catalogue; no code of a file is run.

    \b
    Examples, the second in an agent's configuration:
      python cli.py mcp --root /data/research
      {"command": "assay", "args": ["mcp", "--root", "/data/research"]}
    """
    with no_pulse():
        build_server(root).run("stdio")


class Tools:
    """What the tools do: the command line's own answers as JSON.

    Parameters
    ----------
    root : the folder below which everything lies.

    Raises
    ------
    InputError
        If it is no folder.

    """

    def __init__(self, root: Path) -> None:
        from assay.data.errors import InputError

        if not root.is_dir():
            raise InputError(f"mcp --root {root}: not a folder")
        self.root = root.resolve()

    def inside(self, name: str, *, folder: bool = False) -> str:
        """A file below the root, by its path from there, or also a `folder`, of which nothing leads outside.

        Raises
        ------
        InputError
            If it, or a file in it, lies outside, by a link too, or is no file.

        """
        from assay.data.errors import InputError

        try:
            path = (self.root / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            raise InputError(f"{name!r}: no such file below the root") from None
        if not path.is_relative_to(self.root):
            raise InputError(f"{name!r}: no such file below the root")
        if folder and path.is_dir():
            from assay.audit.read.project import find_documents

            read = (file for _, file in find_documents([path]))
            away = next((file for file in read if not file.resolve().is_relative_to(self.root)), None)
            if away is not None:
                raise InputError(f"{name!r}: {away.relative_to(path)} in it leads outside the root")
        elif not path.is_file():
            raise InputError(f"{name!r}: not a file")
        return str(path)

    def run_folder(self, name: str) -> str:
        """The folder of a stored run below the root, by its id or the start of it."""
        from assay.data.errors import InputError
        from assay.results.storage.runs import find_run

        if not name or name != Path(name).name:
            raise InputError(f"{name!r}: not the id of a run")
        path = find_run(name, root=self._results()).resolve()
        if not path.is_relative_to(self.root):
            raise InputError(f"{name!r}: not a run below the root")
        return str(path)

    def _results(self) -> Path:
        folder = self.root / "results" / "runs"
        from assay.data.errors import InputError

        if not folder.resolve().is_relative_to(self.root):
            raise InputError("results/runs leads outside the root")
        return folder

    def answer(self, *arguments: str) -> dict[str, object]:
        """The JSON of a command, with its exit code, and whether every check held.

        Raises
        ------
        InputError
            With the command's own line, where it cannot do what was asked.

        """
        from assay.commands.main import main
        from assay.data.errors import InputError
        from assay.results.storage.places import using_ledger

        out, err = io.StringIO(), io.StringIO()
        # One at a time: what a command prints is caught where the whole process prints.
        with (
            _LOCK,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            using_ledger(self.root / ".assay" / "trials.sqlite"),
        ):
            code = main([*arguments, "--json"])
        try:
            content = json.loads(out.getvalue())
        except ValueError:
            lines = [line for line in err.getvalue().splitlines() if line.strip()]
            reason = lines[-1].removeprefix("error: ") if lines else f"{arguments[0]} gave no answer"
            raise InputError(reason) from None
        content.pop("training_logs", None)
        return {"exit_code": code, "passed": code == 0, **content}

    def _data(self, **files: str) -> list[str]:
        return [part for name, file in files.items() if file for part in (f"--{name}", self.inside(file))]

    def _strategy(self, name: str, parameters: Mapping[str, float | int | bool | str] | None) -> list[str]:
        from assay.data.errors import UnknownNameError
        from assay.strategies.catalog import STRATEGIES

        if name not in STRATEGIES:
            raise UnknownNameError("strategy", name, STRATEGIES)
        settings = [f"{key}={value}" for key, value in (parameters or {}).items()]
        return ["--strategy", name, *(part for setting in settings for part in ("--param", setting))]

    def backtest(
        self,
        strategy: str = "s2_filter_negative",
        predictions: str = "",
        prices: str = "",
        benchmark: str = "",
        parameters: dict[str, float | int | bool | str] | None = None,
        horizon: int = 1,
        commission_bps: float = 5.0,
        checks: list[Literal["leaks", "canaries", "cross-check", "capacity"]] | None = None,
    ) -> dict[str, object]:
        """Backtest predictions with a strategy of the catalogue; without files, the embedded sample.

        Files are Parquet or CSV: predictions with date, asset and score (or probability_up); prices with date, asset,
        close and, where known, open, high, low, volume. Returns run_id, every metric with its convention and interval,
        the checks that were made, and warnings.
        """
        arguments = self._data(predictions=predictions, prices=prices, benchmark=benchmark)
        arguments += self._strategy(strategy, parameters)
        arguments += ["--horizon", str(horizon), "--commission-bps", str(commission_bps)]
        arguments += [f"--{check}" for check in checks or ()]
        return self.answer("backtest", *arguments, "--results", str(self._results()))

    def gate(
        self, run: str, policy: Literal["production", "selection", "research", "challenger"] = "production",
        champion: str = "",
    ) -> dict[str, object]:  # fmt: skip
        """Accept or reject a stored run (its id or the start of it) by a policy: each rule with figure and verdict."""
        against = ["--champion", self.run_folder(champion)] if champion else []
        return self.answer("gate", self.run_folder(run), "--policy", policy, *against)

    def audit(
        self, report: str, predictions: str = "", prices: str = "", returns: str = ""
    ) -> dict[str, object]:
        """Say of every figure in a report whether it holds: arithmetic, substance, and a sentence each.

        The report is Markdown, text, HTML, JSON, YAML, CSV, a notebook, a PDF or a claims file (TOML), or the folder of
        a project's documents, whose figures are tied across its files. With predictions and prices, or a return
        series, its figures are recomputed.
        """
        data = self._data(predictions=predictions, prices=prices, returns=returns)
        return self.answer("audit", self.inside(report, folder=True), *data)

    def leaks(
        self, predictions: str = "", prices: str = "", strategy: str = "s2_filter_negative",
        parameters: dict[str, float | int | bool | str] | None = None,
    ) -> dict[str, object]:  # fmt: skip
        """Recompute weights and the run on truncated data, and look for predictions too good to be forecasts."""
        return self.answer("leaks", *self._data(predictions=predictions, prices=prices),
                           *self._strategy(strategy, parameters))  # fmt: skip

    def verify(self, document: str, bundle: str) -> dict[str, object]:
        """Recompute every number of a tear sheet or gate decision from a bundle (a zip), and name what differs."""
        if not bundle.lower().endswith(".zip"):
            from assay.data.errors import InputError

            raise InputError(f"{bundle!r}: not a zip of `runs export`")
        return self.answer("verify", self.inside(document), "--run", self.inside(bundle))


def build_server(root: Path) -> MCPServer:
    """The server over the files below a folder.

    Raises
    ------
    InputError
        If the root is no folder, or the SDK is not installed.

    """
    from assay.data.optional import missing_package

    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.server.mcpserver.tools import Tool
    except ImportError as error:
        raise missing_package(error, what="mcp") or error from None
    from functools import wraps

    from assay.data.errors import BacktestError

    tools, made = Tools(root), list[Tool]()
    for name in ("backtest", "gate", "audit", "leaks", "verify"):
        tool: Callable[..., dict[str, object]] = getattr(tools, name)

        def call(*given: object, tool: Callable[..., dict[str, object]] = tool, **named: object) -> dict[str, object]:
            try:
                return tool(*given, **named)
            except BacktestError as error:
                raise ToolError(" ".join(str(error).split())) from None

        offered = Tool.from_function(wraps(tool)(call), name=name, structured_output=True)
        # What a tool does not take is refused: an option that is dropped would pass for one that was heeded.
        taken = offered.fn_metadata.arg_model
        taken.model_config["extra"] = "forbid"
        taken.model_rebuild(force=True)
        made.append(offered.model_copy(update={"parameters": taken.model_json_schema(by_alias=True)}))
    return MCPServer("assay", instructions=_INSTRUCTIONS, version=_version(), tools=made, log_level="WARNING")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("assay")
    except PackageNotFoundError:
        return ""
