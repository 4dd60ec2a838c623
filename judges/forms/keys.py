"""Keys to providers and limits on spending, as a project's owner fills them in."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

PROVIDERS = (("anthropic", "Anthropic"), ("openai", _("OpenAI, or a server that speaks its language")))


class KeyForm(forms.Form):
    """A key goes in and never comes out again: the field stays empty, also where the form is shown once more."""

    provider = forms.ChoiceField(choices=PROVIDERS, label=_("Provider"))
    base_url = forms.CharField(
        required=False,
        max_length=500,
        label=_("Server"),
        help_text=_("Its address, such as http://localhost:8000/v1. Empty: the provider's own."),
    )
    secret = forms.CharField(
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}),
        label=_("Key"),
        help_text=_("Stored encrypted, sent to this server only, and never shown again."),
    )
    requests_per_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000_000,
        label=_("Requests a minute"),
        help_text=_("What the account may ask, if the server does not say so itself."),
    )
    tokens_per_minute = forms.IntegerField(
        required=False, min_value=1, max_value=2_000_000_000, label=_("Tokens a minute")
    )


class BudgetForm(forms.Form):
    """Dollars that all calls together may cost; empty lifts the limit."""

    limit = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=6,
        label=_("Limit in dollars"),
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": _("no limit")}),
    )
