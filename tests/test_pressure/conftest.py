"""What the suites start from, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_pressure.seeds import make_seeds


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound inputs; see `make_seeds`."""
    return make_seeds(tmp_path_factory.mktemp("seeds"))
