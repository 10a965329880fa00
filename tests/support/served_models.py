"""A champion loaded by a process that does not know this project.

Takes MLflow's address, gives what the model predicts.
"""

import os
import subprocess
import sys
from pathlib import Path

PREDICT = """
import sys
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/flights.AA-DFW@champion")
print(model.predict(pandas.DataFrame({"delay": [-5.0, 50.0], "carrier": [1, 2]})).tolist())
assert not [name for name in sys.modules if name.startswith("orchestrator")]
"""


def predict_elsewhere(url: str, folder: Path) -> str:
    """The champion's predictions in a process that does not have this project on its path."""
    return subprocess.run(
        [sys.executable, "-I", "-c", PREDICT, url],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
