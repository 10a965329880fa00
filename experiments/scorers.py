"""The project's own scorers: the value of predictions of late flights to the airline.

A scorer is called with a fitted estimator, the test rows and their targets; more is better. The
configuration names it as `metrics: [roc_auc, "experiments.scorers:worth"]`.
"""

from typing import Any

import pandas as pd
from sklearn.metrics import fbeta_score, make_scorer

SAVED_BY_A_RIGHT_WARNING = 40.0
COST_OF_A_FALSE_ALARM = 15.0
MILES_OF_A_SHORT_FLIGHT = 500.0


def worth(estimator: Any, X: pd.DataFrame, y: pd.Series) -> float:
    """Return the value of warnings of late flights, in dollars a flight.

    On a short flight the crew cannot make up for a delay, so a right warning is worth twice as much
    there.

    Args:
        estimator: The fitted estimator; it predicts 1 for a late flight.
        X: The flights; only their `distance`, in miles, is used besides the predictions.
        y: Whether each flight arrived late, as 0 or 1.
    """
    warned = estimator.predict(X) == 1
    short = (X["distance"] < MILES_OF_A_SHORT_FLIGHT).to_numpy()
    late = y.to_numpy() == 1
    saved = SAVED_BY_A_RIGHT_WARNING * (warned & late) * (1 + short)
    return float((saved - COST_OF_A_FALSE_ALARM * (warned & ~late)).mean())


recall_first = make_scorer(fbeta_score, beta=2.0)
"""F-beta that weighs recall twice as much as precision."""
