"""What is kept of a configuration with a flow run."""

from orchestrator.pipeline.config_snapshot import differences, masked, with_secrets

WRITTEN = {
    "experiment": "flights",
    "registry": {
        "source": "http",
        "url": "https://me:open-sesame@lists.example.com",
        "headers": {"Authorization": "Bearer 12345", "Accept": "text/csv"},
    },
    "ledger": "postgresql://me:${LEDGER_PASSWORD}@db/ledger",
    "tracking": {"uri": "postgresql://me:pw@db/mlflow", "token": "${TOKEN}"},
    "servers": ["https://a:b@one", "https://two"],
    "folds": 3,
}


def test_secrets_that_are_written_out_are_hidden_and_names_of_secrets_stay():
    kept = masked(WRITTEN)
    assert kept == {
        **WRITTEN,
        "registry": {
            "source": "http",
            "url": "https://me:***@lists.example.com",
            "headers": {"Authorization": "***", "Accept": "text/csv"},
        },
        "tracking": {"uri": "postgresql://me:***@db/mlflow", "token": "${TOKEN}"},
        "servers": ["https://a:***@one", "https://two"],
    }


def test_what_is_hidden_is_taken_from_the_file_use_current():
    assert with_secrets(masked(WRITTEN), WRITTEN) == WRITTEN


def test_everything_else_is_what_was_kept():
    now = {**WRITTEN, "folds": 5, "tracking": {"uri": "postgresql://me:new@db/mlflow"}}
    assert with_secrets(masked(WRITTEN), now) == {
        **WRITTEN,
        "tracking": {"uri": "postgresql://me:new@db/mlflow", "token": "${TOKEN}"},
    }


def test_differences_are_told_by_key_without_secrets():
    now = {**WRITTEN, "folds": 5, "gate": {"min_gain": 0.1}, "ledger": "sqlite:///x.db"}
    now["tracking"] = {**WRITTEN["tracking"], "uri": "postgresql://me:other@db/mlflow"}
    assert differences(masked(WRITTEN), now) == [
        "ledger: 'postgresql://me:${LEDGER_PASSWORD}@db/ledger' -> 'sqlite:///x.db'",
        "folds: 3 -> 5",
        "gate.min_gain: (not there) -> 0.1",
    ]
    assert differences(WRITTEN, WRITTEN) == []
