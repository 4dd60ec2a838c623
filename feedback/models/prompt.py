"""Prompts and the responses to them: the texts, kept apart from the narrow tables that people work on."""

from django.db import models

from feedback.models.project import Project


class Prompt(models.Model):
    """A conversation up to the turn to be answered: ``messages`` is a list of ``{role, content}``.

    ``sha256`` covers messages and reference, so a project holds each prompt once. The prompt is the cluster of
    every interval and the unit of every split.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    sha256 = models.CharField(max_length=64)
    messages = models.JSONField()
    reference = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project", "sha256"), name="prompt_once_per_project"),)

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80] if self.messages else "(empty prompt)"


class Response(models.Model):
    """One candidate answer to a prompt. ``source`` is a model's name or a person; annotators never see it."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="responses")
    source = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("prompt", "source", "sha256"), name="response_once_per_source"),
        )

    def __str__(self) -> str:
        return self.text[:80]
