"""Old trials leave by rule, after an archive; a customer is forgotten whole; nothing else goes."""

import dataclasses
import sqlite3
import zlib
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger
from orchestrator.maintenance.removal import clean, cleanable, forget
from orchestrator.mapping import flow, task
from orchestrator.pipeline.pipeline import run
from orchestrator.records import ExperimentRun, InstanceRecord
from orchestrator.reports.status import standings
from tests.support.experiments import an_experiment, champions, listing, tracked
from tests.support.ledger_records import flow_run, instance
from tests.support.rows import ROUTES, STUMP

DEEP = {**STUMP, "grid": {"max_depth": [3]}}


@pytest.fixture
def experiment(tmp_path, mlflow_url):
    """Two customers; one model, which was trained on three grids and so in three flow runs."""
    first = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=ROUTES[:2])
    run(first)
    for depth in (12, 3):
        grid = {**STUMP, "grid": {"max_depth": [depth]}}
        last = listing(first, models=[grid], customers=ROUTES[:2])
        run(last)
    return last


def in_the_ledger(experiment):
    with Ledger.open(experiment.ledger) as ledger:
        return {
            customer: len(ledger.trials.of_customer(customer)) for customer in ("AA-STT", "AA-SFO")
        }


def archived(folder: Path, name: str) -> pd.DataFrame:
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def instances_in_the_ledger(experiment) -> list[InstanceRecord]:
    with Ledger.open(experiment.ledger) as ledger:
        flow_runs = [flow_run.id for flow_run in ledger.flow_runs.list()]
        return [each for run in flow_runs for each in ledger.flow_runs.instances(run)]


def keys_in_the_ledger(experiment) -> set[tuple[str, str]]:
    return {(each.node, each.key) for each in instances_in_the_ledger(experiment)}


def first_flow_run(experiment) -> str:
    with Ledger.open(experiment.ledger) as ledger:
        return min(ledger.flow_runs.list(), key=lambda flow_run: flow_run.started).id


def everything_kept(tmp_path) -> bytes:
    """What stands in the files of ledger and MLflow, free pages included, snapshots unpacked."""
    found = b"".join(file.read_bytes() for file in tmp_path.glob("*.db*"))
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        packed = database.execute("SELECT content FROM ledger_snapshots").fetchall()
    database.close()
    return found + b"".join(zlib.decompress(content) for (content,) in packed)


def test_what_would_go_is_shown_and_nothing_is_done(experiment):
    before = in_the_ledger(experiment)
    found = cleanable(experiment, before=None, keep_last=1)
    assert found.studies
    assert in_the_ledger(experiment) == before


def test_old_trials_are_archived_then_removed_and_champions_stay(experiment, tmp_path):
    serving, runs = champions(experiment), {r.info.run_id for r in tracked(experiment.tracking)}
    found = clean(experiment, tmp_path / "old" / "a", before=None, keep_last=1)
    gone = {run_id for study in found.studies for run_id in study.run_ids}
    assert gone
    assert set(archived(tmp_path / "old" / "a", "trials")["run_id"]) == gone
    assert len(archived(tmp_path / "old" / "a", "instances")) == found.instances > 0
    left = {r.info.run_id: r.data.tags for r in tracked(experiment.tracking)}
    assert left.keys() == runs - gone
    assert sum(tags["champion"] == "true" for tags in left.values()) == 2
    assert champions(experiment) == serving
    assert sum(in_the_ledger(experiment).values()) == len(left)
    left = cleanable(experiment, before=None, keep_last=1)
    assert (left.studies, left.instances) == ((), 0)


def test_a_study_stays_whose_result_was_used_again(experiment):
    """The grid went from 1 to 12 to 3, and back to 1, whose results are the first flow run's."""
    report = run(listing(experiment, models=[STUMP], customers=ROUTES[:2]))
    assert report.trials["reused"] == 2
    removable = cleanable(experiment, before=None, keep_last=1).studies
    assert removable
    assert all(study.flow_run != first_flow_run(experiment) for study in removable)


def test_instances_of_nights_without_news_do_not_pile_up(experiment, tmp_path):
    left = []
    for nights in (1, 3):
        for _ in range(nights):
            run(experiment)
        clean(experiment, tmp_path / f"{nights}", before=None, keep_last=1)
        left.append(len(instances_in_the_ledger(experiment)))
    assert left[0] == left[1]
    assert run(experiment).trials["reused"] == 2


