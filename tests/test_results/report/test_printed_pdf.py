"""The text of a PDF against the page it should be of: breaks are nothing, a digit, a row or a label is named."""

from __future__ import annotations

import pytest

from assay import Checks, backtest, load_strategy, synthetic_market
from assay.data.errors import InputError
from assay.results.report.drawn_from import DrawnFrom, read_drawn_from
from assay.results.report.printed_pdf import PdfText, Piece, laid_out_units, pdf_differences, printed_units, read_pdf
from assay.results.report.tearsheet import write_tearsheet

PAGE = """<!doctype html><html><head><title>t</title><style>x 9</style></head><body>
<a class="skip" href="#c">Skip 1</a><nav><ul><li><a href="#s">Summary</a></li></ul></nav>
<h1>Tear sheet · first-1</h1><h2 class="quiet">Summary</h2>
<h3>Main figures</h3><div><table><thead><tr><th>figure</th><th>net</th><th>convention</th></tr></thead>
<tbody><tr><td>Sharpe ratio</td><td>-0.12</td><td>252 &middot; ddof 1</td></tr>
<tr><td>Rank IC</td><td>0.0048</td><td>mean of 3,268 sessions</td></tr></tbody></table></div>
<figure><h3>Equity</h3><div class="plot desk"><svg><g><text>2010</text></g><g><text>−0.5</text></g></svg></div>
<div class="plot phone"><svg><text>99</text></svg></div><figcaption>Growth of 1</figcaption>
<details><summary>Numbers</summary><table><tr><td>77</td></tr></table></details></figure>
<dl><div><dt>Drawn with</dt><dd>leaks, trials through entry 12; gate by r&amp;d through entry 14.</dd></div></dl>
<script>1 + 1</script></body></html>"""
FLOW = ("Tear sheet · ﬁrst-", "1", "Main ﬁgures", "figure", "net", "convention", "Sharpe", "ratio", "-0.12",
        "252 · ddof 1", "figure", "net", "convention", "Rank IC", "0.0048", "mean of 3,268", "sessions", "Equity",
        "Growth of 1", "Drawn", "with", "leaks, trials through entry 12;", "gate by r&d through entry 14.")  # fmt: skip
CHART = ("2010", "−0.5")


def pdf(flow: tuple[str, ...] = FLOW, chart: tuple[str, ...] = CHART, *, browser: bool = True) -> PdfText:
    pieces = [Piece(text, 1, 9 * number, False) for number, text in enumerate(flow)]
    return PdfText((*pieces, *(Piece(text, 1, 0, True) for text in chart)), browser)


def test_breaks_ligatures_and_headings_that_are_repeated_are_no_difference() -> None:
    assert pdf_differences(pdf(), printed_units(PAGE)) == []


@pytest.mark.parametrize(
    ("flow", "place", "printed", "recomputed"),
    [
        ({8: "-0.72"}, "Main figures › Sharpe ratio › net", "-0.72", "-0.12"),
        ({8: "0.12"}, "Main figures › Sharpe ratio › net", "0.12", "-0.12"),
        ({13: "Rank AC"}, "Main figures › Rank IC › figure", "Rank AC", "Rank IC"),
        ({18: "Growth of 2"}, "Equity › caption", "Growth of 2", "Growth of 1"),
        ({13: "", 14: "", 15: "", 16: ""}, "Main figures › Rank IC › figure", None, "Rank IC"),
        ({16: "sessions Rank IC 0.0048"}, "Main figures › h3", "Rank IC 0.0048", None),
        ({10: "", 11: "", 12: ""}, "", None, None),
        ({22: "gate by r&d through entry 14. Sharpe 9"}, "after the last of it", "Sharpe 9", None),
    ],
)
def test_what_is_changed_is_named_by_its_label(flow, place, printed, recomputed) -> None:
    texts = tuple(text for number, old in enumerate(FLOW) if (text := flow.get(number, old)))
    found = pdf_differences(pdf(texts), printed_units(PAGE))
    wrong = [(item.place, item.printed, item.recomputed) for item in found]
    assert wrong[:1] == ([(place, printed, recomputed)] if place else [])


def test_the_text_of_a_chart_and_of_a_page_without_a_browser_is_held_too() -> None:
    (found,) = pdf_differences(pdf(chart=("2010", "−0.6")), printed_units(PAGE))
    assert (found.place, found.printed, found.recomputed) == ("Equity › chart", "−0.6", "−0.5")
    plain = pdf(browser=False)
    assert pdf_differences(plain, laid_out_units(plain)) == []
    (other,) = pdf_differences(pdf((*FLOW[:8], "-0.13", *FLOW[9:]), browser=False), laid_out_units(plain))
    assert other.place.startswith("page 1 › ")
    assert other.recomputed == "-0.12"


def test_what_it_was_drawn_with_is_read_from_each_kind_of_document() -> None:
    state = DrawnFrom(("cross_check", "leaks"), 12, "r&d", 14, ("leaks",))
    line = "cross check, leaks, trials through entry 12; gate by r&d through entry 14, without leaks."
    assert str(state) == line
    assert read_drawn_from(f"- Drawn with: {line}\n- more: 1.") == state
    assert read_drawn_from(f"<dt>Drawn with</dt><dd>{line.replace('&', '&amp;')}</dd>") == state
    assert read_drawn_from(pdf().text) == DrawnFrom(("leaks",), 12, "r&d", 14)
    assert read_drawn_from("Drawn with: trials through entry 3.") == DrawnFrom((), 3)
    assert read_drawn_from("no such line") is None


@pytest.mark.browser
def test_no_page_on_paper_but_the_last_of_a_sheet_is_half_empty(tmp_path) -> None:
    """Of thirty assets a table is long enough to be pushed to the next page, were it kept whole."""
    pypdf = pytest.importorskip("pypdf")
    prices, predictions = synthetic_market(700, 30, ic=0.05, seed=1)
    strategy = load_strategy("quintile_long_short")
    stored = backtest(strategy, predictions, prices, checks=Checks(styles=True), root=tmp_path)
    pages = pypdf.PdfReader(write_tearsheet(stored.run, tmp_path / "sheet.pdf")).pages
    read = read_pdf((tmp_path / "sheet.pdf").read_bytes(), "sheet.pdf")
    lowest = [min(piece.line for piece in read.pieces if piece.page == page) for page in range(1, len(pages))]
    assert max(lowest) < 0.35 * float(pages[0].mediabox.height), lowest


def test_what_is_no_pdf_is_refused_in_one_line() -> None:
    pytest.importorskip("pypdf")
    with pytest.raises(InputError, match="not a sound PDF"):
        read_pdf(b"%PDF-1.4 nothing", "x.pdf")
