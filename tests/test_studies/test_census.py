"""The census's page is a function of its committed tables, and its frame and draw are fixed."""

from __future__ import annotations

from pathlib import Path

from studies import census


def test_the_page_is_rebuilt_byte_for_byte() -> None:
    assert census.page(*map(census.read, census.TABLES)) == census.PAGE.read_text("utf-8")


def test_the_draw_is_that_of_the_seed_and_every_accusation_is_judged() -> None:
    documents, flags = census.read("documents"), census.read("flags")
    for name in census.SEEDS:
        mine, read = ([row for row in rows if row["set"] == name] for rows in (documents, census.read("drawn")))
        assert [row["document"] for row in read] == census.drawn(reversed(mine), name)
    accused = {census.key_of(flag) for flag in flags if flag["kind"] in census.ACCUSING}
    assert accused <= {census.key_of(row) for row in census.read("verdicts")}  # and some that were withdrawn since


def test_no_text_of_a_document_is_stored() -> None:
    for flag in census.read("flags"):
        assert set(flag) == {"set", "document", "line", "metric", "printed", "check", "kind"}
        assert len(flag["printed"]) < 40


def test_a_folder_is_measured_document_by_document(tmp_path: Path) -> None:
    path = tmp_path / "repository" / "r.md"
    path.parent.mkdir()
    path.write_text("# R\n\n- Trades: 23\n- Wins: 15\n- Losses: 8\n- Win rate: 68.4%\n", encoding="utf-8")
    row, flags = census.of_document("repository/r.md", path.read_bytes())
    assert (row["document"], row["figures"], len(row["sha256"])) == ("repository/r.md", "4", 16)
    assert {(flag["printed"], flag["kind"]) for flag in flags} == {("68.4%", "inconsistent")}


def test_precision_counts_accusations_and_documents() -> None:
    flags = [{"document": d, "check": "C", "line": str(i), "printed": "1", "kind": "inconsistent"}
             for i, d in enumerate("aab")]  # fmt: skip
    verdicts = {census.key_of(flags[0]): "yes", census.key_of(flags[1]): "no"}
    each, by_document, open_ = census.precision(flags, verdicts, "inconsistent")
    assert (each.k, each.n, by_document.k, by_document.n, open_) == (1, 2, 0, 1, 1)
