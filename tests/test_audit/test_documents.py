"""Documents of a project: every form read at its own lines, one quantity tied across files, contradictions named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from assay.audit.judge import audit_claims
from assay.audit.read.project import draft_files, find_documents, read_document
from assay.audit.report import Audit, render_audit, summary_paragraph, to_json
from assay.data.errors import InputError

REPORT = "# Net\n\n## Test results\n\n- Accuracy: 0.5571\n- F1: 0.6123\n- Sharpe: 1.31\n"


def placed(path: Path) -> list[tuple[str, str, int | None]]:
    return [(c.metric, c.printed, c.source_line) for c in draft_files([path]).claims.claims]


def notebook(*cells: dict[str, object]) -> str:
    return json.dumps({"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, "metadata": {}}, indent=1)


def test_a_notebook_s_text_and_outputs_stand_on_the_lines_of_its_file(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["Accuracy: 0.5571\n", "F1: 0.61\n"]}
    frame = {"output_type": "execute_result", "data": {"text/html": [
        "<table>\n", "<tr><th>Model</th><th>AUC</th></tr>\n", "<tr><td>net</td><td>0.5432</td></tr>\n", "</table>",
    ]}}  # fmt: skip
    body = notebook(
        {"cell_type": "markdown", "source": ["# Net\n", "It reaches a Sharpe of 1.31."]},
        {"cell_type": "code", "source": ["lr = 0.001\n", "print(score)"], "outputs": [output, frame]},
    )
    path = tmp_path / "a.ipynb"
    path.write_text(body, encoding="utf-8")
    found = placed(path)
    assert [(metric, printed) for metric, printed, _ in found] == [
        ("sharpe", "1.31"), ("accuracy", "0.5571"), ("f1", "0.61"), ("auc", "0.5432"),
    ]  # fmt: skip
    lines = body.split("\n")
    assert all(printed in lines[(line or 0) - 1] for _, printed, line in found)


def test_a_web_page_is_read_with_its_headings_lists_and_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><style>p {margin: 0.5em}</style></head><body><h1>Net</h1><h2>Validation</h2>\n"
        "<script>var accuracy = 0.99;</script><ul><li>Accuracy: 0.5571</li><li>F1: 0.61</li></ul>\n"
        "<table><tr><th>Model</th><th>Sharpe</th></tr><tr><td>net</td><td>1.31</td></tr></table></body></html>\n",
        encoding="utf-8",
    )
    assert placed(path) == [("accuracy", "0.5571", 2), ("f1", "0.61", 2), ("sharpe", "1.31", 3)]
    splits = {claim.metric: claim.split for claim in draft_files([path]).claims.claims}
    assert splits["accuracy"] == "validation"


def pdf(text: str) -> bytes:
    """A PDF of one page with a text layer."""
    shown = "".join(f"({line}) Tj T* " for line in text.split("\n"))
    stream = f"BT /F1 12 Tf 14 TL 50 700 Td {shown}ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",  # noqa: E501
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    begin = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return f"{out}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n".encode()


def test_the_text_layer_of_a_pdf_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf("Test results\nAccuracy: 55.71%\nSharpe ratio: 1.31"))
    assert [(metric, printed) for metric, printed, _ in placed(path)] == [("accuracy", "55.71%"), ("sharpe", "1.31")]
    path.write_bytes(pdf(""))
    with pytest.raises(InputError, match="no text layer"):
        read_document(path)
    path.write_bytes(b"%PDF-1.7 91.3%")
    with pytest.raises(InputError, match="no PDF that can be read"):
        read_document(path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"cells": 3}', '{"cells": [3]}', "{", '{"cells": [{"source": 3}]}'])
def test_a_broken_notebook_is_answered_in_one_line_or_is_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(InputError):
        assert draft_files([path]).claims.claims == ()


def project(folder: Path, accuracy: str) -> Path:
    (folder / "README.md").write_text(REPORT, encoding="utf-8")
    results = {"test": {"accuracy": accuracy, "f1": 0.6123, "sharpe": 1.3099}}
    (folder / "results.json").write_text(
        json.dumps(results, indent=1).replace(f'"{accuracy}"', accuracy), encoding="utf-8"
    )
    (folder / "requirements.txt").write_text("numpy==2.4\n", encoding="utf-8")
    (folder / ".hidden.md").write_text("# Sharpe 9.9\n", encoding="utf-8")
    return folder


def test_the_same_quantity_is_tied_across_the_files_of_a_folder(tmp_path: Path) -> None:
    draft = draft_files([project(tmp_path, "0.5571")])
    assert {claim.document.rsplit("/", 1)[-1] for claim in draft.claims.claims} == {"README.md", "results.json"}
    same = [(c.metric, c.printed, c.inputs[0].rsplit(".", 1)[-1]) for c in draft.claims.claims if c.relation == "same"]
    assert same == [("accuracy", "0.5571", "accuracy"), ("f1", "0.6123", "f1"), ("sharpe", "1.3099", "sharpe")]
    assert not draft.notes
    assert len({claim.id for claim in draft.claims.claims}) == len(draft.claims.claims)
    assert audit_claims(draft.claims).verdicts


def test_files_that_contradict_each_other_are_named_with_file_and_line(tmp_path: Path) -> None:
    draft = draft_files([project(tmp_path, "0.5832")])
    name = tmp_path.name
    assert draft.notes[0] == (
        f"accuracy test is printed as 0.5571 in {name}/README.md line 5 and as 0.5832 in {name}/results.json line 3"
    )
    assert not any(str(v.arithmetic) == "inconsistent" for v in audit_claims(draft.claims).verdicts)


def test_two_models_of_a_project_are_not_tied(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n## Test\n\n- Accuracy: 0.61\n- Sharpe: 1.2\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("# B\n\n## Test\n\n- Accuracy: 0.58\n- Sharpe: 0.7\n", encoding="utf-8")
    draft = draft_files([tmp_path / "a.md", tmp_path / "b.md"])
    assert not draft.notes
    assert {claim.relation for claim in draft.claims.claims} == {""}


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no document in this folder"):
        find_documents([tmp_path])


def test_a_file_of_a_folder_that_cannot_be_read_is_named_and_the_others_are_audited(tmp_path: Path) -> None:
    folder = project(tmp_path, "0.5571")
    (folder / "notes.txt").write_text("# Ranker\n\nSharpe: 2.53\n", encoding="utf-16")  # text, with its mark
    latin, notebook = folder / "alt.md", folder / "broken.ipynb"
    latin.write_bytes(b"Genauigkeit f\xfcr alle: 57%\n")
    notebook.write_text("{", encoding="utf-8")
    draft = draft_files([folder])
    assert {claim.document.rsplit("/", 1)[-1] for claim in draft.claims.claims} == {
        "README.md", "results.json", "notes.txt",
    }  # fmt: skip
    assert len(draft.notes) == 2
    assert draft.notes[0].startswith(f"not read: {latin}, line 1: byte 0xfc is not UTF-8")
    assert draft.notes[1].startswith(f"not read: {notebook}: is no notebook")
    result = Audit(audit_claims(draft.claims), draft=draft)
    assert to_json(result)["notes"] == list(draft.notes)
    assert "is no notebook" in render_audit(result)
    assert "is no notebook" in render_audit(result, "md")
    sources = [f"{folder.name}/{name}" for name in ("README.md", "notes.txt", "results.json")]
    assert f"“{', '.join(sources)}”" in summary_paragraph(result)
    assert len(draft_files([folder, folder / "README.md"]).claims.claims) == len(draft.claims.claims)  # named twice
    for named in ([latin], [folder, latin]):
        with pytest.raises(InputError, match="0xfc is not UTF-8"):
            draft_files(named)
