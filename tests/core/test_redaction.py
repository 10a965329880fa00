"""Values that the configuration takes from the environment are shown nowhere."""

import logging

import pytest

from orchestrator import config
from orchestrator.cli import logs
from orchestrator.errors import MachineryError, OrchestratorError, as_machinery_error
from orchestrator.pipeline.plan import plan
from orchestrator.redaction import keep_secret, redacted

VALUE = "p@ss'word/of ours"
LISTS = "models: [{id: tree, estimator: 'sklearn.tree:DecisionTreeClassifier'}]\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """What planning complains of, in a project whose registry's settings hold a secret."""
    monkeypatch.setenv("TOK", VALUE)
    (tmp_path / "models.yaml").write_text(LISTS)

    def told(customers):
        file = tmp_path / "c.yaml"
        file.write_text(
            "experiment: e\nevaluation: {loader: 'tests.support.synthetic:load'}\n"
            "cluster: {kind: inline}\n"
            f"registry:\n  models: {{source: file, models: {tmp_path}/models.yaml}}\n"
            f"  customers: {customers}\n"
        )
        with pytest.raises(OrchestratorError) as complaint:
            plan(config.load(file))
        return str(complaint.value)

    return told


@pytest.mark.parametrize(
    ("customers", "shown"),
    [
        ('{source: sql, url: "sqlite://", customers: "SELECT nope, \'${TOK}\' FROM c"}', "${TOK}"),
        ('{source: sql, url: "sqlite://", customers: "call f(\'${TOK}\')"}', "call f('${TOK}')"),
        ('{source: file, customers: "x-${TOK}.yaml"}', "x-${TOK}.yaml: the file does not exist"),
    ],
)
def test_an_error_names_the_variable_instead_of_its_value(project, customers, shown):
    told = project(customers)
    assert shown in told
    assert "word" not in told


@pytest.mark.parametrize(
    "text",
    [VALUE, repr(VALUE), "p%40ss%27word%2Fof%20ours", "--p@ss'word/of ours--"],
)
def test_a_secret_is_found_as_it_is_quoted_and_in_an_url(text):
    keep_secret("TOK", VALUE)
    assert "word" not in redacted(text)
    assert "${TOK}" in redacted(text)


def test_the_password_of_an_address_is_a_secret_by_itself():
    keep_secret("LEDGER", "postgresql://me:hunter2@host/db")
    assert redacted("password hunter2 of me is wrong") == "password ${LEDGER} of me is wrong"


def test_of_two_secrets_the_longer_one_is_found_first():
    keep_secret("A", "abcd")
    keep_secret("B", "abcdef")
    assert redacted("abcdef abcd") == "${B} ${A}"


def test_what_is_too_short_to_be_secret_is_left():
    keep_secret("N", "5")
    assert redacted("5 of 55") == "5 of 55"


def test_an_error_that_was_raised_before_hides_what_is_told_later():
    with pytest.raises(MachineryError) as raised, as_machinery_error("doing", ValueError):
        raise ValueError(VALUE)
    keep_secret("TOK", VALUE)
    assert str(raised.value) == "doing: ${TOK}"


def test_logs_hide_it_in_message_arguments_and_traceback(caplog):
    keep_secret("TOK", VALUE)
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logs.RedactedRecord)
    try:
        int(VALUE)
    except ValueError:
        logging.getLogger("anybody").exception("sent %s", VALUE)
    finally:
        logging.setLogRecordFactory(before)
    assert "sent ${TOK}" in caplog.text
    assert "ValueError: invalid literal" in caplog.text
    assert "word" not in caplog.text


def test_rows_of_an_inline_registry_are_data_and_keep_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TOK", VALUE)
    file = tmp_path / "c.yaml"
    file.write_text(
        "experiment: e\nevaluation: {loader: 'tests.support.synthetic:load'}\n"
        "registry: {source: inline, models: [], customers: [{id: a, data: 'db://u:${TOK}@h'}]}\n"
        "ledger: 'postgresql://u:${TOK}@h/db'\n"
    )
    experiment = config.load(file)
    assert experiment.registry["customers"][0]["data"] == "db://u:${TOK}@h"
    assert VALUE in experiment.ledger
