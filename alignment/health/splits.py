"""Train and test: whole groups of near-duplicate prompts are held out, a like share of every kind of prompt."""

import hashlib
from collections.abc import Iterable, Mapping


def held_out(
    prompts: Mapping[str, Iterable[str]], groups: Mapping[str, str], *, test_share: float, seed: int
) -> set[str]:
    """The prompts of the test split, by their keys.

    ``prompts`` gives each prompt's tags, ``groups`` the representative of those that have near duplicates. Groups are
    sorted by a hash of ``seed`` and their representative within their stratum, the tags of all its prompts together;
    a stratum's share is rounded on from stratum to stratum, so that small ones are not passed over. The same prompts
    give the same split, whatever the order in which they come.
    """
    members: dict[str, list[str]] = {}
    for key in sorted(prompts):
        members.setdefault(groups.get(key, key), []).append(key)
    strata: dict[tuple[str, ...], list[str]] = {}
    for name, keys in members.items():
        strata.setdefault(tuple(sorted({tag for key in keys for tag in prompts[key]})), []).append(name)
    test: set[str] = set()
    owed = 0.0
    for _, names in sorted(strata.items()):
        owed += test_share * sum(len(members[name]) for name in names)
        for name in sorted(names, key=lambda name: _drawn(name, seed)):
            if len(members[name]) <= owed + 0.5:
                test.update(members[name])
                owed -= len(members[name])
    return test


def _drawn(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
