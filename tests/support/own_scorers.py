"""A project's own scorers, good and bad, for tests."""

from sklearn.metrics import fbeta_score, make_scorer


def of_the_rows(estimator, X, y):
    """Looks at the rows themselves, not only at what is predicted of them."""
    return float((estimator.predict(X) == y)[X[:, 0] > 0].mean())


def steps(estimator, X, y):
    """Looks at the estimator."""
    return len(getattr(estimator, "steps", [1]))


def cost(estimator, X, y):
    """Less of it is better."""
    return (estimator.predict(X) != y).mean()


def a_text(estimator, X, y):
    return "high"


def a_list(estimator, X, y):
    return [0.5, 0.7]


def nothing(estimator, X, y):
    return None


def not_a_number(estimator, X, y):
    return float("nan")


CALLS: list[int] = []


def text_of_late_folds(estimator, X, y):
    """A number on the first fold only."""
    CALLS.append(len(CALLS))
    return 0.5 if len(CALLS) == 1 else "high"


def wrong_arguments(y_true, y_pred):
    return 1.0


ftwo = make_scorer(fbeta_score, beta=2.0)
minus_two = make_scorer(fbeta_score, beta=-2.0)
loss = make_scorer(fbeta_score, beta=2.0, greater_is_better=False)
text_of_predictions = make_scorer(lambda y, predicted: "high")
