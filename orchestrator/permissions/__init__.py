"""The permissions of registry rows: rows are data, and this package lists what data may name.

    addresses, hosts    which addresses a row may name
    parameters          which parameters of an estimator a row may set, and to which values
    libraries           the lists of the libraries that are known

Touches no library, and neither opens nor imports anything; takes values of rows; gives reasons
for refusing them; driver and workers.
"""

from orchestrator.permissions.addresses import Addresses

__all__ = ["Addresses"]
