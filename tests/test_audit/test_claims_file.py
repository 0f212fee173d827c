"""The claims file: a schema with friendly errors, each with the line to mend."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from assay.audit.claims.files import dump_claims, load_claims, parse_claims
from assay.audit.claims.model import METRICS
from assay.audit.read.words import LANGUAGES, mentions, plain, table
from assay.data.errors import InputError

CLAIM = '[[claim]]\nmetric = "accuracy"\nprinted = "57%"\n'
GROUP = '[[group]]\nname = "a"\n'

BAD = [
    ("x = ", "not TOML: Invalid value"),
    ("title = 3", "line 1: 'title' must be a string"),
    ("titel = 'x'", "did you mean 'title'"),
    ('[[claim]]\nmetric = "acuracy"\nprinted = "57%"', "line 2: unknown metric 'acuracy'; did you mean 'accuracy'"),
    ('[[claim]]\nmetric = "accuracy"', "line 1: [[claim]] needs 'printed'"),
    ('[[claim]]\nmetric = "accuracy"\nprinted = 57.1', "line 3: 'printed' must be a string in quotes"),
    ('[[claim]]\nmetric = "accuracy"\nprinted = "high"', "line 3: printed figure 'high': no number"),
    (CLAIM + "\n[[claim]]\nmetric = 'f1'\nprinted = '0.5'\nlable = 'up'", "line 8: unknown key 'lable'"),
    (CLAIM + 'group = "b"', "line 4: no [[group]] is named 'b'"),
    (CLAIM + '"Sharpe [net]" = 1.1', "line 1: unknown key 'Sharpe [net]'"),
    (CLAIM + '"a[" = 1', "line 1: unknown key 'a['"),
    (CLAIM + '"a..b" = 1', "line 4: unknown key 'a..b'"),
    (CLAIM + "line = 0", "line 4: line 0 is below 1"),
    (CLAIM + "line = true", "line 4: 'line' must be a whole number"),
    (CLAIM + 'relation = "ratio"', "relation 'ratio' takes two inputs"),
    (CLAIM + 'relation = "rato"', "line 4: unknown relation 'rato'"),
    (CLAIM + 'inputs = ["nothing"]', "line 4: claim 'report.accuracy': input 'nothing'"),
    (CLAIM + 'id = "x"\n' + CLAIM + 'id = "x"', "line 8: claim id 'x' stands twice"),
    ('[[group]]\nname = ""', "line 2: group '': its name is empty"),
    (GROUP + "[group.sample]\nyears = nan", "line 4: 'years' must be a number, got nan"),
    (GROUP + "[group.sample]\nyears = -inf", "line 4: 'years' must be a number, got -inf"),
    (GROUP + "[group.sample]\nn = " + "9" * 5000, "not TOML"),
    (GROUP + "[group.sample]\nn = 0x" + "f" * 5000, "line 4: 'n' must be a whole number, got a number of thousands"),
    (GROUP + '[group.target]\nstd = "-0.3"', "line 4: group 'a': std -0.3 is negative"),
    (GROUP + '[group.target]\ndaily_volatility = "-2%"', "line 4: group 'a': daily_volatility -2% is negative"),
    (GROUP + '[group.portfolio]\nvolatility_target = "0%"', "line 4: group 'a': volatility_target 0% is not above 0"),
    (GROUP + '[group.portfolio]\nrisk_free = "-150%"', "line 4: group 'a': risk_free -150% is no annual rate"),
    (GROUP + '[group.portfolio]\nrisk_free = "5"', "risk_free 5 is no annual rate; write e.g. 3% or 0.03"),
    (GROUP + "[group.portfolio]\nperiods_per_year = 1_000_001", "line 4: group 'a': periods_per_year 1,000,001 is"),
    (GROUP + GROUP, "line 4: group 'a': its name stands twice"),
    ("[[group]]\nmodel = 'm'", "line 1: [[group]] needs 'name'"),
    (GROUP + "[group.sample]\nn = 28\nn_positive = 29", "line 5: group 'a': n_positive 29 exceeds n 28"),
    (GROUP + '[group.sample]\nn = "28"', "line 4: 'n' must be a whole number"),
    (
        GROUP + '[group.sample]\nstart = "2024-12-31"\nend = "2024-01-01"',
        "line 4: group 'a': start 2024-12-31 is after",
    ),
    (GROUP + '[group.sample]\nstart = "1/2/2024"', "line 4: 'start' must be an ISO date"),
    (
        GROUP + '[group.sample]\nsplits = [{ name = "train", share = "70%" }, { name = "test", share = "40%" }]',
        "sum to at least",
    ),
    (GROUP + '[group.target]\nlow = "20"\nhigh = "10"', "line 4: group 'a': low 20 is above high 10"),
    (GROUP + '[group.target]\nkind = "prise"', "line 4: unknown kind 'prise'; did you mean 'price'"),
    (
        GROUP + '[[group.class]]\nname = "Buy"\n[[group.class]]\nname = "Sell"\nshre = "3%"',
        "line 7: unknown key 'shre'",
    ),
    (GROUP + '[[group.class]]\nname = "Buy"\n[[group.class]]\nname = "Buy"', "class 'Buy' stands twice"),
    (
        GROUP + '[[group.class]]\nname = "Buy"\nshare = "60%"\n[[group.class]]\nname = "Sell"\nshare = "50%"',
        "class shares sum",
    ),
    (GROUP + '[group.architecture]\nlayers = [{ kind = "lstmm", units = 3 }]', "kind 'lstmm'; did you mean 'lstm'"),
    (GROUP + '[group.architecture]\nlayers = [{ kind = "lstm" }]', "layer 1 (lstm) needs units"),
    (GROUP + "[group.architecture]\ninputs = 3", "line 3: architecture needs 'layers'"),
    (GROUP + "[group.portfolio]\ntrials = 0", "line 4: trials 0 is below 1"),
    (GROUP + 'shares_sample_with = ["b"]', "line 3: group 'a': no other group is named 'b'"),
    (GROUP + "[group.loss]\nterms = [{ kind = 'mse', weight = 'x' }]", "'weight' must be a number"),
    ("[[claim]]\n" + "x = [" * 2000, "not"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[str(index) for index in range(len(BAD))])
def test_each_mistake_is_answered_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_claims(text, "claims.toml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("claims.toml")


def test_a_full_file_is_read_and_written_back(tmp_path: Path) -> None:
    text = """
