"""A sheet proves itself: what is changed in it is named, what is untouched is not, and no bundle reaches outside."""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market
from assay.results.gate.formats import decision_junit, decision_markdown
from assay.results.gate.policy import judge, load_policy
from assay.results.report.printed import Difference, differences, html_units, json_units, text_units
from assay.results.report.printed_pdf import laid_out_units, pdf_differences, printed_units, read_pdf
from assay.results.report.printing import find_chromium
from assay.results.report.run_data import RunData
from assay.results.report.sections.evidence import _luck
from assay.results.report.tearsheet import render_excerpt, render_tearsheet, write_tearsheet
from assay.results.storage.chain import append_entry
from assay.results.storage.runs import Run, load_run, to_json
from assay.results.workflow.proofs import Recomputed, recomputed, verify

_TEXT = re.compile(r">([^<>]*)<")
_ROW = re.compile(r"<tr>(?:<td).*?</tr>\n")


def changed(page: str, kind: str, rng: random.Random) -> str:
    """A page with one digit, sign, row or label changed, whatever stands before the style and the script left alone."""
    start, end = page.index("<body>"), page.index("<script>")
    if kind == "row":
        rows = list(_ROW.finditer(page, start, end))
        row = rng.choice(rows)
        if rng.random() < 0.5:
            return page[: row.start()] + page[row.end() :]
        other = rng.choice(rows)
        return page[: other.start()] + row[0] + page[other.start() :]
    texts = [item for item in _TEXT.finditer(page, start, end) if item[1].strip()]
    if kind == "label":
        places = [item.start(1) + at for item in texts for at, sign in enumerate(item[1]) if sign.isalpha()]
        at = rng.choice(places)
        return page[:at] + ("x" if page[at] != "x" else "y") + page[at + 1 :]
    digits = [item.start(1) + at for item in texts for at, sign in enumerate(item[1]) if sign.isdigit()]
    at = rng.choice(digits)
    if kind == "digit":
        return page[:at] + str((int(page[at]) + rng.randint(1, 9)) % 10) + page[at + 1 :]
    while page[at - 1].isdigit() or page[at - 1] in ".,":
        at -= 1
    return page[: at - 1] + page[at:] if page[at - 1] in "-−+" else page[:at] + "-" + page[at:]


def store(folder: Path, *arguments: str) -> Run:
    """A run of the command line, stored below a folder."""
    assert cli.main(["backtest", "--results", str(folder / "runs"), "--json", *arguments]) in (0, 1)
    (found,) = [item for item in (folder / "runs").iterdir() if (item / "manifest.json").exists()]
    return load_run(found)


def market(folder: Path, *, seed: int = 5, assets: int = 8) -> list[str]:
    """The options that name a small market."""
    prices, oracle = synthetic_market(300, assets, ic=0.15, seed=seed)
    write_prices(prices, folder / "prices.parquet")
    write_predictions(oracle, folder / "preds.parquet")
    return ["--prices", str(folder / "prices.parquet"), "--predictions", str(folder / "preds.parquet")]


