"""The name of a customer's registered model.

Touches no library; takes an experiment's name and a customer's id; gives a name; driver.
"""

from orchestrator.identity import slug


def model_name(experiment: str, customer: str) -> str:
    """Return the name of a customer's registered model.

    Each customer has its own, since MLflow is slow with many versions of one model. A slug has no
    dot, so customer `eu-x` of experiment `churn` and customer `x` of `churn-eu` stay apart.

    >>> model_name("flights", "AA-DFW")
    'flights.AA-DFW'
    """
    return f"{model_prefix(experiment)}{slug(customer)}"


def model_prefix(experiment: str) -> str:
    """Return the name prefix that only the registered models of this experiment have."""
    return f"{slug(experiment)}."
