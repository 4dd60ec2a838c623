"""Who made a model, from its name."""

import pytest

from alignment.statistics.families import family_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-3.5-turbo", "openai"),
        ("openai/gpt-oss-120b", "openai"),
        ("claude-opus-5.5", "anthropic"),
        ("meta-llama/Llama-3.1-8B", "meta"),
        ("llama-7b", "meta"),
        ("Qwen2.5-72B", "alibaba"),
        ("cerebras-gpt-6.7B", ""),
        ("pandalm-7b", ""),
        ("annotator1", ""),
        ("", ""),
    ],
)
def test_only_a_name_beyond_doubt_tells_its_maker(name, family):
    assert family_of(name) == family
