"""The ways to watch a flow run and to stop it, which all functions that run one share.

Touches no library; types only; driver.
"""

from collections.abc import Callable
from typing import TypedDict

from orchestrator.mapping.driver.progress import Observer
from orchestrator.mapping.driver.task_logs import Listener


class Watching(TypedDict, total=False):
    """The callbacks that watch and stop a flow run.

    Attributes:
        observer: Called with the progress of the flow run, a few times a second.
        stop: Called often; once it returns True, nothing more is started.
        say: Called with sentences for the user.
        on_log: Called with what each attempt of a task printed, once it has ended.
    """

    observer: Observer | None
    stop: Callable[[], bool] | None
    say: Callable[[str], None]
    on_log: Listener | None
