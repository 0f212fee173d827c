"""Ways in which bytes, JSON and tables can be wrong, drawn from a seeded generator."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pyarrow as pa

__all__ = ["NUMBERS", "WORDS", "mutate_bytes", "mutate_json", "odd_table", "with_other_values"]

#: What stands where a number is expected.
NUMBERS = (
    "",
    "0",
    "-0",
    "-1",
    "1e400",
    "-1e308",
    "5e-324",
    "nan",
    "inf",
    "-inf",
    "none",
    "NaT",
    "1,5",
    "1_000",
    "0x10",
    "²",
    "①",
    "٣",
    "9" * 400,
    "1" + "0" * 30,
    "0." + "0" * 300 + "1",
    "1e-400",
    "--1",
    "1e",
    "$1",
    "true",
)
#: What stands where a word is expected.
WORDS = (
    *NUMBERS,
    "x",
    "a=b",
    "é" * 60,
    "../../x",
    "/etc/passwd",
    "<script>",
    "$(id)",
    "%s",
    "{x}",
    "{{7*7}}",
    "a\nb",
    "\t",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "动量",
    "2020-01-01",
    "2020-13-01",
    "0000-01-01",
    "9999-12-31",
    "2020-01-01T00:00Z",
    "today",
    "os:system",
    "subprocess:Popen",
    "builtins:dict",
    "a.b.c:D",
    ":x",
    "x:",
    "[]",
    "{}",
    "1;2",
    "*",
)
_TOKENS = (
    *(word.encode("utf-8", "replace") for word in WORDS),
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\n\n",
    b'"',
    b'"""',
    b"'",
    b",",
    b";",
    b"|",
    b"[" * 60,
    b"{" * 60,
    b"[" * 9000,
    b"[[claim]]",
    b"[rules.x]",
    b"= ",
    b"null",
    b"\\ud800",
    b"PAR1",
    b"---\n",
    b"| a | b |\n|---|---|\n",
    b"<table><tr><td>",
    b"```json\n{",
    b"Sharpe 2.53",
    b"57.14%",
    b"R\xc2\xb2 = 0.13",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    float("nan"),
    "",
    "x",
    "2020-01-01",
    "../x",
    [],
    {},
    [1],
    [[]],
    {"a": 1},
    10**30,
    "\ud800",
    [None] * 3,
    {"": None},
)


def mutate_bytes(rng: Random, data: bytes, edits: int | None = None) -> bytes:
    """A few edits: bits, bytes, slices gone, doubled or moved, tokens put in, an early end."""
    out = bytearray(data)
    for _ in range(edits or rng.choice([1, 1, 2, 4, 8])):
        at, to = sorted(rng.randrange(len(out) + 1) for _ in range(2))
        to = min(to, at + rng.choice([1, 4, 30, 300]))
        kind = rng.randrange(8)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 2:
            del out[at:to]
        elif kind == 3:
            out[at:at] = out[at:to]
        elif kind == 4 and rng.random() < 0.3:
            del out[at:]
        elif kind == 5:
            cut = bytes(out[at:to])
            del out[at:to]
            where = rng.randrange(len(out) + 1)
            out[where:where] = cut
        else:
            out[at : to if kind == 6 else at] = rng.choice(_TOKENS)
    return bytes(out)


def with_other_values(rng: Random, text: bytes, sign: bytes = b"=") -> bytes:
    """A file of settings in which some lines have another value, or another line's."""
    lines = text.split(b"\n")
    settings = [number for number, line in enumerate(lines) if sign in line]
    for _ in range(rng.choice([1, 1, 2, 5])):
        if not settings:
            break
        name, _, value = lines[rng.choice(settings)].partition(sign)
        number = rng.choice(settings)
        own, _, _ = lines[number].partition(sign)
        other = rng.choice(
            [value, b" " + rng.choice(_TOKENS), b' "' + rng.choice(_TOKENS) + b'"', b" [1]", b" {a = 1}"]
        )
        lines[number] = (own if rng.random() < 0.8 else name) + sign + other
    return b"\n".join(lines)


def mutate_json(rng: Random, value: Any) -> Any:
    """A copy in which one node is replaced, taken away, renamed or doubled."""
    value = json.loads(json.dumps(value))
    nodes: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            nodes.append((node, key))
            walk(node[key])

    walk(value)
    if not nodes:
        return rng.choice(_VALUES)
    holder, key = rng.choice(nodes)
    kind = rng.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(WORDS)] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = rng.choice(_VALUES)
    return value


def odd_table(rng: Random, names: list[str], rows: int = 24) -> pa.Table:
    """A table of those columns, some of them of an odd type or with odd values."""
    days = [18_262 + i for i in range(rows)]

    def usual(name: str) -> pa.Array:
        if name in ("date", "session") or name.endswith(("through", "_at")):
            return pa.array(sorted(days[i // 4] for i in range(rows)), pa.int32()).cast(pa.date32())
        if name in ("asset", "model_id"):
            return pa.array([f"A{i % 4}" for i in range(rows)])
        return pa.array([rng.gauss(100, 1) if name == "close" else rng.gauss(0, 0.01) for _ in range(rows)])

    def odd() -> pa.Array:
        makers = (
            lambda: pa.array([rng.choice(WORDS) for _ in range(rows)]),
            lambda: pa.array(
                [rng.choice([None, float("nan"), float("inf"), -1.0, 0.0, 1e308, 5e-324]) for _ in range(rows)]
            ),
            lambda: pa.array([rng.choice([2**31 - 1, -(2**31), 0, 2_932_897]) for _ in range(rows)], pa.int32()).cast(
                pa.date32()
            ),
            lambda: pa.array([rng.choice([2**62, -(2**62), 0]) for _ in range(rows)], pa.timestamp("us", tz="UTC")),
            lambda: pa.array([{"a": 1}] * rows),
            lambda: pa.array([[1, 2]] * rows),
            lambda: pa.array([b"\xff"] * rows),
            lambda: pa.nulls(rows),
            lambda: pa.array([True] * rows),
            lambda: pa.array(["A"] * rows).dictionary_encode(),
            lambda: pa.array([i % 7 for i in range(rows)], pa.int8()),
            lambda: pa.array([10**37] * rows, pa.decimal128(38, 0)),
            lambda: pa.array([1] * rows, pa.duration("ns")),
        )
        return rng.choice(makers)()

    columns = {name: odd() if rng.random() < 0.25 else usual(name) for name in names if rng.random() < 0.95}
    table = pa.table(columns) if columns else pa.table({"x": pa.nulls(rows)})
    if rng.random() < 0.1:
        keys = (b"assay.adjusted", b"assay.predictions", b"pandas", b"assay.source")
        table = table.replace_schema_metadata({rng.choice(keys): rng.choice(_TOKENS)})
    return table.slice(0, rng.choice([0, 1, 2, rows, rows]))
