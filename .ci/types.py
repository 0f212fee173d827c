"""Show mypy the packages where Python sees them, under `assay`: a tree of links (copies where there are none)."""

import os
import shutil
from pathlib import Path

root = Path(__file__).resolve().parents[1]
tree = root / "build" / "types" / "assay"
shutil.rmtree(tree.parent, ignore_errors=True)
tree.mkdir(parents=True)
for source in (
    *sorted((root / "assay").iterdir()),
    *(root / name for name in ("audit", "commands", "data", "engine", "models", "results", "strategies")),
):
    if source.name == "__pycache__":
        continue
    try:
        os.symlink(os.path.relpath(source, tree), tree / source.name)
    except OSError:
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tree / source.name)
