"""Formats by name, and the one a file is in."""

import json

import pytest

from alignment.formats.mapping import parse_mapping
from alignment.formats.registry import detect, open_records
from alignment.formats.source import FormatError

MAPPING = parse_mapping('{"prompt": ["p"], "responses": [{"text": "x"}, {"text": "y"}]}')
DIALOGUES = {name: f"\n\nHuman: Why?\n\nAssistant: {name}" for name in ("chosen", "rejected")}


def test_formats_are_told_by_the_names_in_the_first_sound_row(json_lines, pair_row):
    assert detect(json_lines(b"garbage", pair_row())) == "concord"
    assert detect(json_lines(DIALOGUES)) == "hh-rlhf"


def test_a_mapping_means_pairs(json_lines):
    name, records = open_records(json_lines({"p": "Why?", "x": "a", "y": "b"}), "auto", MAPPING)
    assert name == "pairs"
    assert len(list(records)) == 1


def test_a_format_that_is_named_is_not_guessed(json_lines, pair_row):
    name, records = open_records(json_lines(pair_row()), "hh-rlhf")
    assert name == "hh-rlhf"
    assert next(records).field == "chosen"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (
            [{"instruction": "x", "output": "y"}],
            "its columns instruction, output are those of no known format",
        ),
        ([b"garbage"], "line 1: it is not JSON"),
        ([{"chosen": "a", "rejected": "b"}], "its columns chosen, rejected"),
    ],
)
def test_an_unknown_format_is_refused_with_the_known_ones(json_lines, rows, what):
    with pytest.raises(FormatError) as caught:
        detect(json_lines(*rows))
    assert what in caught.value.sentence
    assert "concord, hh-rlhf" in caught.value.sentence


def test_a_csv_file_without_rows_has_no_format(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n")
    with pytest.raises(FormatError, match="it has no row"):
        detect(path)


@pytest.mark.parametrize(
    ("name", "mapping", "sentence"),
    [
        (
            "parquet",
            None,
            "'parquet' is no format that can be read; use one of auto, concord, hh-rlhf, ultrafeedback,",
        ),
        ("pairs", None, "needs a mapping"),
        ("concord", MAPPING, "needs none"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(json_lines, name, mapping, sentence):
    with pytest.raises(FormatError) as caught:
        open_records(json_lines(json.loads("{}")), name, mapping)
    assert sentence in caught.value.sentence
