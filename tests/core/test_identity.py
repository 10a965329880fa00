"""Names that follow from ids: safe wherever they are used, and never shared."""

import string

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.validation import _validate_model_name

from orchestrator.identity import slug
from orchestrator.mlflow.models.model_names import model_name
from orchestrator.mlflow.models.opening import open_deployer
from orchestrator.testing.sources import HOSTILE_IDS
from tests.contracts.deployers import challenger

SAFE = frozenset(string.ascii_letters + string.digits + "-_")

ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=250)


@given(ids, ids)
@example("a", "a-0cc175b9c0f1b6a8")
@example("é", "e")
@example(" a", "a ")
@example("x" * 249 + "a", "x" * 249 + "b")
def test_different_ids_have_different_slugs(some, other):
    assert (slug(some) == slug(other)) == (some == other)


@given(ids)
def test_a_slug_is_a_safe_name_that_mlflow_accepts(id_):
    name = slug(id_)
    assert name
    assert set(name) <= SAFE
    assert len(name) <= 100
    _validate_model_name(f"experiment.{name}")


@given(ids)
def test_a_slug_is_never_the_slug_of_a_slug(id_):
    """So that an id which looks like another's slug does not take its name."""
    name = slug(id_)
    assert name == id_ or slug(name) != name


@pytest.mark.parametrize("id_", ["AA-DFW", "customer_17", "x" * 80])
def test_a_plain_id_is_its_own_slug(id_):
    assert slug(id_) == id_


def test_hostile_ids_have_slugs_of_their_own():
    assert len({slug(id_) for id_ in HOSTILE_IDS}) == len(HOSTILE_IDS)


def test_many_ids_that_differ_only_past_the_cut_have_slugs_of_their_own():
    many = 50_000
    assert len({slug(f"{'x' * 100}{n}") for n in range(many)}) == many


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", fullmatch=True)


@given(st.tuples(names, ids), st.tuples(names, ids))
@example(("churn", "eu-x"), ("churn-eu", "x"))
@example(("churn", "a/b"), ("churn", "a_b"))
def test_each_customer_of_each_experiment_has_a_registered_model_that_mlflow_accepts(one, other):
    first, second = model_name(*one), model_name(*other)
    assert (first == second) == (one == other)
    _validate_model_name(first)


@given(st.sets(ids, min_size=200, max_size=200))
@settings(
    max_examples=1,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_customers_are_called_their_models_are_found_by_their_tag(mlflow_url, drawn):
    """MLflow's filters cannot hold both quotation marks, nor a backslash before the closing one."""
    customers = [*{*drawn, *HOSTILE_IDS}]
    open_deployer(mlflow_url, "flights").deploy(
        [challenger(customer, number) for number, customer in enumerate(customers)]
    )
    assert open_deployer(mlflow_url, "flights").champions().keys() == set(customers)
    mlflow = MlflowClient(mlflow_url, mlflow_url)
    for customer in customers:
        quote = "'" if "'" not in customer else '"'
        if quote not in customer and not customer.endswith("\\"):
            found = mlflow.search_registered_models(f"tags.customer = {quote}{customer}{quote}")
            assert [model.name for model in found] == [model_name("flights", customer)]
