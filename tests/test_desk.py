"""The desk of a driver that was ousted: it moves no alias, or says that it has."""

from dataclasses import dataclass, field

import pytest

from orchestrator.deployment.deployer import Deployed, ModelState
from orchestrator.errors import LeaseLostError
from orchestrator.experiment.desk import Desk, Mlflow
from orchestrator.ledger import Ledger
from tests.ledger_records import flow_run, promotion


@dataclass
class Registry:
    """MLflow as far as a desk without trials asks it; `meanwhile` is done while it deploys."""

    meanwhile: object = None
    aliases: dict = field(default_factory=dict)

    def result(self):
        return Mlflow(tracker=self, deployer=self, tracking_uri="")

    def tag(self, tags):
        return frozenset()

    def deploy(self, challengers):
        if self.meanwhile is not None:
            self.meanwhile()
        self.aliases |= {each.customer: each.run_id for each in challengers}
        return [
            Deployed(
                customer=each.customer,
                model_name="model",
                version="1",
                previous_version=None,
                state=ModelState.LIVE,
            )
            for each in challengers
        ]


@pytest.fixture
def ledgers(tmp_path):
    """Two drivers' views of one ledger, with a promotion that is to be deployed."""
    with Ledger.open(tmp_path / "l.db") as old, Ledger.open(tmp_path / "l.db") as new:
        old.recorder().begin(flow_run())
        old.promotions.intend([promotion()])
        yield old, new


def oust(ledger):
    with ledger.holding("train", force=True):
        pass


def test_who_lost_the_lease_moves_no_alias(ledgers):
    old, new = ledgers
    registry = Registry()
    with old.holding("train"):
        oust(new)
        with pytest.raises(LeaseLostError):
            Desk(old, registry, allow_pickle=False).deploy([])
    assert registry.aliases == {}


def test_who_loses_it_while_mlflow_moves_aliases_says_what_puts_them_right(ledgers):
    old, new = ledgers
    registry = Registry(meanwhile=lambda: oust(new))
    with old.holding("train"), pytest.raises(LeaseLostError, match=r"1 aliases.*doctor --fix"):
        Desk(old, registry, allow_pickle=False).deploy([])