title = "A \\"quoted\\" title"
source = "r.md"

[[group]]
name = "a"
split = "test"
shares_sample_with = ["b"]
[group.sample]
n = 28
start = 2024-01-01
end = "2024-06-30"
splits = [{ name = "train", share = "80%" }, { name = "test", share = "20%" }]
[group.target]
kind = "price"
low = "11.50"
high = "21.15"
range_covers = "evaluation"
[group.loss]
terms = [{ kind = "mse", weight = 50 }, { kind = "focal", weight = 20.0 }]
includes_regularisation = true
[group.architecture]
inputs = 1
framework = "keras"
layers = [{ kind = "lstm", units = 50 }, { kind = "dense", units = 1, bias = false }]
[group.schedule]
max_epochs = 20
[group.portfolio]
trials = 3
risk_free = "2%"
[[group.class]]
name = "up"
support = 16

[[group]]
name = "b"

[[claim]]
metric = "accuracy"
printed = "57,14%"
decimal = ","
group = "a"
line = 3

[[claim]]
metric = "accuracy"
printed = "57.14%"
group = "a"

[[claim]]
metric = "multiple"
printed = "35x"
group = "b"
relation = "ratio"
inputs = ["a.accuracy", "a.accuracy#2"]
"""
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    claims = load_claims(path)
    assert claims.claims[0].value.value == pytest.approx(0.5714)
    assert claims.group("a").target.span.high == pytest.approx(21.155)
    assert claims.group("a").sample.start == "2024-01-01"
    assert parse_claims(dump_claims(claims)) == claims


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"title = '\xff'", "line 1: byte 0xff is not UTF-8"), (b"\xff\xfet", "is not UTF-16"), (b"a\x00b", "NUL")],
)
def test_files_that_are_not_text_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_claims(path)
    with pytest.raises(InputError, match="folder"):
        load_claims(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load_claims(tmp_path / "missing.toml")


def test_lines_are_found_past_strings_that_look_like_tables() -> None:
    text = 'title = """\n[[claim]]\n"""\n\n[[claim]]\nmetric = "acuracy"\nprinted = "1"\n'
    with pytest.raises(InputError, match="line 6: unknown metric"):
        parse_claims(text)


def test_every_synonym_names_a_metric_and_only_one() -> None:
    seen: dict[str, str] = {}
    for metric, row in table("metric").items():
        assert metric in METRICS
        for name in itertools.chain.from_iterable(row.get(language, ()) for language in LANGUAGES):
            folded = " ".join(plain(name).split())
            assert seen.setdefault(folded, metric) == metric, folded
            assert mentions(plain(name))[0].metric == metric, name
