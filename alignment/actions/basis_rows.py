"""What a labelling learnt, as the JSON of its row and back again: raters by name, so that it fits what comes later."""

from collections.abc import Sequence
from typing import Any

from alignment.models import Labelling
from alignment.policy.basis import (
    Basis,
    Learnt,
    basis_document,
    calibrator_from,
    families_from,
    model_from,
    thresholds_from,
    weighing_from,
)
from alignment.policy.certificates import Certificate
from alignment.policy.combining import voice_of
from alignment.policy.document import PolicyDocument
from alignment.policy.guarantee import Calibration, Guarantee
from alignment.policy.people import Standing
from alignment.queries import Judgments
from alignment.statistics.calibration import reliability
from alignment.statistics.results import Statistic

Json = dict[str, Any]


def certificates_json(basis: Basis, judgments: Judgments) -> list[Json]:
    return [
        {
            "judge": judgments.names[certificate.judge],
            "kind": judgments.raters[certificate.judge].kind,
            "slice": certificate.slice,
            "trusted": certificate.trusted,
            "reason": certificate.reason,
            "sentence": certificate.sentence,
            "winning_rate": certificate.winning_rate,
            "advantage_probability": certificate.advantage_probability.as_json(),
            "agreement": certificate.agreement.as_json(),
            "needed": certificate.needed,
            "outlook": certificate.outlook,
            "weight": _weight(basis, certificate),
        }
        for certificate in basis.certificates
    ]


def _weight(basis: Basis, certificate: Certificate) -> float | None:
    """What its word is worth where judges speak alone, in log odds; None where it is not heard or votes are counted."""
    if basis.weighing is None or not certificate.heard:
        return None
    return round(float(basis.weighing.weight[voice_of(certificate.judge, certificate.trusted)]), 6)


def basis_json(learnt: Learnt, judgments: Judgments) -> Json:
    """Everything else: who counts, what ``basis_document`` needs, and what is shown by the calibration set."""
    return {
        **basis_document(learnt.basis, judgments.names),
        "people": [
            {
                "name": judgments.names[one.person],
                "counts": one.counts,
                "reason": one.reason,
                "sentence": one.sentence,
                "items": one.items,
            }
            for one in learnt.basis.standings
        ],
        "calibration": _calibration_json(learnt.calibration, judgments),
        "guarantees": [guarantee_json(one) for one in learnt.guarantees.values()],
    }


def guarantee_json(one: Guarantee) -> Json:
    chosen = one.selection.chosen
    return {
        "slice": one.slice,
        "own": one.own,
        "max_error": one.selection.max_error,
        "confidence": one.selection.confidence,
        "n": one.selection.n,
        "excluded": one.selection.excluded,
        "threshold": one.threshold,
        "needed": one.needed,
        "reason": one.selection.reason,
        "error": chosen.error if chosen else None,
        "bound": chosen.bound if chosen else None,
        "steps": [[step.threshold, step.n, step.wrong, step.bound] for step in one.selection.steps],
    }


def _calibration_json(calibration: Calibration, judgments: Judgments) -> Json:
    curve = reliability(
        calibration.confidence, 1 - calibration.wrong, judgments.prompts[calibration.comparison]
    )
    return {
        "n": calibration.n,
        "drawn": calibration.drawn,
        "ece": curve.ece.as_json(),
        "brier": curve.brier.as_json(),
        "bins": [
            {"low": one.low, "high": one.high, "confidence": one.confidence, "right": one.right.as_json()}
            for one in curve.bins
        ],
    }


def stored_basis(labelling: Labelling, judgments: Judgments) -> Basis:
    """What the labelling learnt, for the raters of ``judgments``. A judge that it does not know is trusted nowhere; a
    person that it does not know counts where the policy asks nothing of people."""
    place = {name: number for number, name in enumerate(judgments.names)}
    found = labelling.basis
    known = {one["name"]: one for one in found["people"]}
    document = PolicyDocument.from_dict(labelling.policy.document)
    asks = document.people_min_items > 0 or document.asks_for_measures
    return Basis(
        standings=_standings(judgments, known, counts_unknown=not asks),
        certificates=tuple(_certificates(labelling.certificates, place)),
        model=model_from(found, judgments.names),
        weighing=weighing_from(found, judgments.names),
        calibrator=calibrator_from(found),
        thresholds=thresholds_from(found),
        families=families_from(found, judgments.names),
    )


def _standings(judgments: Judgments, known: dict[str, Json], *, counts_unknown: bool) -> tuple[Standing, ...]:
    standings = []
    for number, name in enumerate(judgments.names):
        if judgments.people[number]:
            one = known.get(name)
            counts = one["counts"] if one else counts_unknown
            standings.append(Standing(number, counts, "", "", 0))
    return tuple(standings)


def _certificates(stored: Sequence[Json], place: dict[str, int]) -> list[Certificate]:
    nothing = Statistic.undefined("as certified before", 0)
    return [
        Certificate(
            place[one["judge"]], one["slice"], one["trusted"], one["reason"], "", None, nothing, nothing
        )
        for one in stored
        if one["judge"] in place
    ]
