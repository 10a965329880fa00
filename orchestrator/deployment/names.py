"""What a customer's registered model is called.

Touches no library; takes an experiment's name and a customer's id; gives a name; driver.
"""

from orchestrator.identity import slug


def model_name(experiment: str, customer: str) -> str:
    """The registered model of a customer: one each, since MLflow is slow with many versions of one.

    >>> model_name("flights", "AA-DFW")
    'flights-AA-DFW'
    """
    return f"{slug(experiment)}-{slug(customer)}"
