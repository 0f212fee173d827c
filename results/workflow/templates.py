"""What `init` writes: a study that runs as it is, its schema for editors, and a plug-in file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from assay.data.atomic import replacing
from assay.data.errors import InputError, UnknownNameError
from assay.results.workflow.study import (
    CheckSection,
    CostSection,
    DataSection,
    FoldSection,
    GateSection,
    ModelSection,
    PredictionSection,
    ReportSection,
    StrategySection,
    Study,
    SweepSection,
)
from assay.results.workflow.study_files import schema_text, study_toml

__all__ = ["TEMPLATES", "write_template"]

_SHEET = ReportSection(tearsheet=True)
_CHECKS = CheckSection(leaks=True)
_FOLDS = FoldSection(train=1260, retrain="yearly", start="2018-01-02")


def _traded(**sections: Any) -> Study:
    """A study of the sample's predictions, with these sections."""
    usual: dict[str, Any] = {
        "strategy": StrategySection("s2_filter_negative"), "checks": _CHECKS, "report": _SHEET
    }  # fmt: skip
    return Study(predictions=PredictionSection(), **{**usual, **sections})


def _trained(name: str, parameters: Mapping[str, object]) -> Study:
    """A study of a model that is retrained."""
    strategy = StrategySection("quintile_long_short")
    return Study(
        model=ModelSection(name, parameters=parameters), folds=_FOLDS, strategy=strategy, checks=_CHECKS, report=_SHEET
    )


#: template → its study and its plug-in files, which lie in ``starters`` beside this module.
TEMPLATES: Mapping[str, tuple[Study, tuple[str, ...]]] = {
    "predictions": (_traded(), ("my_predictions.py",)),
    "model": (_trained("./my_model.py:MyModel", {"lookback": 20}), ("my_model.py",)),
    "strategy": (
        _traded(strategy=StrategySection("./my_strategy.py:MyStrategy", {"count": 4})),
        ("my_strategy.py",),
    ),
    "features": (_trained("ridge", {"feature_set": "./my_features.py:MINE"}), ("my_features.py",)),
    "label": (_trained("ridge", {"label": "./my_label.py:MINE"}), ("my_label.py",)),
    "costs": (_traded(costs=CostSection(model="./my_costs.py:MyCosts", parameters={"share": 0.02})), ("my_costs.py",)),
    "universe": (_traded(data=DataSection(universe="./my_universe.py:seasoned")), ("my_universe.py",)),
    "quality": (_traded(data=DataSection(quality_checks=("./my_quality.py:MINE",))), ("my_quality.py",)),
    "metric": (
        _traded(checks=CheckSection(leaks=True, metrics=("./my_metric.py:ulcer_index",))),
        ("my_metric.py",),
    ),
    "sweep": (
        _traded(
            checks=CheckSection(),
            report=ReportSection(),
            sweep=SweepSection({"quantile": (0.1, 0.2, 0.3), "every": (1, 5), "cost_bps": (0, 5, 10)}),
        ),
        (),
    ),
    "rule": (_traded(gate=GateSection("my_policy.toml")), ("my_rule.py", "my_policy.toml")),
}
_ABOUT = """:schema study.schema.json
A study: everything that makes a run. `assay run study.toml` makes it.
As it stands it runs on the embedded sample; name your own files, relative to this one, and take the # away from
the keys that you want to change. What stands behind a # is the default."""


def write_template(name: str, folder: Path) -> list[Path]:
    """Write ``study.toml``, ``study.schema.json`` and the plug-in files; all of them, or nothing.

    Raises
    ------
    UnknownNameError
        If there is no such template.
    InputError
        If one of the files is there already, or cannot be written.

    """
    if name not in TEMPLATES:
        raise UnknownNameError("template", name, TEMPLATES)
    study, plugins = TEMPLATES[name]
    starters = resources.files("assay.results.workflow").joinpath("starters")
    texts = {
        "study.toml": study_toml(study, about=_ABOUT, commented=True).replace("# :schema", "#:schema", 1),
        "study.schema.json": schema_text(),
    }
    texts |= {plugin: starters.joinpath(f"{plugin}.txt").read_text(encoding="utf-8") for plugin in plugins}
    # The schema is the same for every study: one that is there stays.
    there = [name for name in texts if (folder / name).exists() and name != "study.schema.json"]
    if there:
        raise InputError(f"{folder / there[0]}: is there already and stays as it is; name another folder, or move it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}; name another folder") from None
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
