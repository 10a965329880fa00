"""The desk of a driver that was ousted: it moves no alias over its successor's, or says so."""

from dataclasses import dataclass, field

import pytest
from mlflow import MlflowClient

from orchestrator.errors import LeaseLostError
from orchestrator.ledger import Ledger
from orchestrator.mlflow.models.deployer import Deployed, ModelState
from orchestrator.mlflow.models.opening import open_deployer
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.outbox import Outbox
from tests.support.ledger_records import flow_run, promotion, result


@dataclass
class Registry:
    """MLflow as far as a desk without trials asks it; `meanwhile` is done while it deploys."""

    meanwhile: object = None
    aliases: dict = field(default_factory=dict)

    @property
    def session(self):
        return MlflowSession("", lambda: (self, self))

    def tag(self, tags):
        return frozenset()

    def claim(self):
        pass

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
        old.promotions.ready([promotion()])
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
            Outbox(old, registry.session).deploy()
    assert registry.aliases == {}


def test_who_loses_it_while_mlflow_moves_aliases_says_what_puts_them_right(ledgers):
    old, new = ledgers
    registry = Registry(meanwhile=lambda: oust(new))
    with old.holding("train"), pytest.raises(LeaseLostError, match=r"1 aliases.*doctor --fix"):
        Outbox(old, registry.session).deploy()


class PausedBeforeItDeploys:
    """A deployer that does something else first, when it has claimed the aliases already."""

    def __init__(self, deployer, meanwhile):
        self.deployer, self.meanwhile, self.claim = deployer, meanwhile, deployer.claim

    def deploy(self, challengers):
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return self.deployer.deploy(challengers)


def registered_models(deployer):
    """MLflow's registered models, without its runs."""
    return MlflowSession("", lambda: (Registry(), deployer))


def test_who_was_ousted_before_mlflow_moved_aliases_leaves_its_successors(ledgers, mlflow_url):
    old, new = ledgers
    mlflow = MlflowClient(mlflow_url, mlflow_url)
    mlflow.create_experiment("flights")
    later = promotion(best=result(number=7, of="run-2"), of="run-2")

    def another_drives():
        with new.holding("train", force=True):
            new.recorder().begin(flow_run("run-2"))
            new.promotions.intend([later])
            new.promotions.ready([later])
            Outbox(new, registered_models(open_deployer(mlflow_url, "flights"))).deploy()

    paused = PausedBeforeItDeploys(open_deployer(mlflow_url, "flights"), another_drives)
    with old.holding("train"), pytest.raises(LeaseLostError):
        Outbox(old, registered_models(paused)).deploy()
    champion = mlflow.get_model_version_by_alias("flights.acme", "champion")
    assert champion.run_id == later.run_id == new.promotions.champion("acme").run_id


def test_whose_claim_was_taken_by_one_without_the_lease_claims_again(ledgers, mlflow_url):
    old, _ = ledgers
    mlflow = MlflowClient(mlflow_url, mlflow_url)
    mlflow.create_experiment("flights")
    paused = PausedBeforeItDeploys(
        open_deployer(mlflow_url, "flights"), open_deployer(mlflow_url, "flights").claim
    )
    with old.holding("train"):
        (done,) = Outbox(old, registered_models(paused)).deploy()
    champion = mlflow.get_model_version_by_alias("flights.acme", "champion")
    assert champion.run_id == done.run_id
