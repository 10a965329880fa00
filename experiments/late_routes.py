"""Which hour of which route makes an airline late: a nested map that looks closer where it pays.

    orchestrator run experiments/late_routes.py --cluster --logs
    orchestrator run experiments/late_routes.py --param closer=3

shows one line an airline, the latest first; the first of them is
`[report] FL    2,278 flights  34.7% late; worst to ATL 34.7%, at 17h 51.5%`.

Airlines and their routes are read from the registry file when the flow starts. Each airline is
examined by a coordinator: it measures all routes of the airline, and then only the worst ones
hour by hour. The instances are called `9E/BNA`, so that they keep their history whatever is
added to or removed from the lists.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from experiments import flights
from orchestrator import Fail, flow, task
from orchestrator.records import Customer

_FEWEST = 20
"""Flights of an hour that is worth looking at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How late one route is."""

    dest: str
    flights: int
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The latest hour of one route."""

    dest: str
    hour: int
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Airline:
    """What was found out about one airline."""

    carrier: str
    routes: tuple[Route, ...]
    hours: tuple[Hour, ...]


@task(runs_on="driver")
def airlines(registry: str) -> dict[str, list[str]]:
    """The destinations of each airline that the registry lists."""
    found: dict[str, list[str]] = defaultdict(list)
    for customer in yaml.safe_load(Path(registry).read_text(encoding="utf-8"))["customers"]:
        found[customer["data"]["carrier"]].append(customer["data"]["dest"])
    return dict(found)


@task(key="{dest}")
def measure(carrier: str, dest: str) -> Route:
    """How many of a route's flights were late."""
    _, late = _load(carrier, dest)
    return Route(dest=dest, flights=len(late), late=float(late.mean()))


@task(key="{dest}")
def look_closer(carrier: str, dest: str) -> Hour:
    """The hour of departure with the largest share of late flights."""
    features, late = _load(carrier, dest)
    by_hour = late.groupby(features["scheduled_departure"] // 60).agg(["mean", "size"])
    enough = by_hour[by_hour["size"] >= _FEWEST]
    shares = (by_hour if enough.empty else enough)["mean"].sort_values(kind="stable")
    return Hour(dest=dest, hour=int(shares.index[-1]), late=float(shares.iloc[-1]))


@task
async def examine(airline: tuple[str, Sequence[str]], closer: int) -> Airline:
    """Measure every route of an airline, then look closer at the worst."""
    carrier, destinations = airline
    routes = await measure.partial(carrier=carrier).expand(dest=destinations)
    if not routes:
        raise Fail(f"no route of {carrier} could be measured")
    worst = sorted(routes, key=lambda route: (-route.late, route.dest))[:closer]
    hours = await look_closer.partial(carrier=carrier).expand(dest=[r.dest for r in worst])
    return Airline(carrier=carrier, routes=tuple(routes), hours=tuple(hours))


@task(runs_on="driver")
def report(found: Sequence[Airline]) -> None:
    """One line an airline, the latest first."""
    print("\n".join(map(_line, sorted(found, key=_share, reverse=True))))


@flow
def late_routes(registry: str = "configs/registry/flights.yaml", closer: int = 1) -> None:
    """Examine every airline; the worst `closer` routes of each by the hour."""
    report(examine.partial(closer=closer).expand(airline=airlines(registry)))


def _load(carrier: str, dest: str) -> tuple[pd.DataFrame, pd.Series]:
    return flights.load(Customer(id=f"{carrier}-{dest}", data={"carrier": carrier, "dest": dest}))


def _share(airline: Airline) -> float:
    total = sum(route.flights for route in airline.routes)
    return sum(route.flights * route.late for route in airline.routes) / total


def _line(airline: Airline) -> str:
    total = sum(route.flights for route in airline.routes)
    of_route: Mapping[str, Route] = {route.dest: route for route in airline.routes}
    closer = "; ".join(
        f"worst to {hour.dest} {of_route[hour.dest].late:.1%}, at {hour.hour}h {hour.late:.1%}"
        for hour in airline.hours
    )
    return f"{airline.carrier:<4} {total:>6,} flights  {_share(airline):.1%} late; {closer}"
