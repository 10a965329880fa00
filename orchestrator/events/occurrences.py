"""The records of the stream: one for each kind of thing that happens in an experiment's flow run.

Touches no library; data only; driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunBegan:
    """A flow run begins its work, or an interrupted one is resumed."""

    experiment: str
    flow_run: str
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunEnded:
    """A flow run has ended.

    Attributes:
        experiment: The experiment's name.
        flow_run: The flow run's id.
        state: Its end state: success, failed or interrupted.
        counts: The number of its instances by end state.
        seconds: Its duration.
    """

    experiment: str
    flow_run: str
    state: str
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A customer's champion was changed.

    Attributes:
        experiment: The experiment's name.
        flow_run: The flow run that decided it.
        customer: The customer's id.
        model_name: The registered model's name.
        version: Its version that serves from now on.
        reason: One sentence for people.
    """

    experiment: str
    flow_run: str
    customer: str
    model_name: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRefused:
    """A guard has refused the registry's answer, so that nothing is changed.

    The guard `empty` refuses while the lists are read, before there is anything to compare, and is
    not among them.
    """

    experiment: str
    guard: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowBehind:
    """MLflow lacks something that the ledger has when the flow run has ended."""

    experiment: str
    flow_run: str
    reason: str


Occurrence = FlowRunBegan | FlowRunEnded | Promoted | GuardRefused | MlflowBehind
