"""A loader that quotes a secret of its environment when it fails, as a driver's message may."""

import os

from orchestrator.records import Customer
from orchestrator.training.data import Data
from tests.support import synthetic


def load(customer: Customer) -> Data:
    """Fails for one customer, and says too much."""
    if customer.id == "leaky":
        raise OSError(f"cannot connect to db://me:{os.environ['DATA_PASSWORD']}@host/rows")
    return synthetic.load(customer)
