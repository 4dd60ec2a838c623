"""Data that several tests of the statistics share."""

import json

import numpy as np
import pytest

from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

_CODES = {"1": FIRST, "2": SECOND, "tie": TIE, None: MISSING}


@pytest.fixture
def pandalm(shared_data):
    """PandaLM's test set as arrays: the verdicts of three people and two judges, and the prompts."""
    lines = (shared_data / "pandalm" / "comparisons.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    people = {
        name: np.array([_CODES[row["human"][name]] for row in rows])
        for name in ("annotator1", "annotator2", "annotator3")
    }
    judges = {
        name: np.array([_CODES[row["judge"][name]["verdict"]] for row in rows])
        for name in ("gpt-3.5-turbo", "pandalm-7b")
    }
    prompts = {}
    clusters = [prompts.setdefault((row["instruction"], row["input"]), len(prompts)) for row in rows]
    return people, judges, np.array(clusters)
