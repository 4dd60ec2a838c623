"""The split holds whole groups, the share asked for in each stratum, and the same for any order."""

from hypothesis import given
from hypothesis import strategies as st

from alignment.health.splits import held_out

PROMPTS = st.dictionaries(
    st.text("abcdef0123", min_size=3, max_size=6), st.lists(st.sampled_from("xyz"), max_size=2), max_size=60
)


@given(PROMPTS, st.floats(0.05, 0.9), st.integers(0, 99), st.data())
def test_groups_are_never_torn_apart(prompts, share, seed, data):
    keys = sorted(prompts)
    group = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=8)) if keys else []
    groups = {key: min(group) for key in group} if len(group) > 1 else {}
    test = held_out(prompts, groups, test_share=share, seed=seed)
    assert len({key in test for key in groups}) <= 1
    assert test <= set(keys)


@given(PROMPTS, st.floats(0.05, 0.9), st.integers(0, 99))
def test_without_groups_the_share_is_exact_over_all_and_near_in_each_stratum(prompts, share, seed):
    test = held_out(prompts, {}, test_share=share, seed=seed)
    assert abs(len(test) - share * len(prompts)) <= 1
    for stratum in {tuple(sorted(set(tags))) for tags in prompts.values()}:
        keys = [key for key, tags in prompts.items() if tuple(sorted(set(tags))) == stratum]
        assert abs(len(test & set(keys)) - share * len(keys)) <= 1.5


@given(PROMPTS, st.integers(0, 99))
def test_the_order_of_prompts_changes_nothing_and_the_seed_does(prompts, seed):
    backwards = dict(reversed(list(prompts.items())))
    assert held_out(prompts, {}, test_share=0.3, seed=seed) == held_out(
        backwards, {}, test_share=0.3, seed=seed
    )


def test_another_seed_holds_out_other_prompts():
    prompts = {f"p{n}": [] for n in range(50)}
    splits = [held_out(prompts, {}, test_share=0.2, seed=seed) for seed in (0, 1)]
    assert splits[0] != splits[1]
    assert [len(split) for split in splits] == [10, 10]
