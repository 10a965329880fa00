"""The consistency of the ledger: counts, chains of champions, customers without a champion.

Touches no library; reads a `Ledger`; gives `Finding`; runs on the driver.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from orchestrator.ledger import Ledger
from orchestrator.maintenance.findings import Finding
from orchestrator.records import FlowRun, Promotion

_FLOW_RUNS = 100
"""The number of latest flow runs that are checked."""


def check_ledger(ledger: Ledger) -> Iterator[Finding]:
    """Find contradictions in the ledger."""
    for flow_run in ledger.flow_runs.list(_FLOW_RUNS):
        yield from _counts(ledger, flow_run)
        yield from _unfinished(ledger, flow_run)
    for customer, chain in ledger.promotions.confirmed().items():
        yield from _chain(customer, chain)
    yield from _without_champion(ledger)


def _counts(ledger: Ledger, flow_run: FlowRun) -> Iterator[Finding]:
    """Find a flow run with more instances in a state than it counted at its end.

    Fewer are fine, since `clean` may have removed some.
    """
    if flow_run.ended is None:
        return
    found: Counter[str] = Counter()
    for by_state in ledger.flow_runs.counts(flow_run.id).values():
        found.update({str(state): number for state, number in by_state.items()})
    if found - Counter(flow_run.counts):
        yield Finding(
            check="ledger",
            problem=f"flow run {flow_run.id} counted {_in_words(flow_run.counts)}, but its "
            f"instances are {_in_words(found)}",
            cure="restore a backup of the ledger, if this flow run matters",
        )


def _unfinished(ledger: Ledger, flow_run: FlowRun) -> Iterator[Finding]:
    """Find a flow run that never ended and has no driver any more."""
    lease = ledger.leases.of(flow_run.flow)
    driven = lease is not None and not lease.seems_over(time.time())
    if flow_run.ended is None and not driven:
        yield Finding(
            check="ledger",
            problem=f"flow run {flow_run.id} of {flow_run.flow} never ended: its driver died",
            cure=f"orchestrator resume {flow_run.id}",
            level="warning",
        )


def _chain(customer: str, chain: Sequence[Promotion]) -> Iterator[Finding]:
    """Check that each promotion names the champion before it."""
    for before, after in pairwise(each.deployed_version for each in chain):
        if before.version not in {after.version, after.previous_version}:
            yield Finding(
                check="ledger",
                problem=f"customer {customer!r}: version {after.version} replaced version "
                f"{after.previous_version or 'nothing'}, but version {before.version} was promoted "
                "before: somebody moved the alias in between",
                cure="nothing to do; use `orchestrator`, not MLflow's page, to change champions",
                level="warning",
            )


def _without_champion(ledger: Ledger) -> Iterator[Finding]:
    """Find active customers with a scored trial and no champion."""
    served = ledger.promotions.incumbents()
    active = {
        period.key
        for period in ledger.lives.live_at(time.time())
        if period.kind == "customer" and period.state == "active"
    }
    for customer in sorted((active & ledger.trials.scored_customers()) - served.keys()):
        yield Finding(
            check="ledger",
            problem=f"customer {customer!r} has scored trials and no champion",
            cure="run it again; `orchestrator why` tells whether a constraint is in the way",
            level="warning",
        )


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
