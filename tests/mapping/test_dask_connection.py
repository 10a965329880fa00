"""A scheduler that is lost and comes back: how long it may leave the driver without an answer."""

import pytest

from orchestrator.errors import MachineryError
from orchestrator.mapping.dask.connection import Connection
from tests.support.pretended_cluster import PretendedCluster


@pytest.fixture
def client():
    client = PretendedCluster(kills=frozenset())
    yield client
    client.close()


class Clock:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


UNANSWERED = MachineryError("no answer")


def test_a_scheduler_that_never_answers_is_given_up_after_a_minute(client):
    clock = Clock()
    connection = Connection(client, clock)
    connection.found_no_answer(UNANSWERED)
    clock.now = 59.0
    connection.found_no_answer(UNANSWERED)
    clock.now = 61.0
    with pytest.raises(MachineryError, match="no answer"):
        connection.found_no_answer(UNANSWERED)


def test_the_time_in_which_it_is_away_does_not_count(client):
    clock = Clock()
    connection = Connection(client, clock)
    connection.found_no_answer(UNANSWERED)
    clock.now = 10.0
    client.lose_connection()
    assert connection.problem() == ""
    clock.now = 210.0
    assert connection.problem() == ""
    client.connect()
    assert connection.problem() == ""
    connection.found_no_answer(UNANSWERED)  # after 10 seconds of a connection
    clock.now = 259.0
    connection.found_no_answer(UNANSWERED)
    clock.now = 261.0
    with pytest.raises(MachineryError, match="no answer"):
        connection.found_no_answer(UNANSWERED)
