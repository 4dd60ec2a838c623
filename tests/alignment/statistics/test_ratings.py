"""Ratings tables: every format, what they may hold, and what is refused with its row and field."""

import gzip
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.ratings import BadRatings, read_ratings, to_ratings


def row(item="q1", rater="ana", kind="human", value=1, **more):
    return {"item": item, "rater": rater, "kind": kind, "value": value, **more}


def table(*rows, **options):
    return to_ratings(enumerate(rows, 1), **options)


GOOD = [row(), row(rater="ben", value=2.5), row("q2", value=None), row("q2", "gpt", "judge", 3, cluster="p")]


def write(folder, kind):
    lines = "".join(json.dumps(line) + "\n" for line in GOOD)
    if kind == "parquet":
        pq.write_table(
            pa.Table.from_pylist([{"cluster": None, **line} for line in GOOD]), folder / "r.parquet"
        )
        return folder / "r.parquet"
    if kind == "csv":
        cells = [[line.get(name) for name in ("item", "rater", "kind", "value", "cluster")] for line in GOOD]
        rows = [",".join("" if cell is None else str(cell) for cell in line) for line in cells]
        (folder / "r.csv").write_text("\n".join(["item,rater,kind,value,cluster", *rows]))
        return folder / "r.csv"
    packed = {"jsonl": lines.encode(), "gz": gzip.compress(lines.encode())}
    packed["zst"] = zstandard.compress(lines.encode())
    path = folder / f"r.jsonl.{kind}"
    path.write_bytes(packed[kind])
    return path


@pytest.mark.parametrize("kind", ["jsonl", "gz", "zst", "csv", "parquet"])
def test_every_format_reads_the_same(tmp_path, kind):
    GOOD[2]["cluster"] = "p"
    found = read_ratings(write(tmp_path, kind))
    assert (found.items, found.raters) == (["q1", "q2"], ["ana", "ben", "gpt"])
    assert found.kinds == ["human", "human", "judge"]
    assert found.value.tolist() == [1, 2.5, 3]
    assert [found.raters[code] for code in found.rater] == ["ana", "ben", "gpt"]
    assert found.numeric
    assert found.clusters[0] != found.clusters[1]
    assert list(found.missing) == ["ana"]
    assert found.of("judge") == [2]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([row(), row(item="")], "row 2: item is missing; name the item in the field 'item'"),
        ([row(item=None)], "row 1: item is missing"),
        ([row(rater=["ana"])], "row 1: rater must be a text or a number, not ['ana']"),
        ([row(rater=True)], "row 1: rater must be a text or a number, not True"),
        ([row(kind="robot")], "row 1: kind is 'robot'; it must be human or judge"),
        ([row(kind=None)], "row 1: kind is missing; it must be human or judge"),
        ([row(), row("q2", kind="judge")], "row 2: rater 'ana' is a judge here and a human before"),
        ([row(), row()], "row 2: rater 'ana' rated item 'q1' before, in row 1; keep one of the two"),
        ([row(value=[1])], "row 1: value must be a number or a text, not [1]"),
        ([row(value=math.inf)], "row 1: value must be a number below 2**53, not inf"),
        (
            [row(cluster="a"), row(rater="ben", cluster="b")],
            "row 2: item 'q1' is in cluster 'b' here and in 'a'",
        ),
        ([row(cluster={})], "row 1: cluster must be a text or a number"),
        ([row(value=None)], "No row has a value"),
        ([], "No row has a value"),
    ],
)
def test_a_row_that_can_not_be_used_is_named(rows, sentence):
    with pytest.raises(BadRatings) as refusal:
        table(*rows)
    assert sentence in str(refusal.value)


def test_values_that_must_be_numbers_and_are_not_are_named():
    with pytest.raises(BadRatings, match="row 2: value 'good' is not a number, as --level ordinal needs"):
        table(row(), row(rater="ben", value="good"), numbers_for="--level ordinal")
    with pytest.raises(BadRatings, match="row 1: value -1 is below 0"):
        table(row(value=-1), numbers_for="--level ratio", least=0)
    assert table(
        row(value="3"), row(rater="ben", value=" 4.5 "), numbers_for="--level ratio", least=0
    ).numeric


def test_text_makes_every_value_a_category():
    found = table(
        row(value="tie"), row(rater="ben", value=1), row(rater="cat", value=True), row("q2", value=2.0)
    )
    assert not found.numeric
    assert found.categories == ["1", "2", "tie", "true"]
    assert [found.categories[int(code)] for code in found.value] == ["tie", "1", "true", "2"]


def test_numbers_may_name_items_and_raters():
    found = table(row(item=7, rater=1.5), row(item="7", rater=2))
    assert (found.items, found.raters) == (["7"], ["1.5", "2"])


def test_a_missing_value_is_no_rating():
    nothing = [None, "", "  ", math.nan]
    found = table(row(), *(row(f"q{n}", value=value) for n, value in enumerate([*nothing, None], 5)))
    assert len(found.value) == 1
    assert found.missing == {"ana": [2, 3, 4, 5, 6]}


def test_an_item_named_like_a_cluster_is_not_in_it():
    found = table(row("a", cluster="b"), row("b"))
    assert found.clusters[0] != found.clusters[1]


@given(st.randoms())
def test_the_order_of_rows_does_not_matter(random):
    rows = [row(f"q{item}", rater, value=item % 3) for item in range(4) for rater in ("ana", "ben", "cat")]
    ours, shuffled = table(*rows), table(*random.sample(rows, len(rows)))
    for name in ("item", "rater", "value", "clusters"):
        assert np.array_equal(getattr(ours, name), getattr(shuffled, name))
    assert ours.items == shuffled.items


def test_files_that_can_not_be_read_say_why(tmp_path):
    with pytest.raises(BadRatings, match="There is no file"):
        read_ratings(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text(json.dumps(row()) + "\n{not json\n")
    with pytest.raises(BadRatings, match="row 2: it is not JSON"):
        read_ratings(tmp_path / "bad.jsonl")
