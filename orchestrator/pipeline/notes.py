"""Notes for the user: remarks on a flow run that do not stop it, a sentence each.

Touches no library; takes a ledger and what is about to run; gives notes for people; driver.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.ledger import Champion, Ledger
from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.pipeline.preparation import Preparation
from orchestrator.records import ModelSpec, Promotion, PromotionState
from orchestrator.training.fingerprint import environment


def scored_elsewhere(ledger: Ledger, prepared: Preparation) -> tuple[str, ...]:
    """A note for each library version, not installed now, that reused results were scored with."""
    if prepared.studies == len(prepared.new):
        return ()
    now = {model.id: environment(model) for model in prepared.snapshot.models}
    elsewhere: Counter[tuple[str, str]] = Counter()
    for (model, then), number in ledger.studies.environments().items():
        if then and model in now and then != now[model]:
            elsewhere[then, now[model]] += number
    return tuple(
        f"the last results of {number} studies were scored with {then}, this is {here}; they are "
        "used again (`retrain_on: environment` in the configuration trains them again)"
        for (then, here), number in sorted(elsewhere.items())
    )


def notes(
    ledger: Ledger, prepared: Preparation, champions: Mapping[str, Champion]
) -> tuple[str, ...]:
    """Every note on a flow run that is planned or has ended.

    Args:
        ledger: The ledger with the recorded studies.
        prepared: The work of the flow run.
        champions: The current champions, by customer.
    """
    return (
        *_still_serving(champions, prepared.work, prepared.snapshot.models),
        *_without_models(prepared.work),
        *_without_version(prepared.work),
        *_outdated(prepared.outdated),
        *_recoded(prepared.recoded),
        *_lost(prepared.lost),
        *scored_elsewhere(ledger, prepared),
    )


def _still_serving(
    champions: Mapping[str, Champion], work: Sequence[CustomerPlan], models: Sequence[ModelSpec]
) -> list[str]:
    """A note for each model that left the registry and still serves customers."""
    listed = {model.id for model in models}
    serving = Counter(
        champions[piece.id].result.trial.study.model.id for piece in work if piece.id in champions
    )
    return [
        f"model {model!r} left the registry and still serves {_customers(number)}, until one of "
        "their candidates beats it"
        for model, number in sorted(serving.items())
        if model not in listed
    ]


def _without_models(work: Sequence[CustomerPlan]) -> Iterator[str]:
    left_out = [piece.id for piece in work if not piece.studies and not piece.problem]
    if left_out:
        yield (
            f"no listed model is meant for {_customers(len(left_out))}, such as {left_out[0]!r}: "
            "nothing is trained, and what serves goes on serving"
        )


def _without_version(work: Sequence[CustomerPlan]) -> Iterator[str]:
    failing = [piece for piece in work if piece.problem]
    if failing:
        yield (
            f"the version of the data of {_customers(len(failing))} cannot be had: nothing is "
            "trained for them, and what serves goes on serving; "
            f"of {failing[0].id!r}, {failing[0].problem}"
        )


def _outdated(customers: Sequence[str]) -> Iterator[str]:
    if customers:
        yield (
            f"the data of {_customers(len(customers))}, such as {customers[0]!r}, changed after "
            "studies of this flow run had ended: these used the earlier data, and the next run "
            "trains them again"
        )


def _recoded(studies: Sequence[str]) -> Iterator[str]:
    if studies:
        yield (
            "the code of the loader, of a scorer, of an estimator or of this program changed after "
            f"{len(studies):,} studies of this flow run had ended, such as {studies[0]!r}: they "
            "keep their results, the others ran with the new code, and the next run trains both "
            "alike"
        )


def _lost(lost: Sequence[Promotion]) -> Iterator[str]:
    if lost:
        customer, source = lost[0].decision.customer.id, lost[0].written_model.source
        yield (
            f"the files of {len(lost)} champions, such as {customer!r}'s in {source}, were gone or "
            "cut: these champions are fitted again and their files written again"
        )


def made_way(ledger: Ledger, flow_run: str) -> Iterator[str]:
    """A sentence for each customer of a flow run whose best candidate could not be deployed."""
    for promotion in ledger.promotions.of_flow_run(flow_run):
        best, passed = promotion.decision.best, promotion.passed_over
        if passed and best is not None:
            served = "nothing else that passes the gate could be"
            if promotion.state is not PromotionState.FAILED:
                served = f"{best.trial.key} took its place"
            yield f"{passed[0].trial} could not be deployed, {served}: {passed[0].reason}"


def _customers(number: int) -> str:
    return "1 customer" if number == 1 else f"{number:,} customers"
