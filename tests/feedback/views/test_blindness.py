"""Before the answer is in, nothing that reaches an annotator tells what they should not know."""

import re
from datetime import timedelta
from string import ascii_uppercase

import pytest
from django.urls import reverse
from django.utils import timezone

from feedback.models import Assignment, Comparison, GoldAnswer, Purpose, QueueItem
from feedback.records import JudgmentRecord

SECRET = (
    "model-x", "model-y", "bob", "opus", "'s reason", "&#x27;s reason", "q0", "gold", "attention", "repeat",
)  # fmt: skip


def without_tokens(html: str) -> str:
    """Without the letters drawn at random against forged requests, in which any word may come up."""
    return re.sub(r'name="csrfmiddlewaretoken" value="[A-Za-z0-9]{64}"', "", html)


def same_but_for_chance(html: str) -> str:
    """The fragment without what differs between any two items: ids, proofs, tokens."""
    html = without_tokens(html)
    html = re.sub(r'name="(comparison|shown|submission_id)" value="[^"]*"', r"\1", html)
    return re.sub(r'data-comparison="\d+"', "", html)


def test_sources_raters_ids_and_others_judgments_are_nowhere(workspace, project, make_comparisons):
    judgments = [
        JudgmentRecord(rater="bob", ranking={"a": 1, "b": 2}, rationale="Bob's reason"),
        JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="The judge's reason"),
    ]
    make_comparisons(project, 2, judgments)
    workspace.use(show_judges=True)
    response = workspace.client.get(workspace.url)
    html = response.content.decode()
    assert "Answer 0 of x." in html
    item = html[html.index('class="item"') :].split("</form>")[0]
    upcoming = workspace.upcoming(workspace.fields()["comparison"])
    told = without_tokens(item + str(upcoming) + str(response.headers))
    for secret in SECRET:
        assert secret not in told.lower(), secret


@pytest.mark.parametrize("purpose", [Purpose.GOLD, Purpose.ATTENTION, Purpose.REPEAT, Purpose.TRAIN])
def test_what_measures_people_looks_like_anything_else(purpose, workspace, make_comparison):
    plain = make_comparison(["Green tea.", "Black tea."])
    workspace.page()
    workspace.show(0, 1)
    before = same_but_for_chance(workspace.upcoming()["next"])
    given = Assignment.objects.get()
    original = make_comparison(["Mint tea.", "Rose tea."]) if purpose == Purpose.REPEAT else None
    Comparison.objects.filter(pk=plain.pk).update(purpose=purpose, repeat_of=original)
    if purpose in (Purpose.GOLD, Purpose.ATTENTION):
        GoldAnswer.objects.create(comparison=plain, ranking=(1, 2), explanation="Known.")
        QueueItem.objects.filter(pk=plain.pk).delete()
    after = workspace.upcoming()["next"]
    assert f'data-comparison="{given.pk}"' in after
    assert same_but_for_chance(after) == before


def test_items_go_by_numbers_that_do_not_tell_when_they_were_made(workspace, project, make_comparisons):
    """Gold is imported in batches, so its comparisons' numbers lie together; those of assignments are in turn."""
    project.batch_size = 6
    project.save()
    comparisons = make_comparisons(project, 6)
    QueueItem.objects.filter(pk=comparisons[-1].pk).update(priority=5)
    held: list[str] = []
    for _ in comparisons:
        held.append(re.search(r'data-comparison="(\d+)"', workspace.upcoming(*held)["next"]).group(1))
    numbers = [int(number) for number in held]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    first = Assignment.objects.get(pk=numbers[0])
    assert first.comparison_id == comparisons[-1].pk
    told = "".join(workspace.upcoming(*held[:place])["next"] for place in range(6))
    assert not re.search(r'"q\d"|/comparisons/', told)


def test_the_page_does_not_tell_which_response_is_the_canonical_first(workspace, make_comparison):
    make_comparison(["Green tea.", "Black tea."])
    workspace.page()
    fragments = {}
    for order in ((0, 1), (1, 0)):
        workspace.show(*order)
        fragments[order] = workspace.upcoming()["next"]
    swapped = fragments[(1, 0)].replace("Green", "@").replace("Black", "Green").replace("@", "Black")
    assert same_but_for_chance(fragments[(0, 1)]) == same_but_for_chance(swapped)
    proofs = {re.search(r'name="shown" value="([^"]*)"', html).group(1) for html in fragments.values()}
    assert len(proofs) == 2
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in proofs)


def test_no_letter_goes_with_a_source_over_many_items(workspace, project, make_comparisons):
    """Sides are balanced for each person, so that A is as often the canonical first as the second."""
    make_comparisons(project, 8)
    project.batch_size = 8
    project.save()
    held: list[str] = []
    for _ in range(8):
        held.append(re.search(r'data-comparison="(\d+)"', workspace.upcoming(*held)["next"]).group(1))
    first = [shown[0] for shown in Assignment.objects.values_list("shown", flat=True)]
    assert sorted(first) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_an_answer_and_its_reply_tell_nothing_of_gold(workspace, make_comparison):
    comparison = make_comparison(["Green tea.", "Black tea."])
    fields = workspace.fields()
    Comparison.objects.filter(pk=comparison.pk).update(purpose=Purpose.GOLD)
    GoldAnswer.objects.create(comparison=comparison, ranking=(1, 2), explanation="Known.")
    QueueItem.objects.all().delete()
    reply = workspace.post(fields | {"choice": "a"})
    assert reply["stored"]
    assert reply["after"] is None
    assert "Known" not in str(reply)


def test_the_judges_view_does_not_come_to_whoever_has_not_answered(make_workspace, project, make_comparisons):
    said = [
        JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="The judge's view")
    ]
    make_comparisons(project, 1, said)
    ana, bob = make_workspace("ana"), make_workspace("bob")
    ana.use(show_judges=True)
    ana.answer(choice="a")
    others = ana.rater.judgments.get().pk
    html = bob.client.get(bob.url, {"after": others}).content.decode()
    assert "opus" not in html
    skipped = bob.answer(skip="unsure")
    assert skipped["after"] is None


def test_an_answer_taken_back_hides_the_judges_view_again(workspace, project, make_comparisons):
    said = [
        JudgmentRecord(rater="opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="The judge's view")
    ]
    make_comparisons(project, 1, said)
    workspace.use(show_judges=True)
    workspace.answer(choice="a")
    own = workspace.rater.judgments.get().pk
    assert "opus" not in workspace.ask("undo").json()["item"]
    assert "opus" not in workspace.client.get(workspace.url, {"after": own}).content.decode()


@pytest.mark.parametrize("name", ["comparisons", "judges:judges", "gold"])
def test_an_annotator_has_no_other_way_to_see_them(name, workspace, project):
    url = reverse(name if ":" in name else f"feedback:{name}", args=[project.slug])
    assert workspace.client.get(url).status_code == 404


def test_letters_are_those_of_the_alphabet(workspace, make_comparison):
    make_comparison([f"Tea {n}." for n in range(26)])
    html = workspace.page()
    assert all(f'id="response-{letter}"' in html for letter in ascii_uppercase)
    assert Assignment.objects.get().expires_at > timezone.now() + timedelta(minutes=1)
