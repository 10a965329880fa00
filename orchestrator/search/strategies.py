"""The seam of search: what a strategy is, and how the configured one is found by its name.

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
"""A search in progress: yields rounds of trials to begin, is sent one result after the other."""

ENTRY_POINTS = "orchestrator.strategies"
"""The entry point group: a name, and a class that is given the settings as keyword arguments."""


@runtime_checkable
class Strategy(Protocol):
    """How the trials of a study are chosen; it does no I/O.

    The contract: trials are numbered 0, 1, 2, ... in the order they are yielded. A round is what
    may begin now; the first has at least one trial, later ones may have none. After each round the
    search is sent one result of a trial that is under way: of the one that was yielded first,
    whichever ended first, so that the order of completion changes nothing. It is over when it
    returns, and then hears of no more results; or when nothing is under way.

    A trial may be given a `Budget`: its result is then `pruned`, and final, unless the search
    yields the same number again with a larger budget, or None for everything. What it had is not
    done again.

    A strategy that learns from results has at most `max_parallel` trials under way (`window` says
    how many without one), and yields one for each that has ended: so its suggestions are the same
    on any number of workers. No point is tried twice. A study without a grid has one trial, with
    no searched parameters. The same study and the same results give the same trials (law 9): seeds
    follow from the experiment's seed, the study's key and the trial's number, so that a search
    taken up again by answering its rounds from the record goes on as if it had never stopped.

    Everything else that has to be known about a strategy stands in its `traits`; `Traits()` is one
    that learns from whole trials and takes any number of objectives.

    A class of this kind is added by an entry point in the group `orchestrator.strategies`. It
    raises `ConfigError` when it is made with settings that cannot be.
    """

    @property
    def traits(self) -> Traits:
        """What the strategy declares about itself."""
        ...

    def count(self, study: Study) -> int:
        """How many trials to expect at most, without running any."""
        ...

    def rounds(self, study: Study) -> Rounds:
        """A new search."""
        ...


def require_one_objective(search: Search, evaluation: Evaluation) -> None:
    """Refuse a strategy that looks at one metric alone, where others select as well.

    Raises:
        ConfigError: It gives up what is behind in one metric, and there are several objectives, or
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
    """Refuse settings that a strategy would stumble over only while it searches.

    Raises:
        ConfigError: The strategy's check refuses them.
    """
    find_strategy(search).traits.check()


def learns(search: Search) -> bool:
    """Whether the configured strategy's trials follow from the results it is sent."""
    return find_strategy(search).traits.learns


def told(search: Search, evaluation: Evaluation) -> tuple[str, ...]:
    """What trials follow from besides the results' metric, in words; nothing without learning."""
    if not learns(search):
        return ()
    found = goals(search, evaluation)
    return *tuple(found.objectives)[1:], *map(str, found.constraints)


def require_reproducible(search: Search, evaluation: Evaluation) -> None:
    """Refuse `reproducible: false` where it would change nothing.

    Raises:
        ConfigError: The strategy does not learn, or is told all there is in any case.
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
    """Begin the configured search of a study.

    Raises:
        ConfigError: The strategy is unknown or its settings are wrong.
    """
    return find_strategy(search).rounds(study)


def count(search: Search, study: Study) -> int:
    """How many trials the configured search of a study makes at most, for plan and progress.

    Raises:
        ConfigError: The strategy is unknown or its settings are wrong.
    """
    return find_strategy(search).count(study)


def window(study: Study, trials: int) -> int:
    """How many trials of a study that learns from results are under way at once.

    Without a setting it is a fortieth of them, at most 8: so few that suggestions are hardly worse
    for not knowing the results of the last ones.

    Args:
        study: Its search may say.
        trials: How many there will be.
    """
    return min(trials, study.search.max_parallel or max(1, min(8, trials // 40)))


def find_strategy(search: Search) -> Strategy:
    """The strategy a configuration names, made with its settings.

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
    """What may have been meant: a setting of the strategy, or of every search."""
    of_every_search = {field.name for field in fields(Search)} - {"settings"}
    close = get_close_matches(name, [*names, *of_every_search], n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"it takes {', '.join(sorted(names))}" if names else "it takes none"
