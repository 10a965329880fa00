"""The hours and routes that make airlines late: a nested map that examines only the worst closely.

    orchestrator run experiments/late_routes.py --cluster --logs
    orchestrator run experiments/late_routes.py --param closer=3

shows one line for each airline, the latest airline first; the first line is
`[report] FL    2,278 flights  34.7% late; worst to ATL 34.7%, at 17h 51.5%`.

The flow reads airlines and their routes from the registry file when it starts. A coordinator
examines each airline: it measures all routes of the airline, and then only the worst ones hour by
hour. The instances have names such as `9E/BNA`, so that they keep their history whatever is added
to or removed from the lists.
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
"""The smallest number of flights for which an hour is considered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The number of flights of one route, and the share of late ones."""

    dest: str
    flights: int
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The hour of one route with the largest share of late flights."""

    dest: str
    hour: int
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Airline:
    """The routes of one airline, and the worst hours of its worst routes."""

    carrier: str
    routes: tuple[Route, ...]
    hours: tuple[Hour, ...]


@task(runs_on="driver")
def airlines(registry: str) -> dict[str, list[str]]:
    """Return the destinations of each airline that the registry lists."""
    found: dict[str, list[str]] = defaultdict(list)
    for customer in yaml.safe_load(Path(registry).read_text(encoding="utf-8"))["customers"]:
        found[customer["data"]["carrier"]].append(customer["data"]["dest"])
    return dict(found)


@task(key="{dest}")
def measure(carrier: str, dest: str) -> Route:
    """Count a route's flights and compute the share of late ones."""
    _, late = _load(carrier, dest)
    return Route(dest=dest, flights=len(late), late=float(late.mean()))


@task(key="{dest}")
def look_closer(carrier: str, dest: str) -> Hour:
    """Find the hour of departure with the largest share of late flights."""
    features, late = _load(carrier, dest)
    by_hour = late.groupby(features["scheduled_departure"] // 60).agg(["mean", "size"])
    enough = by_hour[by_hour["size"] >= _FEWEST]
    shares = (by_hour if enough.empty else enough)["mean"].sort_values(kind="stable")
    return Hour(dest=dest, hour=int(shares.index[-1]), late=float(shares.iloc[-1]))


@task
async def examine(airline: tuple[str, Sequence[str]], closer: int) -> Airline:
    """Measure every route of an airline, then examine the worst ones by the hour."""
    carrier, destinations = airline
    routes = await measure.partial(carrier=carrier).expand(dest=destinations)
    if not routes:
        raise Fail(f"no route of {carrier} could be measured")
    worst = sorted(routes, key=lambda route: (-route.late, route.dest))[:closer]
    hours = await look_closer.partial(carrier=carrier).expand(dest=[r.dest for r in worst])
    return Airline(carrier=carrier, routes=tuple(routes), hours=tuple(hours))


@task(runs_on="driver")
def report(found: Sequence[Airline]) -> None:
    """Print one line for each airline, the latest airline first."""
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
