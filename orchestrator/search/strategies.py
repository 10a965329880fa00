"""The seam of search: the protocol of a strategy, and the lookup of the configured one by name.

Touches no library; takes `Search` and `Study`; gives rounds of trials; driver and workers.
"""

import inspect
from collections.abc import Collection, Generator, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Protocol, runtime_checkable

from orchestrator import plugins
from orchestrator.errors import ConfigError
from orchestrator.records import Evaluation, Search, Study, Trial, TrialResult
from orchestrator.search.objectives import goals
from orchestrator.search.traits import Traits

Rounds = Generator[Sequence[Trial], TrialResult, None]
"""A search in progress: it yields rounds of trials to begin and is sent one result at a time."""

ENTRY_POINTS = "orchestrator.strategies"
"""The entry point group: a name, and a class that takes the settings as keyword arguments."""


@runtime_checkable
class Strategy(Protocol):
    """The way in which the trials of a study are chosen; it does no I/O.

    The contract: trials are numbered 0, 1, 2, ... in the order they are yielded. A round contains
    the trials that may begin now; the first round has at least one trial, later ones may be empty.
    After each round, the search is sent one result: that of the running trial that was yielded
    first, even if others ended before it, so that the order of completion changes nothing. The
    search is over when it returns, and then receives no more results; or when no trial is running.

    A trial may have a `Budget`. Its result is then `pruned`, which is final unless the search
    yields the same number again with a larger budget, or with None for a whole trial. The work
    done with the smaller budget is not repeated.

    A strategy that learns from results has at most `max_parallel` trials running (`window` gives
    the default), and yields one trial for each that has ended: so its suggestions are the same on
    any number of workers. No point is tried twice. A study without a grid has one trial, with no
    searched parameters. The same study and the same results give the same trials (law 9): seeds
    are derived from the experiment's seed, the study's key and the trial's number. So a search
    that is resumed by sending it the recorded results continues as if it had never stopped.

    A strategy declares everything else in its `traits`; `Traits()` describes one that learns from
    whole trials and takes any number of objectives.

    To add a strategy, register a class in the entry point group `orchestrator.strategies`. The
    class raises `ConfigError` if its settings are invalid.
    """

    @property
    def traits(self) -> Traits:
        """The traits that the strategy declares."""
        ...

    def count(self, study: Study) -> int:
        """Return the largest number of trials to expect, without running any."""
        ...

    def rounds(self, study: Study) -> Rounds:
        """Begin a new search of a study."""
        ...


def require_one_objective(search: Search, evaluation: Evaluation) -> None:
    """Reject a strategy that considers only one metric, if other measures select as well.

    Raises:
        ConfigError: The strategy prunes by one metric although there are several objectives, or
            constraints; or its sampler takes one objective only.
    """
    traits, several = find_strategy(search).traits, len(evaluation.objectives) > 1
    if traits.prunes and (evaluation.constraints or several):
        key = "objectives" if several else "constraints"
        raise ConfigError(
            f"strategy {search.strategy!r} gives up candidates by {evaluation.metric} alone, among "
            f"them some that evaluation.{key} might choose; leave these out, or search by grid, "
            "random or optuna",
            key="search.strategy",
        )
    if traits.one_objective and len(told := goals(search, evaluation).objectives) > 1:
        raise ConfigError(
            f"{traits.one_objective} searches by one objective, and there are "
            f"{', '.join(told)}; take for instance TPESampler or NSGAIISampler",
            key="search.sampler",
        )


def require_usable(search: Search) -> None:
    """Reject settings with which a strategy would fail only while it searches.

    Raises:
        ConfigError: The strategy's check rejects them.
    """
    find_strategy(search).traits.check()


def learns(search: Search) -> bool:
    """Return whether the configured strategy's trials depend on the results it is sent."""
    return find_strategy(search).traits.learns


def told(search: Search, evaluation: Evaluation) -> tuple[str, ...]:
    """Return the goals, besides the metric, that the trials depend on; none without learning.

    Returns:
        The names of the later objectives, then the constraints as text.
    """
    if not learns(search):
        return ()
    found = goals(search, evaluation)
    return *tuple(found.objectives)[1:], *map(str, found.constraints)


def require_reproducible(search: Search, evaluation: Evaluation) -> None:
    """Reject `reproducible: false` where it would change nothing.

    Raises:
        ConfigError: The strategy does not learn, or receives the same results in any case.
    """
    if search.reproducible:
        return
    if not learns(search):
        raise ConfigError(
            f"strategy {search.strategy!r} makes the same trials in whatever order they end; leave "
            "this out, or search by a strategy that learns from results",
            key="search.reproducible",
        )
    names = {*evaluation.objectives, *(each.measure for each in evaluation.constraints)}
    is_timed = any(evaluation.measure(name).timed for name in names)
    if search.placement == "study" and not is_timed:
        raise ConfigError(
            "a study that runs as a whole on one worker waits for no other trial; leave this out, "
            "or let search.placement be trials or auto",
            key="search.reproducible",
        )


def open_strategy(search: Search, study: Study) -> Rounds:
    """Begin the configured search of a study, and return it.

    Raises:
        ConfigError: The strategy is unknown or its settings are wrong.
    """
    return find_strategy(search).rounds(study)


def count(search: Search, study: Study) -> int:
    """Return the largest number of trials that a study's search makes, for plan and progress.

    Raises:
        ConfigError: The strategy is unknown or its settings are wrong.
    """
    return find_strategy(search).count(study)


def window(study: Study, trials: int) -> int:
    """Return how many trials of a study run at once if its strategy learns from results.

    The default is a fortieth of the trials, and at most 8: so few that suggestions are hardly worse
    although they are made without the results of the running trials.

    Args:
        study: The study, whose search may set `max_parallel`.
        trials: The number of trials of the study.
    """
    return min(trials, study.search.max_parallel or max(1, min(8, trials // 40)))


def find_strategy(search: Search) -> Strategy:
    """Return the strategy that a configuration names, constructed with its settings.

    Raises:
        ConfigError: The strategy is unknown or its settings are wrong.
    """
    make = plugins.load(ENTRY_POINTS, search.strategy, noun="strategy", key="search.strategy")
    _require_settings_of(make, search)
    strategy = make(**search.settings)
    if not isinstance(strategy, Strategy):
        raise ConfigError(
            f"strategy {search.strategy!r} ({make.__module__}:{make.__qualname__}) must have "
            "`traits`, `count` and `rounds`, as orchestrator.search.strategies.Strategy has; "
            "`traits = Traits()` suits one that learns from results",
            key="search.strategy",
        )
    return strategy


def _require_settings_of(make: Any, search: Search) -> None:
    parameters = inspect.signature(make).parameters.values()
    names = {parameter.name for parameter in parameters}
    for name in search.settings:
        if name not in names:
            raise ConfigError(
                f"strategy {search.strategy!r} has no such setting; {_hint(str(name), names)}",
                key=f"search.{name}",
            )
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in search.settings:
            raise ConfigError(
                f"strategy {search.strategy!r} needs it", key=f"search.{parameter.name}"
            )


def _hint(name: str, names: Collection[str]) -> str:
    """A hint for an unknown setting: the closest one of the strategy or of every search."""
    of_every_search = {field.name for field in fields(Search)} - {"settings"}
    close = get_close_matches(name, [*names, *of_every_search], n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"it takes {', '.join(sorted(names))}" if names else "it takes none"
