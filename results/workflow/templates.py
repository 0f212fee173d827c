"""What `init` writes: a study that runs as it is, its schema for editors, and a plug-in file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from assay.data.atomic import replacing
from assay.data.errors import InputError, UnknownNameError
from assay.results.workflow.study import (
    CheckSection,
    FoldSection,
    ModelSection,
    PredictionSection,
    ReportSection,
    StrategySection,
    Study,
)
from assay.results.workflow.study_files import schema_text, study_toml

__all__ = ["TEMPLATES", "write_template"]

_CHECKS = CheckSection(leaks=True)
#: template → its study and its plug-in file, which lies in ``starters`` beside this module.
TEMPLATES: Mapping[str, tuple[Study, str]] = {
    "predictions": (
        Study(
            predictions=PredictionSection(),
            strategy=StrategySection("s2_filter_negative"),
            checks=_CHECKS,
            report=ReportSection(tearsheet=True),
        ),
        "my_predictions.py",
    ),
    "model": (
        Study(
            model=ModelSection("./my_model.py:MyModel", parameters={"lookback": 20}),
            folds=FoldSection(train=1260, retrain="yearly", start="2018-01-02"),
            strategy=StrategySection("quintile_long_short"),
            checks=_CHECKS,
            report=ReportSection(tearsheet=True),
        ),
        "my_model.py",
    ),
    "strategy": (
        Study(
            predictions=PredictionSection(),
            strategy=StrategySection("./my_strategy.py:MyStrategy", {"count": 4}),
            checks=_CHECKS,
            report=ReportSection(tearsheet=True),
        ),
        "my_strategy.py",
    ),
}
_ABOUT = """:schema study.schema.json
A study: everything that makes a run. `assay run study.toml` makes it.
As it stands it runs on the embedded sample; name your own files, relative to this one, and take the # away from
the keys that you want to change. What stands behind a # is the default."""


def write_template(name: str, folder: Path) -> list[Path]:
    """Write ``study.toml``, ``study.schema.json`` and a plug-in file; all of them, or nothing.

    Raises
    ------
    UnknownNameError
        If there is no such template.
    InputError
        If one of the files is there already, or cannot be written.

    """
    if name not in TEMPLATES:
        raise UnknownNameError("template", name, TEMPLATES)
    study, plugin = TEMPLATES[name]
    starter = resources.files("assay.results.workflow").joinpath("starters", f"{plugin}.txt")
    texts = {
        "study.toml": study_toml(study, about=_ABOUT, commented=True).replace("# :schema", "#:schema", 1),
        "study.schema.json": schema_text(),
        plugin: starter.read_text(encoding="utf-8"),
    }
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
