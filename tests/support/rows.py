"""Rows of a registry that many tests list: models, flight routes, small synthetic customers.

Touches no library; gives what the source `inline` takes.
"""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

LOGISTIC: Row = {
    "id": "logistic",
    "pipeline": [
        "sklearn.preprocessing:StandardScaler",
        {"name": "classifier", "estimator": "sklearn.linear_model:LogisticRegression"},
    ],
    "grid": {"classifier__C": [0.1, 1.0]},
}
PLAIN_TREE: Row = {"id": "tree", "estimator": "sklearn.tree:DecisionTreeClassifier"}
TREE: Row = {**PLAIN_TREE, "grid": {"max_depth": [2, 4]}}
BUSY_ONLY: Row = {**TREE, "id": "busy-tree", "when": {"min_rows": 5_000}}
STUMP: Row = {**TREE, "id": "stump", "grid": {"max_depth": [1]}}


def route(carrier: str, dest: str, **fields: Any) -> Row:
    """A customer whose data are the flights of a carrier to a place."""
    return {"id": f"{carrier}-{dest}", "data": {"carrier": carrier, "dest": dest}, **fields}


ROUTES = [route("AA", "STT"), route("AA", "SFO"), route("9E", "BNA")]
CUSTOMERS: list[Row] = [
    {"id": f"customer-{n}", "data": {"seed": n, "form": "frame"}} for n in range(3)
]
CUSTOMER_IDS = {str(customer["id"]) for customer in CUSTOMERS}
