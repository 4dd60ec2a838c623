"""OpenAI's SDK, unchanged, runs and validates graders here over HTTP."""

from collections.abc import Callable, Iterator

import openai
import pytest
from openai.types.fine_tuning.alpha import GraderRunResponse, GraderValidateResponse

from feedback.actions.tokens import create_token
from feedback.models import Project

STRING = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
PYTHON = {"type": "python", "name": "half", "source": "def grade(sample, item):\n    return item['share']"}
MODEL = {
    "type": "score_model",
    "name": "m",
    "model": "gpt-5.6-luna",
    "input": [{"role": "user", "content": "Hi"}],
}


@pytest.fixture
def client_of(live_server, make_user, project: Project) -> Iterator[Callable[..., openai.OpenAI]]:
    """OpenAI's own client of somebody with a role in the project."""
    clients = []

    def make(role: str | None = "engineer", scope: str = "write") -> openai.OpenAI:
        user = make_user(f"{role}-{scope}", project=project, role=role)
        _, secret = create_token(user=user, name="sdk", scope=scope)
        clients.append(
            openai.OpenAI(api_key=secret, base_url=f"{live_server.url}/api/v1", max_retries=0, timeout=120)
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.mark.django_db(transaction=True)
def test_the_unmodified_sdk_runs_a_grader(client_of):
    answer = client_of().fine_tuning.alpha.graders.run(
        grader=STRING, model_sample="Paris", item={"answer": "Paris"}
    )
    GraderRunResponse.model_validate(answer.to_dict())
    assert answer.reward == 1.0
    assert (answer.metadata.name, answer.metadata.type) == ("exact", "string_check")
    assert answer.metadata.execution_time >= 0
    assert not any(value for name, value in answer.metadata.errors.to_dict().items())


@pytest.mark.django_db(transaction=True)
def test_a_formula_over_graders_tells_each_reward(client_of):
    multi = {
        "type": "multi",
        "name": "both",
        "graders": {"exact": STRING, "half": PYTHON},
        "calculate_output": "0.5 * exact + half",
    }
    answer = client_of().fine_tuning.alpha.graders.run(
        grader=multi, model_sample="Paris", item={"answer": "Paris", "share": 0.25}
    )
    GraderRunResponse.model_validate(answer.to_dict())
    assert (answer.reward, answer.sub_rewards) == (0.75, {"exact": 1.0, "half": 0.25})


@pytest.mark.django_db(transaction=True)
def test_a_grade_that_is_missing_is_null_with_its_kind_of_error(client_of):
    answer = client_of().fine_tuning.alpha.graders.run(grader=PYTHON, model_sample="Paris")
    assert answer.reward is None
    assert answer.metadata.errors.python_grader_runtime_error is True
    assert answer.metadata.errors.python_grader_runtime_error_details == "KeyError: 'share' (line 2)"


@pytest.mark.django_db(transaction=True)
def test_the_unmodified_sdk_validates_a_grader(client_of):
    client = client_of()
    answer = client.fine_tuning.alpha.graders.validate(grader=STRING)
    GraderValidateResponse.model_validate(answer.to_dict())
    assert answer.grader.to_dict() == STRING
    with pytest.raises(openai.BadRequestError, match="operation must be one of") as caught:
        client.fine_tuning.alpha.graders.validate(grader=STRING | {"operation": "in"})
    assert caught.value.body["field"] == "grader.operation"


@pytest.mark.django_db(transaction=True)
def test_no_model_is_asked_for_nobody_s_money(client_of):
    client = client_of()
    assert client.fine_tuning.alpha.graders.validate(grader=MODEL).grader.to_dict() == MODEL
    with pytest.raises(openai.BadRequestError, match="make a rater of it in a project"):
        client.fine_tuning.alpha.graders.run(grader=MODEL, model_sample="x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("role", "scope"), [("annotator", "write"), ("reviewer", "write"), ("engineer", "read")]
)
def test_others_may_not(client_of, role: str, scope: str):
    with pytest.raises(openai.PermissionDeniedError):
        client_of(role, scope).fine_tuning.alpha.graders.run(grader=STRING, model_sample="x")


@pytest.mark.django_db(transaction=True)
def test_without_a_token_nobody_may(live_server):
    client = openai.OpenAI(api_key="none", base_url=f"{live_server.url}/api/v1", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.fine_tuning.alpha.graders.validate(grader=STRING)
