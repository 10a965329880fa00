"""What a customer's registered model is called.

Touches no library; takes an experiment's name and a customer's id; gives a name; driver.
"""

from orchestrator.identity import slug


def model_name(experiment: str, customer: str) -> str:
    """The registered model of a customer: one each, since MLflow is slow with many versions of one.

    No slug has a dot, so `eu-x` of the experiment `churn` and `x` of `churn-eu` stay apart.

    >>> model_name("flights", "AA-DFW")
    'flights.AA-DFW'
    """
    return f"{model_prefix(experiment)}{slug(customer)}"


def model_prefix(experiment: str) -> str:
    """How the registered models of all its customers begin, and no other experiment's."""
    return f"{slug(experiment)}."
