"""The training flow: map, reduce, map, reduce.

    choose [customers]      a coordinator a customer, on the driver
      read_version          on a worker, where only loading the data tells its version
      evaluate [studies]    on workers: every candidate of a model, on the same folds; or as
                            many tasks as it has trials (`searching`)
    publish                 the reduce: writes down who is promoted; lists the models to be fitted
    refit [promotions]      on workers: fits the winner on all rows and writes its files
    deploy                  the reduce: versions and aliases

Beside it a courier sends MLflow the trials as they are recorded. Where MLflow fails, `publish` or
`deploy` does; by then all it lacks is in the ledger.

Touches no library itself; takes `Work` and a `Desk`; gives the promotions made.
"""

from collections.abc import Collection, Sequence

from orchestrator.experiment.choosing import Choice, Choosing
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.generations import Carried
from orchestrator.experiment.orders import Refit, Refitted
from orchestrator.experiment.searching import STUDIES
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.work import Work
from orchestrator.mapping import Flow, Outcomes, flow, task
from orchestrator.records import InstanceRecord, Promotion, State, TrialResult
from orchestrator.training.fingerprint import Fingerprints


@task(cache=False)
def refit(what: Refit) -> Refitted:
    """Fit a winner on all rows and write its files, on a worker."""
    # scikit-learn and MLflow are imported on the workers only
    from orchestrator.experiment.refitting import refit_and_write

    return refit_and_write(what)


def training_flow(
    experiment: Experiment,
    work: Sequence[Work],
    desk: Desk,
    *,
    flow_run: str,
    fingerprints: Fingerprints,
    to_spread: Collection[str] = (),
    carried: Carried | None = None,
) -> Flow:
    """The flow of one flow run; it closes over what was fetched when the run started.

    Args:
        experiment: How candidates are compared.
        work: One entry a customer.
        desk: Where the driver writes.
        flow_run: Its id.
        fingerprints: What gives studies the hashes their results are known by.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: What is known of studies from an earlier generation.
    """
    choosing = Choosing(
        experiment,
        flow_run=flow_run,
        fingerprints=fingerprints,
        to_spread=to_spread,
        carried=carried,
    )

    @task
    async def choose(work: Work) -> Choice:
        """Evaluate a customer's studies and decide what to serve."""
        return await choosing.choice_for(work)

    # What the desk has to do follows from the ledger, which may have changed since.
    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def publish(choices: Outcomes) -> list[Refit]:
        """Write down who is promoted, and say which models are to be fitted, and where to."""
        desk.keep_fronts([choice.front for choice in choices])
        return desk.orders(desk.intend([choice.decision for choice in choices]))

    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def deploy(refitted: Outcomes) -> list[Promotion]:
        """Make the fitted models their customers' champions."""
        return desk.deploy(list(refitted))

    @flow(name=experiment.name)
    def train() -> object:
        choices = choose.expand(work=work)
        return choices, deploy(refit.expand(what=publish(choices)))

    return train


def refitting_flow(orders: Sequence[Refit]) -> Flow:
    """The flow of a sync: the models that an earlier flow run left unwritten."""

    @flow
    def refitting() -> object:
        return refit.expand(what=orders)

    return refitting


def trials_of(instance: InstanceRecord) -> Sequence[TrialResult]:
    """The trials in what an instance of the training flow returned, for the ledger."""
    if isinstance(instance.value, Choice):
        return instance.value.unfinished
    if instance.state is State.SUCCESS and instance.node.startswith(STUDIES):
        results: Sequence[TrialResult] = instance.value
        return results
    return ()
