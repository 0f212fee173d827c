"""The study of styles: finished markets are kept, found again, and not found by other code."""

from __future__ import annotations

import pandas as pd

from studies import styles


def test_a_finished_market_is_kept_and_read_back(tmp_path, monkeypatch):
    made: list[int] = []

    def of_market(seed: int, noise: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        made.append(seed)
        found = pd.DataFrame({"market": [seed] * 2, "score": ["momentum", f"noise {noise}"], "off": [0.0, 1.0]})
        return found, found[["score"]].assign(proof=[True, False])

    monkeypatch.setattr(styles, "of_market", of_market)
    first = styles.run(3, 1, tmp_path)
    again = styles.run(4, 1, tmp_path)
    assert made == [0, 1, 2, 3]
    assert again[0]["market"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    pd.testing.assert_frame_equal(first[0], again[0].iloc[:6])
    monkeypatch.setattr(styles, "code", lambda: "other")
    styles.run(1, 1, tmp_path)
    assert made[-1] == 0
