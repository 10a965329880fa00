"""Guards refuse by name what looks like an accident, until a person accepts it."""

import pytest

from orchestrator.errors import RegistryError, UsageError
from orchestrator.ledger.changes import Changes, Difference, FieldChange
from orchestrator.registry.guards import Limits, enforce, refusals


def customers_are(**fates):
    fates = {fate: tuple(keys) for fate, keys in fates.items()}
    return Changes(customers=Difference(**fates), models=Difference())


def many(number, prefix="c"):
    return [f"{prefix}{n}" for n in range(number)]


def guards_that_refuse(changes, trials=0, limits=Limits()):  # noqa: B008 - it is frozen
    return [refusal.guard for refusal in refusals(changes, trials, limits)]


@pytest.mark.parametrize(("gone", "refused"), [(10, []), (11, ["max_removed"])])
def test_more_than_a_share_of_the_customers_may_not_vanish_at_once(gone, refused):
    changes = customers_are(removed=many(gone, "gone"), unchanged=many(100 - gone))
    assert guards_that_refuse(changes) == refused


def test_whoever_was_listed_counts_as_one_of_those_who_might_have_vanished():
    field = FieldChange(key="changed", field="data", old=1, new=2)
    again = FieldChange(key="restored", field="data", old=1, new=2)
    changes = customers_are(
        removed=["gone"],
        changed=[field, field, again],
        paused=["paused"],
        resumed=["resumed"],
        kept=["kept"],
        unchanged=many(5),
        added=many(90, "new"),
        restored=["restored"],
    )
    assert guards_that_refuse(changes, limits=Limits(max_removed=0.1)) == []
    assert guards_that_refuse(changes, limits=Limits(max_removed=0.099)) == ["max_removed"]


def test_the_first_list_of_all_is_not_refused():
    assert guards_that_refuse(customers_are(added=["AA", *many(50)])) == []


@pytest.mark.parametrize(("trials", "refused"), [(8, []), (9, ["max_trials"])])
def test_a_run_may_not_make_too_many_trials(trials, refused):
    assert guards_that_refuse(customers_are(), trials, Limits(max_trials=8)) == refused


@pytest.mark.parametrize("new", ["aa-dfw", "AA-DFW ", " AA -\tDFW", "\uff21\uff21-DFW"])
@pytest.mark.parametrize("fate", ["removed", "unchanged"])
def test_an_id_that_only_looks_new_is_refused(new, fate):
    changes = customers_are(**{fate: ["AA-DFW"]}, added=[new])
    assert "similar_ids" in guards_that_refuse(changes, limits=Limits(max_removed=1))


def test_ids_new_in_one_list_are_compared_with_each_other():
    (refusal,) = refusals(customers_are(added=["acme", "ACME", " acme"]), 0, Limits())
    assert refusal.guard == "similar_ids"
    assert "'ACME' and 'acme', ' acme' and 'acme'" in refusal.reason


def test_all_refusals_are_told_at_once_with_how_to_accept_them():
    changes = customers_are(removed=["AA", *many(9)], added=["aa"])
    with pytest.raises(RegistryError) as error:
        enforce(refusals(changes, 5_000, Limits(max_trials=10)))
    for told in ("10 of 10", "AA, c0, c1, c2, c3, and 5 more", "5,000 trials", "'aa' and 'AA'"):
        assert told in str(error.value)
    for guard in ("max_removed", "max_trials", "similar_ids"):
        assert f"--accept {guard}" in str(error.value)


def test_what_is_accepted_passes_and_the_rest_is_still_refused():
    found = refusals(customers_are(removed=["AA"]), 5_000, Limits(max_trials=10))
    with pytest.raises(RegistryError, match="max_trials") as error:
        enforce(found, accept=["max_removed"])
    assert "vanished" not in str(error.value)
    enforce(found, accept=["max_removed", "max_trials"])


def test_only_guards_can_be_accepted():
    with pytest.raises(UsageError, match=r"unknown guard 'everything'.*max_removed"):
        enforce([], accept=["everything"])
