"""Keys go in and never come out; budgets are set where they belong."""

from decimal import Decimal

import pytest

from feedback.models import AuditEntry, Role
from judges.models import Budget, ProviderKey

SECRET = "sk-ant-api03-very-secret-WXYZ"


@pytest.fixture
def owner(as_role):
    return as_role(Role.OWNER)


def test_a_key_is_stored_and_only_its_end_is_shown(project, owner, as_role, address, caplog):
    answer = owner.post(address("key-store"), {"provider": "anthropic", "secret": SECRET}, follow=True)
    shown = answer.content.decode()
    key = ProviderKey.objects.get()
    assert "…WXYZ" in shown
    assert key.base_url == "https://api.anthropic.com"
    for page in (shown, as_role(Role.ENGINEER).get(address("keys")).content.decode()):
        assert SECRET not in page
        assert SECRET[:-4] not in page
    assert SECRET not in key.encrypted
    assert SECRET not in caplog.text
    assert SECRET not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"secret": "short"}, "copy it whole"),
        ({"base_url": "http://10.1.2.3/v1"}, "may not send judges"),
        ({"base_url": "nonsense"}, "must begin with http"),
        ({"provider": "rules"}, "Select a valid choice"),
        ({"requests_per_minute": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_key_that_can_not_be_stored_is_not_shown_again_either(owner, address, changes, told):
    answer = owner.post(address("key-store"), {"provider": "openai", "secret": SECRET} | changes)
    page = answer.content.decode()
    assert told in page
    assert SECRET not in page
    assert not ProviderKey.objects.exists()


def test_a_key_is_forgotten(owner, address):
    owner.post(address("key-store"), {"provider": "anthropic", "secret": SECRET})
    owner.post(address("key-delete", ProviderKey.objects.get().pk))
    assert not ProviderKey.objects.exists()


def test_no_page_with_keys_is_kept_by_a_browser(owner, address):
    assert "no-store" in owner.get(address("keys"))["Cache-Control"]


@pytest.mark.parametrize("judge", ["", "careful"])
def test_a_budget_is_set_and_lifted(owner, address, make_judge, judge):
    make_judge()
    owner.post(address("budget-set"), {"judge": judge, "limit": "20.5"})
    assert Budget.objects.get(judge_name=judge).limit == Decimal("20.5")
    assert "20.5" in owner.get(address("keys")).content.decode()
    owner.post(address("budget-set"), {"judge": judge, "limit": ""})
    assert Budget.objects.get(judge_name=judge).limit is None


def test_an_engineer_limits_a_judge_and_not_the_project(as_role, address, make_judge):
    make_judge()
    engineer = as_role(Role.ENGINEER)
    assert engineer.post(address("budget-set"), {"judge": "careful", "limit": "3"}).status_code == 302
    assert engineer.post(address("budget-set"), {"judge": "", "limit": "3"}).status_code == 404
    assert list(Budget.objects.filter(limit=3).values_list("judge_name", flat=True)) == ["careful"]
    assert 'name="secret"' not in engineer.get(address("keys")).content.decode()


@pytest.mark.parametrize("limit", ["-1", "many", "1e99", "NaN"])
def test_a_limit_that_is_none_changes_nothing(owner, address, limit):
    assert (
        "number of dollars"
        in owner.post(address("budget-set"), {"limit": limit}, follow=True).content.decode()
    )
    assert not Budget.objects.filter(limit__isnull=False).exists()


def test_a_judge_that_is_not_there_has_no_budget(owner, address):
    assert owner.post(address("budget-set"), {"judge": "nobody", "limit": "1"}).status_code == 404
    assert not Budget.objects.exists()
