"""`audit` on the command line: exit codes, one-line errors, a page that is safe, and a light start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from assay.audit.claims.files import parse_claims
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.report import Audit, render_audit, to_json
from assay.audit.verdicts import Arithmetic, Finding, combine
from assay.commands import main as cli
from assay.data.errors import InputError

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"
RIGHT, WRONG = SAMPLES / "momentum_card_en.md", SAMPLES / "swing_card_wrong_en.md"


def run(*args: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["audit", *map(str, args)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_exit_code_is_1_only_when_something_is_inconsistent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(RIGHT, capsys=capsys)[0] == 0
    code, out, _ = run(WRONG, capsys=capsys)
    assert code == 1
    assert "MAE 0.021 can be at most RMSE 0.017" in " ".join(out.split())
    assert "Of 23 figures" in " ".join(out.split())


def test_strict_fails_on_baselines_too(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "data" / "claims" / "reliance_training_results.toml"
    assert run(path, capsys=capsys)[0] == 0
    assert run(path, "--strict", capsys=capsys)[0] == 1


def test_json_is_one_object_with_every_claim(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(WRONG, "--json", capsys=capsys)
    result = json.loads(out)
    assert code == 1
    assert result["failed"] is True
    assert {"id", "metric", "printed", "line", "arithmetic", "substance", "arithmetic_because"} <= set(
        result["claims"][0]
    )
    assert len(result["claims"]) == 23
    assert (
        sum(c["arithmetic"] == "inconsistent" for c in result["claims"])
        == result["counts"]["arithmetic"]["inconsistent"]
    )
    assert all(item["reason"] for item in result["excluded"])


def test_a_draft_is_written_once_and_can_be_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "claims.toml"
    assert run(RIGHT, "--draft", target, capsys=capsys)[0] == 0
    assert run(target, capsys=capsys)[0] == 0
    code, _, err = run(RIGHT, "--draft", target, capsys=capsys)
    assert code == 2
    assert "exists" in err
    assert run(RIGHT, "--draft", target, "--force", capsys=capsys)[0] == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["claims.toml"]
    assert run(target, "--draft", tmp_path / "x.toml", capsys=capsys)[0] == 2


class _Page(HTMLParser):
    """Collects tags, so that a test can say what the page contains."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_row_of_several_prints_shows_the_bound_of_each() -> None:
    text = "".join(f'[[claim]]\nmetric = "sharpe"\nprinted = "{printed}"\n' for printed in ("1.2", "1.23"))
    result = Audit(audit_claims(parse_claims(f'[[group]]\nname = "a"\n{text}')))
    markdown, page = render_audit(result, "md"), render_audit(result)
    figures = {row["figure"] for row in to_json(result)["claims"]}
    assert len(figures) == 2
    assert "| 1.2, 1.23 |" in markdown
    assert all(figure in markdown and figure in page for figure in figures)


def test_a_figure_that_is_refuted_is_not_supported_and_its_inputs_are_said_to_be_taken() -> None:
    figures = [("f1", "0.72", "up"), ("precision", "0.56", "up"), ("recall", "0.69", "up"), ("sharpe", "2.31", "")]
    text = "".join(f'[[claim]]\nid = "{m}"\nmetric = "{m}"\nprinted = "{p}"\nlabel = "{n}"\n' for m, p, n in figures)
    claims = parse_claims(f'[[group]]\nname = "main"\n[group.sample]\nsessions = 753\n{text}')
    report = audit_claims(claims)
    taken = report.verdict("precision")
    assert str(taken.arithmetic) == "not checkable"
    assert taken.because.startswith("it is taken as printed here: F1 of up")
    assert str(report.verdict("sharpe").substance) == "supported"
    refutes = Finding("R1 recomputed", ("sharpe",), "recomputed 1.76.", Arithmetic.INCONSISTENT)
    refuted = combine(report.verdict("sharpe").claim, (*report.findings, refutes))
    assert (str(refuted.arithmetic), str(refuted.substance)) == ("inconsistent", "not judged")


def test_what_was_retrained_stands_in_markdown_too() -> None:
    rows = ({"metric": "rank_ic", "printed_lies": "above | all"}, {"metric": "sharpe", "printed_lies": "within"})
    markdown = render_audit(Audit(audit_claims(parse_claims("")), retrained=rows), "md")
    table = "## Retrained\n\n| metric | printed lies |\n|---|---|\n| rank\\_ic | above \\| all |\n| sharpe | within |\n"
    assert table in markdown


def test_the_page_stands_alone_and_escapes_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = '<script>x(1)</script>"><img src=http://evil/x onerror=1>'
    report = tmp_path / "evil.md"
    report.write_text(
        f"# {evil}\n\n## Model {evil}\n\n- Accuracy: 91.3% {evil}\n- MAE: 0.5\n- RMSE: 0.2\n\x1b[31m\n",
        encoding="utf-8",
    )
    page = tmp_path / "audit.html"
    code, out, _ = run(report, "--html", page, "--markdown", tmp_path / "audit.md", "--all", capsys=capsys)
    assert code == 1
    markdown = (tmp_path / "audit.md").read_text(encoding="utf-8")
    assert "MAE 0.5 can be at most RMSE 0.2" in markdown
    assert not re.search(r"(?<!\\)[<\x1b]", markdown)
    assert "\x1b" not in out
    text = page.read_text(encoding="utf-8")
    parser = _Page()
    parser.feed(text)
    names = {name for name, _ in parser.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "a"}
    assert not any(attribute in ("src", "href", "onerror") for _, attributes in parser.tags for attribute in attributes)
    assert "&lt;img" in text
    assert "MAE 0.5 can be at most RMSE 0.2" in text


