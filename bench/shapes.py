"""The job in other shapes: few customers, many, fits of a second, all routes as large as they are.

python -m bench shapes
"""

from bench._turns import Figures
from bench.job import FIRST, SHAPES
from bench.job import measure as measure_job


def measure(*, quick: bool = False) -> Figures:
    """What the job's program says of each shape but the first, ours and the loop alone."""
    figures: Figures = {}
    for shape in SHAPES:
        if shape != FIRST:
            figures |= measure_job(shape, quick=quick, others=())
    return figures
