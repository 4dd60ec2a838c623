"""``python -m alignment.statistics``: its JSON key by key, against scikit-learn and scipy, without Django."""

import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from alignment.statistics.__main__ import main
from tests.alignment.statistics.test_alpha import OBSERVERS
from tests.alignment.statistics.test_alt_test import by_the_papers_definition

PAIR = {
    "a", "b", "n", "agreement", "cohen_kappa", "cohen_kappa_linear", "cohen_kappa_quadratic", "gwet_ac1",
    "krippendorff_alpha", "spearman", "kendall_tau_b",
}  # fmt: skip


def ratings(seed=0, n=80, values=(1, 2, 3, 4, 5)):
    """Four people and a judge on items that not all of them rated: by rater, the value of each item."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(values), n)
    said = {}
    for rater in ("ana", "ben", "cat", "dan", "gpt"):
        label = np.where(rng.random(n) < 0.7, truth, rng.integers(0, len(values), n))
        said[rater] = {f"q{item}": values[label[item]] for item in np.flatnonzero(rng.random(n) < 0.85)}
    return said


def write(path, said, **more):
    with path.open("w") as file:
        for rater, given in said.items():
            kind = "judge" if rater == "gpt" else "human"
            for item, value in given.items():
                file.write(
                    json.dumps({"item": item, "rater": rater, "kind": kind, "value": value, **more}) + "\n"
                )
    return str(path)


@pytest.fixture
def report(tmp_path, capsys):
    def run(said, *options):
        assert main([write(tmp_path / "r.jsonl", said), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def walk(node):
    if isinstance(node, dict) and "value" in node:
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from walk(child)


def test_the_report_has_the_keys_it_promises(report):
    body = report(ratings())
    assert list(body) == ["raters", "pairs", "groups", "judges", "excluded"]
    assert list(body["raters"]) == ["ana", "ben", "cat", "dan", "gpt"]
    assert body["raters"]["gpt"]["kind"] == "judge"
    assert [(pair["a"], pair["b"]) for pair in body["pairs"]] == list(combinations(body["raters"], 2))
    assert all(set(pair) == PAIR for pair in body["pairs"])
    assert list(body["groups"]) == ["human", "all"]
    assert list(body["judges"]) == ["gpt"]
    judge = body["judges"]["gpt"]
    assert {"winning_rate", "advantage_probability", "annotators"} <= set(judge["alt_test"])
    assert all(set(person) == {"rater", "n", "p", "rejected"} for person in judge["alt_test"]["annotators"])
    assert {"value", "low", "high", "n"} <= set(judge["ceiling"])
    for statistic in walk(body):
        if statistic["value"] is None:
            assert statistic["reason"]
        else:
            assert {"low", "high", "n"} <= set(statistic)
            assert statistic["low"] is None or statistic["low"] <= statistic["value"] <= statistic["high"]


def test_pairs_are_measured_on_the_items_they_share(report):
    said = ratings()
    for pair in report(said, "--level", "interval")["pairs"]:
        shared = sorted(set(said[pair["a"]]) & set(said[pair["b"]]))
        one, two = ([said[pair[side]][item] for item in shared] for side in ("a", "b"))
        assert pair["n"] == pair["agreement"]["n"] == len(shared)
        assert pair["agreement"]["value"] == pytest.approx(np.mean(np.array(one) == two))
        for name, weights in (("", None), ("_linear", "linear"), ("_quadratic", "quadratic")):
            expected = cohen_kappa_score(one, two, weights=weights)
            assert pair[f"cohen_kappa{name}"]["value"] == pytest.approx(expected, abs=1e-9)
        assert pair["spearman"]["value"] == pytest.approx(stats.spearmanr(one, two).statistic, abs=1e-9)
        assert pair["kendall_tau_b"]["value"] == pytest.approx(stats.kendalltau(one, two).statistic, abs=1e-9)
        shares = np.array(
            [(one.count(value) + two.count(value)) / (2 * len(one)) for value in sorted({*one, *two})]
        )
        chance = (shares * (1 - shares)).sum() / (len(shares) - 1)
        assert pair["gwet_ac1"]["value"] == pytest.approx(
            (pair["agreement"]["value"] - chance) / (1 - chance)
        )


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorffs_data(report, level, published):
    said = {
        f"observer {observer}": {
            f"u{unit}": int(value) for unit, value in enumerate(line.split()) if value != "."
        }
        for observer, line in enumerate(OBSERVERS.strip().splitlines())
    }
    body = report(said, "--level", level)
    assert body["groups"]["human"]["krippendorff_alpha"]["value"] == pytest.approx(published, abs=5e-4)
    assert body["groups"]["human"] == body["groups"]["all"]
    assert {"reason": "items with one rating only", "group": "human", "n": 1} in body["excluded"]


OTHER = ("--scoring", "neg_rmse", "--epsilon", "0.1", "--q", "0.2", "--min-items", "40")


@pytest.mark.parametrize("options", [(), OTHER])
def test_the_judge_is_tested_as_the_paper_does(report, options):
    said = ratings(3, 90)
    people = {rater: given for rater, given in said.items() if rater != "gpt"}
    arguments = ("neg_rmse", 0.1, 0.2, 40) if options else ("accuracy", 0.2, 0.05, 30)
    rate, advantage = by_the_papers_definition(people, said["gpt"], *arguments)
    test = report(said, *options)["judges"]["gpt"]["alt_test"]
    assert test["winning_rate"]["value"] == rate
    assert test["winning_rate"]["n"] == 4
    assert test["advantage_probability"]["value"] == pytest.approx(advantage)
    assert sum(person["rejected"] for person in test["annotators"]) == rate * 4


def test_more_people_may_be_asked_of_an_item(report):
    body = report(ratings(), "--min-humans", "4")
    test = body["judges"]["gpt"]["alt_test"]
    assert test["advantage_probability"]["n"] < 60
    left_out = [entry for entry in body["excluded"] if "with fewer than 4 people" in entry["reason"]]
    assert left_out[0]["judge"] == "gpt"
    assert test["advantage_probability"]["n"] + left_out[0]["n"] == 80


def test_what_is_left_out_is_named(report):
    said = {"ana": {"q1": 1, "q2": None, "q3": 2}, "ben": {"q4": 1}, "gpt": {"q1": 1}}
    body = report(said)
    reasons = [entry["reason"] for entry in body["excluded"]]
    assert body["excluded"][0] == {"reason": "no value", "rater": "ana", "n": 1, "rows": [2]}
    assert {"reason": "no item in common", "a": "ana", "b": "ben"} in body["excluded"]
    assert {"reason": "items with one rating only", "group": "all", "n": 2} in body["excluded"]
    assert any("fewer than 30 items" in reason for reason in reasons)
    assert body["judges"]["gpt"]["alt_test"]["winning_rate"] == {
        "value": None,
        "n": 0,
        "reason": "too few items",
    }
    assert body["judges"]["gpt"]["ceiling"]["value"] is None
    assert body["raters"]["ana"] == {"kind": "human", "n": 2}


def test_clusters_widen_the_intervals(tmp_path, capsys):
    said = ratings(n=200)
    widths = []
    for cluster in (True, False):
        rows = [
            {"item": item, "rater": rater, "kind": "human", "value": value}
            | ({"cluster": int(item[1:]) // 20} if cluster else {})
            for rater, given in said.items()
            for item, value in given.items()
        ]
        (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rows))
        main([str(tmp_path / "r.jsonl"), "--json"])
        alpha = json.loads(capsys.readouterr().out)["groups"]["all"]["krippendorff_alpha"]
        widths.append((alpha["value"], alpha["high"] - alpha["low"]))
    assert widths[0][0] == pytest.approx(widths[1][0])
    assert widths[0][1] != widths[1][1]


def test_nothing_is_excluded_where_everybody_rated_everything(report):
    rng = np.random.default_rng(0)
    said = {rater: {f"q{n}": int(rng.integers(0, 2)) for n in range(35)} for rater in ("ana", "ben", "gpt")}
    assert report(said)["excluded"] == []


def test_without_json_it_is_a_table_to_read(tmp_path, capsys):
    assert main([write(tmp_path / "r.jsonl", ratings(values=("bad", "good")))]) == 0
    text = capsys.readouterr().out
    for part in (
        "rater  kind",
        "cohen_kappa",
        "may be replaced",
        "Left out:",
        "only for values that are numbers",
    ):
        assert part in text


def test_people_alone_have_no_table_of_judges(tmp_path, capsys):
    main([write(tmp_path / "r.jsonl", {"ana": {"q1": 1}, "ben": {"q1": 2}})])
    assert "winning_rate" not in capsys.readouterr().out


def test_errors_name_row_and_field(tmp_path, capsys):
    path = write(tmp_path / "r.jsonl", {"ana": {"q1": "good"}})
    for options, sentence in (
        (["--level", "ordinal"], "row 1: value 'good' is not a number, as --level ordinal needs"),
        (["--scoring", "neg_rmse"], "row 1: value 'good' is not a number, as --scoring neg_rmse needs"),
    ):
        assert main([path, *options]) == 2
        assert sentence in capsys.readouterr().err
    for options in (["--epsilon", "2"], ["--min-humans", "1"], ["--level", "worst"], ["--q", "x"]):
        with pytest.raises(SystemExit) as ended:
            main([path, *options])
        assert ended.value.code == 2
        assert options[0] in capsys.readouterr().err


def test_it_starts_without_django(tmp_path):
    path = write(tmp_path / "r.jsonl", ratings())
    code = (
        "import sys; from alignment.statistics.__main__ import main; main(sys.argv[1:]);"
        "assert not {'django', 'scipy.stats'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, path, "--json"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    command = [sys.executable, "-m", "alignment.statistics", path, "--json"]
    module = subprocess.run(command, capture_output=True, text=True)
    assert json.loads(module.stdout) == json.loads(ran.stdout)
