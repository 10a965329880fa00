"""What observers receive of real flow runs of an experiment."""

from dataclasses import replace

import pytest

from orchestrator.errors import RegistryError
from orchestrator.events import FlowRunBegan, FlowRunEnded, GuardRefused, Promoted
from orchestrator.pipeline.pipeline import run
from tests.support.experiments import a_small_experiment


def test_observers_receive_the_flow_run_its_promotions_and_a_refusal(tmp_path, mlflow_url):
    experiment = a_small_experiment(tmp_path, mlflow_url)
    events = []
    report = run(experiment, observers=[events.append])
    began, *promoted, ended = events
    assert began == FlowRunBegan(
        experiment=experiment.name, flow_run=report.flow_run.id, resumed=False
    )
    assert isinstance(ended, FlowRunEnded)
    assert (ended.flow_run, ended.state) == (report.flow_run.id, "success")
    assert all(isinstance(each, Promoted) for each in promoted)
    assert sorted(each.customer for each in promoted) == sorted(
        customer["id"] for customer in experiment.registry["customers"]
    )
    refused = []
    fewer = {**experiment.registry, "customers": experiment.registry["customers"][:1]}
    with pytest.raises(RegistryError):
        run(replace(experiment, registry=fewer), observers=[refused.append])
    assert [(type(event), event.guard) for event in refused] == [(GuardRefused, "max_removed")]
