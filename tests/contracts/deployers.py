"""What every `Deployer` does, seen through MLflow's own client; a test class for one inherits
`DeployerContract`."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.errors import ClaimLostError, UsageError
from orchestrator.mlflow.models.deployer import Challenger, Deployed, ModelState
from orchestrator.testing.sources import HOSTILE_IDS

EXPERIMENT = "flights"


def challenger(customer="AA-DFW", number=1, **fields) -> Challenger:
    return Challenger(
        **{
            "customer": customer,
            "run_id": f"{number:032x}",
            "source": f"s3://models/{number}",
            "tags": {"model": "tree", "format": "skops"},
        }
        | fields
    )


class DeployerContract:
    """Inherit it and give fixtures `url`, a tracking address, `deployer` and `successor`, opened on
    it for EXPERIMENT, and `other`, opened on it for the experiment `flights-AA`."""

    @pytest.fixture
    def mlflow(self, url) -> MlflowClient:
        return MlflowClient(url, url)

    @pytest.fixture
    def experiment(self, mlflow) -> str:
        """MLflow's experiment, which whoever claims must find; its id."""
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        return found.experiment_id if found else mlflow.create_experiment(EXPERIMENT)

    def test_a_challenger_becomes_champion_of_its_customer(self, deployer, mlflow):
        (deployed,) = deployer.deploy([challenger()])
        assert deployed == Deployed(
            customer="AA-DFW",
            model_name="flights.AA-DFW",
            version="1",
            previous_version=None,
            state=ModelState.LIVE,
        )
        version = mlflow.get_model_version_by_alias("flights.AA-DFW", "champion")
        assert (version.run_id, version.source) == (challenger().run_id, "s3://models/1")
        assert version.tags == {"model": "tree", "format": "skops"}
        assert (version.status, version.current_stage) == ("READY", "None")
        assert mlflow.get_model_version_download_uri("flights.AA-DFW", "1") == "s3://models/1"

    def test_the_registered_model_says_whose_it_is(self, deployer, mlflow):
        deployer.deploy([challenger("Zoë & Söhne/Köln")])
        (model,) = mlflow.search_registered_models("tags.customer = 'Zoë & Söhne/Köln'")
        assert model.tags["experiment"] == EXPERIMENT
        assert model.tags["state"] == "live"
        assert model.name.startswith("flights.Zo")
        assert not set(model.name) & set("/:@%'\" &")

    def test_the_former_champion_becomes_previous(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        (second,) = deployer.deploy([challenger(number=2)])
        (third,) = deployer.deploy([challenger(number=3)])
        assert (second.version, second.previous_version) == ("2", "1")
        assert (third.version, third.previous_version) == ("3", "2")
        assert alias(mlflow, "previous") == challenger(number=2).run_id

    def test_deploying_again_changes_nothing(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        first = deployer.deploy([challenger(number=2)])
        assert deployer.deploy([challenger(number=2)]) == first
        assert len(mlflow.search_model_versions("name = 'flights.AA-DFW'")) == 2
        assert alias(mlflow, "previous") == challenger(number=1).run_id

    def test_rolling_back_moves_the_alias_to_the_version_that_is_there(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        deployer.deploy([challenger(number=2)])
        (back,) = deployer.deploy([challenger(number=1)])
        assert (back.version, back.previous_version) == ("1", "2")
        assert alias(mlflow, "champion") == challenger(number=1).run_id
        assert len(mlflow.search_model_versions("name = 'flights.AA-DFW'")) == 2

    def test_many_are_deployed_in_the_order_given(self, deployer):
        deployer.deploy([challenger("c7", number=99)])
        deployed = deployer.deploy([challenger(f"c{i}", number=i) for i in range(12)])
        assert [each.customer for each in deployed] == [f"c{i}" for i in range(12)]
        assert [each.version for each in deployed] == ["2" if i == 7 else "1" for i in range(12)]
        assert deployer.champions() == {each.customer: each for each in deployed}

    def test_a_crash_between_version_and_alias_is_made_good(self, deployer, mlflow):
        """As the client leaves it when it dies in the middle."""
        deployer.deploy([challenger(number=1)])
        mlflow.create_model_version("flights.AA-DFW", "s3://models/2", challenger(number=2).run_id)
        mlflow.set_registered_model_alias("flights.AA-DFW", "previous", "1")
        (deployed,) = deployer.deploy([challenger(number=2)])
        assert (deployed.version, deployed.previous_version) == ("2", "1")
        assert len(mlflow.search_model_versions("name = 'flights.AA-DFW'")) == 2

    def test_a_version_deleted_by_a_person_is_made_anew(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        mlflow.delete_model_version("flights.AA-DFW", "1")
        (deployed,) = deployer.deploy([challenger(number=1)])
        assert deployed.version == "2"
        assert alias(mlflow, "champion") == challenger(number=1).run_id

    def test_what_people_wrote_on_a_model_stays(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        mlflow.update_registered_model("flights.AA-DFW", "Dallas")
        mlflow.set_registered_model_tag("flights.AA-DFW", "owner", "ada")
        mlflow.set_registered_model_alias("flights.AA-DFW", "shadow", "1")
        deployer.deploy([challenger(number=2)])
        model = mlflow.get_registered_model("flights.AA-DFW")
        assert model.description == "Dallas"
        assert model.tags["owner"] == "ada"
        assert model.aliases["shadow"] in (1, "1")
        assert model.last_updated_timestamp >= model.creation_timestamp

    def test_a_removed_customers_model_is_retired_and_kept(self, deployer, mlflow):
        deployer.deploy([challenger("gone"), challenger("kept", number=2)])
        assert deployer.retire(["gone", "never had one"]) == {"never had one"}
        assert deployer.champions()["gone"].state is ModelState.RETIRED
        assert deployer.champions()["kept"].state is ModelState.LIVE
        assert mlflow.get_model_version_by_alias("flights.gone", "champion").version in (1, "1")
        (found,) = mlflow.search_registered_models("tags.state != 'live'")
        assert found.name == "flights.gone"

    def test_a_customer_that_comes_back_is_live_again(self, deployer):
        deployer.deploy([challenger("a"), challenger("b", number=2)])
        deployer.retire(["a", "b"])
        assert deployer.restore(["a"]) == frozenset()
        deployer.deploy([challenger("b", number=3)])
        states = {customer: each.state for customer, each in deployer.champions().items()}
        assert states == {"a": ModelState.LIVE, "b": ModelState.LIVE}

    def test_customers_of_two_experiments_never_share_a_name(self, deployer, other):
        """Nor do `AA-DFW` of `flights`, and `DFW` of `flights-AA`."""
        other.deploy([challenger("DFW")])
        deployer.deploy([challenger("AA-DFW", number=2)])
        assert set(deployer.champions()) == {"AA-DFW"}
        assert set(other.champions()) == {"DFW"}

    def test_a_name_that_is_anothers_is_refused(self, deployer, mlflow):
        """As where people have renamed models, or written tags of their own."""
        mlflow.create_registered_model(
            "flights.AA-DFW", {"customer": "DFW", "experiment": "flights-AA"}
        )
        with pytest.raises(UsageError, match=r"'AA-DFW'.*'flights.AA-DFW'.*'DFW'"):
            deployer.deploy([challenger("AA-DFW", number=2)])
        assert set(deployer.champions()) == set()

    def test_a_model_registered_by_hand_is_left_alone(self, deployer, mlflow):
        mlflow.create_registered_model("flights.AA-DFW")
        with pytest.raises(UsageError, match="rename that model"):
            deployer.deploy([challenger()])

    def test_tags_that_people_deleted_stop_nothing(self, deployer, mlflow):
        deployer.deploy([challenger(name, number=n) for n, name in enumerate("abc")])
        deployer.retire(["b"])
        mlflow.delete_registered_model_tag("flights.a", "customer")
        mlflow.delete_registered_model_tag("flights.b", "state")
        mlflow.set_registered_model_tag("flights.c", "state", "unheard of")
        states = {customer: each.state for customer, each in deployer.champions().items()}
        assert states == {"b": ModelState.LIVE, "c": ModelState.LIVE}
        assert deployer.retire(["a", "b", "c"]) == {"a"}
        assert deployer.champions()["b"].state is ModelState.RETIRED

    def test_two_challengers_of_one_customer_are_refused(self, deployer):
        with pytest.raises(UsageError, match="'AA-DFW' has 2 challengers"):
            deployer.deploy([challenger(number=1), challenger(number=2)])

    def test_nothing_to_do_is_done(self, deployer):
        assert list(deployer.deploy([])) == []
        assert deployer.retire([]) == frozenset()
        assert deployer.champions() == {}

    def test_mlflow_goes_on_with_what_was_registered(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        made = mlflow.create_model_version("flights.AA-DFW", "s3://models/by-hand")
        assert str(made.version) == "2"
        mlflow.rename_registered_model("flights.AA-DFW", "renamed")
        assert mlflow.get_model_version_by_alias("renamed", "champion").version in (1, "1")
        mlflow.delete_registered_model("renamed")
        with pytest.raises(MlflowException):
            mlflow.get_model_version_by_alias("renamed", "champion")

    def test_a_forgotten_customer_has_no_model_and_others_keep_theirs(self, deployer, mlflow):
        deployer.deploy([challenger()])
        deployer.deploy([challenger("AA-SFO", number=3)])
        assert deployer.forget("AA-DFW")
        assert not deployer.forget("AA-DFW")
        assert list(deployer.champions()) == ["AA-SFO"]
        with pytest.raises(MlflowException):
            mlflow.get_registered_model("flights.AA-DFW")

    def test_versions_are_told_with_their_runs_and_deleted_ones_are_not(self, deployer, mlflow):
        deployer.deploy([challenger(number=1)])
        deployer.deploy([challenger(number=2), challenger("AA-SFO", number=3)])
        mlflow.delete_model_version("flights.AA-DFW", "1")
        assert deployer.versions() == {
            ("flights.AA-DFW", "2"): challenger(number=2).run_id,
            ("flights.AA-SFO", "1"): challenger(number=3).run_id,
        }

    def test_who_was_ousted_does_not_move_back_what_its_successor_deploys(
        self, experiment, deployer, successor, mlflow
    ):
        deployer.claim()
        deployer.deploy([challenger(number=1), challenger("AA-SFO", number=2)])
        successor.claim()
        successor.deploy([challenger(number=3)])
        with pytest.raises(ClaimLostError, match="'flights'"):
            deployer.deploy([challenger(number=4), challenger("AA-SFO", number=5)])
        assert alias(mlflow, "champion") == challenger(number=3).run_id
        assert alias(mlflow, "previous") == challenger(number=1).run_id
        assert deployer.champions()["AA-SFO"].version == "1"
        deployer.claim()
        (deployed,) = deployer.deploy([challenger(number=4)])
        assert alias(mlflow, "champion") == challenger(number=4).run_id
        assert alias(mlflow, "previous") == challenger(number=3).run_id
        assert deployed == deployer.champions()["AA-DFW"]

    def test_strange_ids_come_back_as_they_were(self, deployer):
        deployer.deploy([challenger(id_, n) for n, id_ in enumerate(HOSTILE_IDS, start=1)])
        assert set(deployer.champions()) == set(HOSTILE_IDS)


def alias(mlflow: MlflowClient, name: str) -> str:
    """The run of the version an alias points to."""
    return mlflow.get_model_version_by_alias("flights.AA-DFW", name).run_id
