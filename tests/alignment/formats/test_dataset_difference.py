"""What one frozen dataset has otherwise than another, read beside each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.formats.dataset_difference import difference
from alignment.formats.dataset_folder import write_splits
from alignment.formats.preference import answer

MANIFEST = {
    "policy": {"name": "p", "version": 1, "document": {"epsilon": 0.2, "ties": "keep"}},
    "splits": {"train": {"rows": 1}, "test": {"rows": 1}},
}


def row(number, chosen="yes", weight=1.0):
    return {
        "prompt": [{"role": "user", "content": f"{number}?"}],
        "chosen": answer(chosen),
        "rejected": answer("no"),
        "weight": weight,
        "confidence": 0.9,
        "margin": 0.0,
        "comparison": f"q{number}",
        "prompt_sha256": f"{number // 2:064}",
        "tags": [],
        "judgments": [],
    }


def folder(path, rows):
    """``rows``: by number, the split with what is special of the row."""
    path.mkdir()
    write_splits(path, ((split, row(number, **more)) for number, (split, more) in sorted(rows.items())))
    return path


def compared(tmp_path, before, after, manifest=MANIFEST):
    one, two = folder(tmp_path / "before", before), folder(tmp_path / "after", after)
    return difference(one, two, (MANIFEST, manifest))


def test_each_kind_of_change_is_told_with_its_comparisons(tmp_path):
    before = {number: ("train" if number % 3 else "test", {}) for number in range(9)}
    after = dict(before)
    del after[1]
    after[2] = ("train", {"chosen": "other"})
    after[3] = ("train", {})
    after[4] = ("train", {"weight": 2.0})
    after[5] = ("test", {"chosen": "other"})
    after[10] = ("test", {})
    found = compared(tmp_path, before, after)
    assert found.rows == {
        "added": ["q10"],
        "removed": ["q1"],
        "relabelled": ["q2", "q5"],
        "moved": ["q3", "q5"],
        "reweighted": ["q4"],
    }
    assert found.counts["same"] == 4


def test_a_row_that_was_taken_twice_weighs_more(tmp_path):
    for name, times in (("before", 1), ("after", 2)):
        (tmp_path / name).mkdir()
        write_splits(tmp_path / name, [("train", row(1))] * times + [("test", row(3))])
    found = difference(tmp_path / "before", tmp_path / "after", (MANIFEST, MANIFEST))
    assert found.rows["reweighted"] == ["q1"]
    assert found.counts["same"] == 1


def test_policies_differ_by_field(tmp_path):
    other = {**MANIFEST, "policy": {"name": "p", "version": 2, "document": {"epsilon": 0.1, "new": True}}}
    rows = {0: ("train", {}), 1: ("test", {})}
    found = compared(tmp_path, rows, rows, other)
    assert found.policy == [
        ("version", 1, 2),
        ("epsilon", 0.2, 0.1),
        ("ties", "keep", None),
        ("new", None, True),
    ]
    assert found.splits == {"train": (1, 1), "test": (1, 1)}


SNAPSHOT = st.dictionaries(
    st.integers(0, 12), st.tuples(st.sampled_from(["train", "test"]), st.sampled_from(["a", "b"])), max_size=8
)


@settings(max_examples=30)
@given(before=SNAPSHOT, after=SNAPSHOT)
def test_counts_are_those_of_sets(tmp_path_factory, before, after):
    root = tmp_path_factory.mktemp("d")
    one, two = (
        {number: (split, {"chosen": chosen}) for number, (split, chosen) in rows.items()}
        for rows in (before, after)
    )
    counts = compared(root, one, two).counts
    both = set(before) & set(after)
    assert counts["added"] == len(set(after) - both)
    assert counts["removed"] == len(set(before) - both)
    assert counts["moved"] == sum(before[number][0] != after[number][0] for number in both)
    assert counts["relabelled"] == sum(before[number][1] != after[number][1] for number in both)
    assert counts["same"] == sum(before[number] == after[number] for number in both)
