"""The rubrics that come with the platform, each a YAML file of this folder with a text for every level."""

from functools import cache
from importlib.resources import files

from judges.core.rubric import RubricText
from judges.core.rubric_documents import rubric_from_text

BUILT_IN = ("helpfulness", "harmlessness", "honesty", "instruction_following", "code")


@cache
def built_in_rubric(key: str) -> RubricText:
    """The built-in rubric of that name, one of BUILT_IN. Raises KeyError for another."""
    if key not in BUILT_IN:
        raise KeyError(key)
    return rubric_from_text((files(__package__) / f"{key}.yaml").read_text(encoding="utf-8"))