def test_what_was_last_used_stays_when_its_customer_has_left_meanwhile(experiment, tmp_path):
    run(listing(experiment, models=[STUMP], customers=ROUTES[:2]))  # the first results again
    run(listing(experiment, models=[STUMP], customers=ROUTES[1:2]), accept={"max_removed"})
    clean(experiment, tmp_path / "a", before=None, keep_last=1)
    report = run(listing(experiment, models=[STUMP], customers=ROUTES[:2]))
    assert report.trials["reused"] == 2


def test_what_only_an_old_flow_run_itself_could_use_goes_with_it(ledger):
    for number in (1, 2):
        run = flow_run(f"run-{number}", started=number, ended=number + 1, state="failed")
        reduce = instance("", of=run.id, node="reduce", fingerprint=f"{run.id}:f", scope=run.id)
        used_again = instance("a", of=run.id, fingerprint="f", value=1)
        ledger.recorder().begin(run)
        ledger.recorder().record([reduce, used_again])
    old = ledger.old.instances(before=None, keep_last=1)
    ledger.old.remove([], old)
    assert [each.key for each in old] == [""]
    assert ledger.recorder().known(["run-1:f", "run-2:f", "f"]) == {"run-2:f", "f"}


def test_a_flow_with_a_task_of_the_same_name_is_no_later_run(experiment, tmp_path):
    @task(cache=False)
    def work(x):
        return x

    @flow(name="first")
    def first():
        work.expand(x=[1, 2])

    @flow(name="second")
    def second():
        work.expand(x=[1, 2])

    with Ledger.open(experiment.ledger) as ledger:
        for each in (first, second):
            each.run(ledger=ledger.recorder())
        before = ledger.flow_runs.list(2)
        clean(experiment, tmp_path / "a", before=None, keep_last=1)
        assert [len(ledger.flow_runs.instances(each.id)) for each in before] == [2, 2]


def test_a_run_that_a_person_tagged_stays_with_its_study(experiment, tmp_path):
    studies = cleanable(experiment, before=None, keep_last=1).studies
    client = MlflowClient(tracking_uri=experiment.tracking)
    client.set_tag(studies[0].run_ids[0], "keep", "true")
    assert cleanable(experiment, before=None, keep_last=1).studies == studies[1:]
    assert clean(experiment, tmp_path / "a", before=None, keep_last=1).studies == studies[1:]


def test_after_cleaning_nothing_is_trained_again_that_has_not_changed(experiment, tmp_path):
    clean(experiment, tmp_path / "a", before=None, keep_last=1)
    report = run(experiment)
    assert report.trials["success"] == 0
    assert report.promotions == ()


def test_a_removed_result_is_not_used_again(experiment, tmp_path):
    found = clean(experiment, tmp_path / "a", before=None, keep_last=1)
    grids = [{**STUMP, "grid": {"max_depth": [depth]}} for depth in (1, 12)]
    again = [run(listing(experiment, models=[g], customers=ROUTES[:2])) for g in grids]
    assert sum(report.trials["success"] for report in again) == found.trials


def test_nothing_goes_that_ran_after_the_moment_or_is_among_the_last(experiment):
    assert cleanable(experiment, before=1.0, keep_last=1).studies == ()
    assert cleanable(experiment, before=None, keep_last=3).studies == ()


