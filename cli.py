"""The command line from a checkout: `python cli.py …` and the console script `assay` are the same.

The table of commands is `commands/main.py`.
"""

from __future__ import annotations

import sys

from assay.commands.main import main, run

__all__ = ["main", "run"]

if __name__ == "__main__":
    # Python put this folder first on the path, where it would hide a user's own `data`, `models` …; last will do.
    sys.path.append(sys.path.pop(0))
    run()