def test_returns_are_recomputed_and_the_convention_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    values = np.random.default_rng(3).normal(0.0, 0.012, 188)
    values += 1.3203 / np.sqrt(252) * values.std(ddof=0) - values.mean()
    series = tmp_path / "returns.csv"
    series.write_text("\n".join(map(repr, map(float, values))), encoding="utf-8")
    claims = tmp_path / "c.toml"
    claims.write_text('[[claim]]\nmetric = "sharpe"\nprinted = "1.3203"\n', encoding="utf-8")
    code, out, _ = run(claims, "--returns", series, "--json", capsys=capsys)
    claim = json.loads(out)["claims"][0]
    assert code == 0
    assert claim["arithmetic"] == "reproduced under another convention"
    assert "ddof 0" in claim["recomputed"]["reproduced_by"]
    claims.write_text('[[claim]]\nmetric = "sharpe"\nprinted = "3.21"\n', encoding="utf-8")
    code, out, _ = run(claims, "--returns", series, capsys=capsys)
    assert code == 1
    assert "none of" in out
    assert "recomputed" in out


BAD = [
    ("missing.md", None, 2, "no such file"),
    ("r.md", b"caf\xe9 57%", 2, "line 1: byte 0xe9 is not UTF-8"),
    ("r.md", b"# Report\n\nNothing here but prose, on 2024-01-02.\n", 3, "no figure beside the name of a metric"),
    ("r.md", b"", 3, "no figure"),
    ("c.toml", b"[[claim]]\nmetric = 'f1'\n", 2, "line 1: [[claim]] needs 'printed'"),
    ("c.toml", b"title = 'x'\n", 3, "nothing to audit"),
    ("c.toml", b"[[group]]\nname='a'\n[group.sample]\nn = 5\nn_positive = 9\n", 2, "n_positive 9 exceeds n 5"),
    ("r.docx", b"PK 91.3%", 2, ".docx is not read"),
    ("r.md", b"a\x00b", 2, "NUL"),
]


@pytest.mark.parametrize(("name", "content", "code", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_answered_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    got, out, err = run(path, "--html", tmp_path / "page.html", capsys=capsys)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--predictions", "p.csv"], "needs --prices"),
        (["--prices", "p.csv"], "needs --predictions"),
        (["--returns", "r.csv", "--predictions", "p.csv", "--prices", "q.csv"], "no such file"),
        (["--returns", "none.csv"], "no such file"),
        (["--risk-free", "3"], "annual rate"),
        (["--epochs", "5"], "--epochs: says how --model is used"),
        (["--unit", "rank"], "--unit: says how --predictions is used"),
        (["--run", "main"], "--run: says which run the data is of"),
        (["--model", "no_such"], "unknown model"),
        (["--html", "no/such/folder/x.html"], "there is no folder"),
    ],
)
def test_options_that_cannot_be_met_are_explained(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(RIGHT, *options, capsys=capsys)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_large_report_is_audited_or_refused_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.md"
    table = "| Model | Accuracy | F1 | Sharpe |\n|---|---|---|---|\n| a{0} | 0.5{0} | 0.41 | 1.2 |\n"
    block = "## Run {0}\n\n" + table + "\nSharpe 1.2, IC 0.05.\n\n"
    path.write_text("# Large\n\n" + "".join(block.format(i) for i in range(40_000)), encoding="utf-8")
    assert path.stat().st_size > 4_500_000
    started = time.process_time()
    code, _, err = run(path, capsys=capsys)
    assert time.process_time() - started < 10
    assert code == 2
    assert "more than 3000 figures" in err
    path.write_text("# Large\n\n" + "".join(block.format(i) for i in range(500)), encoding="utf-8")
    started = time.process_time()
    assert run(path, capsys=capsys)[0] in (0, 1)
    assert time.process_time() - started < 10


def test_the_forensic_path_imports_nothing_heavy() -> None:
    code = (
        "import sys, cli; cli.main(['audit', 'data/claims/nse_phase2_report.toml']);"
        "heavy = {'torch', 'pandas', 'vectorbt', 'sklearn', 'matplotlib', 'skfolio', 'empyrical'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_shows_examples() -> None:
    result = CliRunner().invoke(cli.cli, ["audit", "--help"])
    assert result.exit_code == 0
    assert "--draft claims.toml" in result.output
    assert "--returns" in result.output


@pytest.mark.parametrize("given", ["report.md", draft_claims("Accuracy: 62%"), None])
def test_what_is_no_claim_set_is_refused_with_how_one_is_made(given: object) -> None:
    with pytest.raises(InputError, match="must be a ClaimSet, as load_claims"):
        audit_claims(given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="text must be a text"):
        draft_claims(given if given != "report.md" else Path("report.md"))  # type: ignore[arg-type]