def test_an_archive_is_never_overwritten(experiment, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    with pytest.raises(UsageError, match="exists already"):
        clean(experiment, folder, before=None, keep_last=1)
    assert list(folder.iterdir()) == []


def test_a_forgotten_customer_is_nowhere(experiment, tmp_path):
    client = MlflowClient(tracking_uri=experiment.tracking)
    files = {
        r.data.tags["customer"]: Path(r.info.artifact_uri)
        for r in tracked(experiment.tracking)
        if r.data.tags["champion"] == "true"
    }
    assert all(folder.is_dir() for folder in files.values())
    assert b"AA-STT" in everything_kept(tmp_path)

    found = forget(experiment, "AA-STT")

    assert found.for_good
    assert found.model == "flights.AA-STT"
    assert b"AA-STT" not in everything_kept(tmp_path)
    assert not files["AA-STT"].exists()
    assert files["AA-SFO"].is_dir()
    assert [m.name for m in client.search_registered_models()] == ["flights.AA-SFO"]
    everyone = client.search_runs(["1"], run_view_type=ViewType.ALL)
    assert {r.data.tags["customer"] for r in everyone} == {"AA-SFO"}
    with Ledger.open(experiment.ledger) as ledger:
        assert [standing.customer for standing in standings(ledger)] == ["AA-SFO"]
        record = ledger.flow_runs.get(found.record)
    assert record.flow == "forget"
    assert record.origin.removed["trials"] == 3


def test_what_a_flow_run_keeps_to_go_on_names_nobody_who_was_forgotten(tmp_path):
    """Keys of studies that were spread, and a registry that is written in the configuration."""
    rows = [{"id": "acme", "data": {}}, {"id": "other"}]
    inline = {"source": "inline", "customers": rows}
    origin = ExperimentRun(
        snapshot="s",
        settings={"registry": {"customers": inline, "models": [{"id": "tree"}]}},
        spread=(("acme", "tree"), ("other", "tree")),
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.recorder().begin(flow_run(origin=origin))
        ledger.forgetting.forget("acme", record="record")
        left = ledger.flow_runs.get("run-1").origin
    assert b"acme" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert left.spread == (("other", "tree"),)
    assert left.settings["registry"]["customers"]["customers"] == [{"id": "other"}]
    assert left.settings["registry"]["models"] == [{"id": "tree"}]


def test_a_flow_run_keeps_how_others_go_on_whose_ids_begin_alike(ledger):
    others = tuple((each, "tree") for each in ("a%", "a/b", "ab", "A"))
    origin = ExperimentRun(snapshot="s", spread=(("a", "tree"), *others))
    ledger.recorder().begin(flow_run(origin=origin))
    ledger.forgetting.forget("a", record="record")
    assert ledger.flow_runs.get("run-1").origin.spread == others


def test_what_calls_for_all_customers_together_returned_is_forgotten(ledger):
    """A list that was fetched, or a reduce, of a flow run that may go on."""
    together = instance(
        "", node="listed", fingerprint="run-1:f", scope="run-1", value=["acme", "zen"]
    )
    own = instance("zen", fingerprint="f", value=1)
    ledger.recorder().begin(flow_run())
    ledger.recorder().record([together, own])
    ledger.forgetting.forget("acme", record="record")
    assert ledger.recorder().known(["run-1:f", "f"]) == {"f"}


def test_others_whose_ids_begin_alike_keep_everything(tmp_path, mlflow_url):
    """`acme/tree` is a customer here, and the key of a study of `acme`."""
    alike = [{**ROUTES[0], "id": id_} for id_ in ("acme", "acme/stump", "acme/acme")]
    experiment = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=alike)
    run(experiment)
    before = keys_in_the_ledger(experiment)
    forget(experiment, "acme")
    gone = before - keys_in_the_ledger(experiment)
    assert gone == {
        *(("choose", "acme"), ("evaluate@choose", "acme/stump")),
        *(("deliver", "acme"), ("refit@deliver", "acme/stump-0")),
    }
    assert run(experiment).trials == {"success": 1, "failed": 0, "reused": 2}


def test_a_snapshot_is_whole_again_when_a_forgotten_customer_comes_back(experiment):
    forget(experiment, "AA-STT")
    snapshot = run(experiment).snapshot
    with Ledger.open(experiment.ledger) as ledger:
        listed = [customer.id for customer in ledger.snapshots.get(snapshot).customers]
    assert listed == ["AA-SFO", "AA-STT"]


def test_who_was_only_ever_set_aside_can_be_forgotten(tmp_path, mlflow_url):
    bad = [*ROUTES[:1], {"id": "unknown-ltd", "colour": "blue"}]
    experiment = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=bad)
    run(experiment)
    assert b"unknown-ltd" in everything_kept(tmp_path)
    forget(experiment, "unknown-ltd")
    assert b"unknown-ltd" not in everything_kept(tmp_path)


def test_the_others_go_on_as_if_nothing_had_been(experiment):
    forget(experiment, "AA-STT")
    report = run(dataclasses.replace(listing(experiment, models=[DEEP], customers=ROUTES[1:2])))
    assert report.trials == {"success": 0, "failed": 0, "reused": 1}


def test_only_who_was_listed_can_be_forgotten(experiment):
    with pytest.raises(UsageError, match="no customer 'nobody'"):
        forget(experiment, "nobody")
