"""What a task raises to say how it ended, other than by returning.

Touches no library; raised by users' tasks, in whatever process they run.
"""


class Skip(Exception):  # noqa: N818 - a signal, not an error; Airflow's word
    """Ends the instance as `skipped`; the text says why."""


class Fail(Exception):  # noqa: N818 - a signal: failing is its whole meaning
    """Ends the instance as `failed` without any retry; the text says why."""