@dataclass(frozen=True)
class Case:
    """Documents of a run in a folder, and the run made again from its bundle there."""

    folder: Path
    made: Recomputed


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A small run with checks and a verdict, exported, and made again elsewhere."""
    folder = tmp_path_factory.mktemp("proof")
    run = store(folder, *market(folder), "--strategy", "quintile_long_short", "--leaks", "--cross-check")
    assert cli.main(["gate", str(run.path), "--policy", "research", "--json"]) in (0, 1, 3)
    pages = {"sheet.html": render_tearsheet(run, {"reported": 2.5}), "sheet.md": render_excerpt(run)}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    decision = judge(run, load_policy("research"))
    (folder / "gate.json").write_text(to_json(decision.to_dict()), encoding="utf-8")
    (folder / "gate.md").write_text(decision_markdown(decision), encoding="utf-8")
    (folder / "gate.xml").write_text(decision_junit(decision), encoding="utf-8")
    assert cli.main(["runs", "export", str(run.path), str(folder / "run.zip")]) == 0
    with ExitStack() as stack:
        yield Case(folder, stack.enter_context(recomputed(folder / "run.zip")))


@pytest.mark.parametrize("name", ["sheet.html", "sheet.md", "gate.json", "gate.md", "gate.xml"])
def test_what_is_untouched_is_not_named(case: Case, name: str) -> None:
    proof = verify(case.folder / name, case.made)
    assert proof.agrees, proof
    assert proof.numbers > 10
    assert proof.taken == ()
    assert proof.to_dict()["agrees"] is True


def test_each_of_many_changes_is_named(case: Case) -> None:
    page = (case.folder / "sheet.html").read_text(encoding="utf-8")
    right = html_units(page)
    rng = random.Random(7)
    for number in range(12):
        kind = ("digit", "sign", "row", "label")[number % 4]
        text = changed(page, kind, rng)
        assert text != page
        found = differences(html_units(text), right)
        assert 1 <= len(found) <= 3, (kind, found)
        assert all(item.sentence for item in found)


def test_a_change_is_named_by_table_row_and_column(case: Case) -> None:
    page = (case.folder / "sheet.html").read_text(encoding="utf-8")
    cell = re.search(r'data-metric="sharpe_net\.value" data-value="[^"]+">([^<]+)<', page)
    assert cell is not None
    right = html_units(page)
    visible = page[: cell.start(1)] + "9.99" + page[cell.end(1) :]
    place = "Summary › Main figures › Sharpe ratio"
    assert differences(html_units(visible), right) == [Difference(f"{place} › net", "9.99", cell[1])]
    attribute = re.sub(r'(data-metric="sharpe_net\.value" data-value=")[^"]+', r"\g<1>9.99", page, count=1)
    (found,) = differences(html_units(attribute), right)
    assert found.place == f"{place} › data-value"
    for hidden in ("</style>", "</script>", "</body>", "</svg>"):
        assert differences(html_units(page.replace(hidden, f"9{hidden}", 1)), right), hidden
    assert differences(html_units(page.replace("<td", '<td style="display:none"', 1)), right)


def test_decisions_and_excerpts_name_what_was_changed(case: Case, tmp_path: Path) -> None:
    rng = random.Random(3)
    for name in ("sheet.md", "gate.json", "gate.md", "gate.xml"):
        text = (case.folder / name).read_text(encoding="utf-8")
        units = json_units if name.endswith("json") else text_units
        # Of a number in full, what lies beyond nine digits may differ between machines.
        digits = [at for number in re.finditer(r"\d+(?:\.\d+)?", text) for at in range(number.start(), number.end())
                  if text[at] != "." and at < number.start() + 8]  # fmt: skip
        for _ in range(15):
            at = rng.choice(digits)
            edited = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
            assert differences(units(edited), units(text)), edited[at - 20 : at + 20]
    rows = (case.folder / "gate.md").read_text(encoding="utf-8").splitlines()
    edited = tmp_path / "gate.md"
    edited.write_text("\n".join([*rows[:7], *rows[8:]]) + "\n", encoding="utf-8")
    (lost,) = verify(edited, case.made).differences
    assert lost.printed is None
    twice = tmp_path / "twice.json"
    twice.write_text('{"policy": "research", "policy": "research"}', encoding="utf-8")
    with pytest.raises(InputError, match="stands twice"):
        verify(twice, case.made)
    other = tmp_path / "other.txt"
    other.write_text("Sharpe 9.99", encoding="utf-8")
    with pytest.raises(InputError, match="neither a tear sheet"):
        verify(other, case.made)


def test_numbers_that_differ_by_rounding_on_another_machine_are_the_same() -> None:
    one = '<table><tr><td data-value="0.12345678901234">0.12</td></tr></table>'
    assert not differences(html_units(one), html_units(one.replace("1234\"", "1239\"")))
    assert differences(html_units(one), html_units(one.replace("0.12345", "0.12346")))
    assert not differences(json_units('{"a": 0.1234567890123}'), json_units('{"a": 0.1234567890124}'))
    assert differences(json_units('{"a": 12}'), json_units('{"a": 13}'))


def test_figures_stored_in_the_bundle_are_not_believed(case: Case, tmp_path: Path) -> None:
    """Whoever edits the stored metrics and seals them again does not get his figure through."""
    forged = {**case.made.stored.metrics}
    forged["metrics"] = [
        {**item, "value": 3.21} if item["name"] == "sharpe_net" else item for item in forged["metrics"]
    ]
    lie = replace(case.made.stored, metrics=forged)
    edited = tmp_path / "forged.md"
    edited.write_text(render_excerpt(lie), encoding="utf-8")
    assert any(item.printed == "3.21" for item in verify(edited, case.made).differences)


def test_trials_after_the_export_and_the_readers_own_ledger_change_nothing(tmp_path: Path) -> None:
    run = store(tmp_path, *market(tmp_path, seed=2), "--strategy", "quintile_long_short")
    cli.main(["backtest", "--results", str(tmp_path / "other"), *market(tmp_path, seed=2), "--param", "quantile=0.3",
              "--strategy", "quintile_long_short"])  # fmt: skip
    (tmp_path / "late.md").write_text(render_excerpt(run), encoding="utf-8")
    assert cli.main(["runs", "export", str(run.path), str(tmp_path / "run.zip")]) == 0
    append_entry("look", "x:y:z", {"trial": "x", "through": "z"})
    assert cli.main(["verify", str(tmp_path / "late.md"), "--run", str(tmp_path / "run.zip")]) == 0


def test_a_sheet_drawn_beside_another_ledger_is_the_same(case: Case, tmp_path: Path, monkeypatch) -> None:
    stored = load_run(case.made.stored.path)
    before = _luck(RunData(stored))
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "another"))
    assert _luck(RunData(stored)) == before
    assert before.rows[-1][2].text == "PBO: 1 trial; a choice needs at least 2"


@pytest.mark.slow
def test_what_came_after_a_document_was_drawn_is_no_difference(tmp_path: Path, monkeypatch, capsys) -> None:
    """Verdicts, checks and trials that came later, a second count, a second verdict, a ledger that is not the one."""
    options = [*market(tmp_path, seed=2), "--strategy", "quintile_long_short"]
    run = store(tmp_path, *options)
    again = ["backtest", "--results", str(tmp_path / "runs"), *options]
    later = ["backtest", "--results", str(tmp_path / "other"), *options, "--param"]
    steps = ([], ["gate", str(run.path), "--policy", "research"], [*later, "quantile=0.3"], [*again, "--leaks"],
             [*later, "quantile=0.4"], ["gate", str(run.path), "--policy", "selection"])  # fmt: skip
    for number, step in enumerate(steps):
        assert cli.main(step or ["runs", "list", "--results", str(tmp_path / "runs")]) in (0, 1, 3)
        (tmp_path / f"{number}.html").write_text(render_tearsheet(load_run(run.path)), encoding="utf-8")
    decision = judge(load_run(run.path), load_policy("research"))
    (tmp_path / "6.json").write_text(to_json(decision.to_dict()), encoding="utf-8")
    assert cli.main([*later, "quantile=0.1"]) == 0
    for name in [*(f"{number}.html" for number in range(len(steps))), "6.json"]:
        capsys.readouterr()
        assert cli.main(["verify", str(tmp_path / name), "--run", str(run.path)]) == 0, (name, capsys.readouterr().out)
    page = (tmp_path / "3.html").read_text(encoding="utf-8")
    number = int(re.search(r"trials through entry (\d+)", page)[1])  # type: ignore[index]
    for other in (number - 1, number + 1, 99):
        edited = tmp_path / "edited.html"
        edited.write_text(page.replace(f"through entry {number}", f"through entry {other}", 1), encoding="utf-8")
        assert cli.main(["verify", str(edited), "--run", str(run.path)]) == 1, other
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "another"))
    capsys.readouterr()
    assert cli.main(["verify", str(tmp_path / "5.html"), "--run", str(run.path), "--json"]) == 0
    taken = " ".join(json.loads(capsys.readouterr().out)["taken"])
    assert "not the one that the run was counted in" in taken
    assert "the gate's decision" in taken
    # The verdict that this page shows is stored no more, and without its ledger it cannot be made again.
    assert cli.main(["verify", str(tmp_path / "3.html"), "--run", str(run.path)]) == 2
    assert "set ASSAY_LEDGER" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("browser", [True, False])
def test_a_pdf_is_proved_by_its_text_and_one_digit_of_it_is_named(tmp_path: Path, browser: bool, capsys) -> None:
    pytest.importorskip("pypdf")
    if browser and find_chromium() is None:
        pytest.skip("no Chromium on this machine")
    run = store(tmp_path, *market(tmp_path), "--strategy", "quintile_long_short", "--canaries", "--random-runs", "20")
    sheet = write_tearsheet(run, tmp_path / "sheet.pdf", marks={"reported": 2.5}, browser=browser)
    assert cli.main(["verify", str(sheet), "--run", str(run.path)]) == 0, capsys.readouterr().out
    pdf = read_pdf(sheet.read_bytes(), sheet)
    units = printed_units(render_tearsheet(run, {"reported": 2.5})) if browser else laid_out_units(pdf)
    assert pdf_differences(pdf, units) == []
    rng, places = random.Random(1), [i for i, piece in enumerate(pdf.pieces) if re.search(r"\d", piece.text)]
    for place in rng.sample(places, 100):
        piece = pdf.pieces[place]
        at = rng.choice([item.start() for item in re.finditer(r"\d", piece.text)])
        text = piece.text[:at] + str((int(piece.text[at]) + 1) % 10) + piece.text[at + 1 :]
        edited = replace(pdf, pieces=(*pdf.pieces[:place], replace(piece, text=text), *pdf.pieces[place + 1 :]))
        assert 1 <= len(pdf_differences(edited, units)) <= 2, (piece, text)
    value = run.metric("sharpe_net")["value"]  # type: ignore[index]
    lie = replace(run, metrics=json.loads(json.dumps(run.metrics).replace(repr(value), repr(value + 1.0))))
    forged = write_tearsheet(lie, tmp_path / "forged.pdf", browser=browser)
    capsys.readouterr()
    assert cli.main(["verify", str(forged), "--run", str(run.path)]) == 1
    assert f"{value + 1.0:.2f}" in capsys.readouterr().out


def rewritten(bundle: Path, target: Path, **changes: bytes | None) -> Path:
    """A bundle with files added or changed; a name is its path with ``__`` for ``/`` and ``_dot_`` for ``.``."""
    names = {name.replace("__", "/").replace("_dot_", "."): data for name, data in changes.items()}
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name not in names:
                new.writestr(name, old.read(name))
        for name, data in names.items():
            if data is not None:
                new.writestr(name, data)
    return target


@pytest.mark.usefixtures("forget_plugins")
def test_no_bundle_reaches_outside_itself_or_runs_its_own_code(case: Case, tmp_path: Path, capsys) -> None:
    folder = case.folder
    bundle, sheet = folder / "run.zip", str(folder / "sheet.html")
    study = (case.made.stored.path / "study.toml").read_text(encoding="utf-8")
    away = re.sub(r'prices = "[^"]+"', 'prices = "/etc/hostname"', study, count=1)
    own = re.sub(r'name = "quintile_long_short"', 'name = "./evil.py:Rule"', study, count=1)
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as packed:
        packed.writestr("../manifest.json", "{}")
    cases = {
        "lies outside": rewritten(bundle, tmp_path / "a.zip", study_dot_toml=away.encode()),
        "--trust-code": rewritten(bundle, tmp_path / "b.zip", study_dot_toml=own.encode(), evil_dot_py=b"raise 1"),
        "outside its folder": tmp_path / "outside.zip",
        "holds no run": rewritten(bundle, tmp_path / "c.zip", manifest_dot_json=b'{"id": '),
        "no name of a run": rewritten(bundle, tmp_path / "d.zip", manifest_dot_json=b'{"id": "../x"}'),
        "export the run again": rewritten(bundle, tmp_path / "e.zip", inputs__ledger_dot_sqlite=None),
        "not a sound zip": folder / "sheet.md",
    }
    (tmp_path / "renamed.zip").write_bytes(cases["not a sound zip"].read_bytes())
    cases["not a sound zip"] = tmp_path / "renamed.zip"
    for words, path in cases.items():
        assert cli.main(["verify", sheet, "--run", str(path)]) == 2, words
        answer = capsys.readouterr().err
        assert words in answer
        assert answer.count("\n") == 1


def test_a_signed_bundle_says_who_made_it(case: Case, tmp_path: Path, capsys) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from assay.results.workflow.proofs import opened_bundle
    from assay.results.workflow.signatures import SIGNATURE, check_signature, sign

    keys = []
    for name in ("mine.pem", "other.pem"):
        key = Ed25519PrivateKey.generate()
        (tmp_path / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        keys.append(key.public_key().public_bytes_raw().hex())
    with zipfile.ZipFile(case.folder / "run.zip") as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    contents[SIGNATURE] = sign(contents, tmp_path / "mine.pem")
    assert check_signature(contents, keys[0]) == keys[0]
    with pytest.raises(InputError, match="not by --signer"):
        check_signature(contents, keys[1])
    with pytest.raises(InputError, match="not what was signed"):
        check_signature({**contents, "metrics.json": b"{}"})
    unsigned = {name: data for name, data in contents.items() if name != SIGNATURE}
    assert check_signature(unsigned) is None
    with pytest.raises(InputError, match="not signed"):
        check_signature(unsigned, keys[0])
    bundle = rewritten(case.folder / "run.zip", tmp_path / "s.zip", signature_dot_json=contents[SIGNATURE])
    with opened_bundle(bundle, signer=keys[0]) as (run, signer):
        assert (run.id, signer) == (case.made.stored.id, keys[0])
    (tmp_path / "no.pem").write_text("no key")
    with pytest.raises(InputError, match="openssl genpkey"):
        sign(contents, tmp_path / "no.pem")


@pytest.mark.slow
def test_a_walk_forward_is_proved_from_its_predictions(tmp_path: Path, capsys) -> None:
    options = market(tmp_path, seed=4)[:2]
    arguments = ["--model", "reversal", *options, "--train", "120", "--retrain", "60", "--executor", "serial",
                 "--no-baselines"]  # fmt: skip
    assert cli.main(["walk-forward", *arguments, "--strategy", "quintile_long_short", "--results",
                     str(tmp_path / "runs"), "--json"]) == 0  # fmt: skip
    run = load_run(json.loads(capsys.readouterr().out)["path"])
    (tmp_path / "wf.md").write_text(render_excerpt(run), encoding="utf-8")
    assert cli.main(["runs", "export", str(run.path), str(tmp_path / "wf.zip")]) == 0
    capsys.readouterr()
    assert cli.main(["verify", str(tmp_path / "wf.md"), "--run", str(tmp_path / "wf.zip"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "fold metrics" in answer["taken"][0]
    assert cli.main(["verify", str(tmp_path / "wf.md"), "--run", str(tmp_path / "wf.zip"), "--refit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["taken"] == []


@pytest.mark.slow
def test_a_thousand_changes_of_the_samples_sheet_are_named_and_twenty_runs_give_no_alarm(tmp_path: Path) -> None:
    sample = store(tmp_path, "--strategy", "s2_filter_negative", "--canaries", "--leaks", "--cross-check")
    bundle = tmp_path / "sample.zip"
    assert cli.main(["runs", "export", str(sample.path), str(bundle)]) == 0
    assert bundle.stat().st_size <= 5_000_000
    page = render_tearsheet(sample)
    right = html_units(page)
    rng = random.Random(2026)
    for number in range(1000):
        kind = ("digit", "sign", "row", "label")[number % 4]
        text = changed(page, kind, rng)
        assert text != page
        assert differences(html_units(text), right), (number, kind)
    strategies = ("quintile_long_short", "s1_bottom_k", "s2_filter_negative", "s5_long_only", "s7_confidence_scaled")
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = store(folder, *market(folder, seed=number, assets=8 + number), "--strategy", strategies[number % 5],
                    *(["--leaks"] if number % 2 else []), *(["--canaries"] if number % 4 == 0 else []))  # fmt: skip
        (folder / "sheet.html").write_text(render_tearsheet(run), encoding="utf-8")
        assert cli.main(["runs", "export", str(run.path), str(folder / "run.zip")]) == 0
        assert cli.main(["verify", str(folder / "sheet.html"), "--run", str(folder / "run.zip")]) == 0, number
