"""The source of a small flow, as a user's file holds it.

Touches no library.
"""

FLOW = """
from pathlib import Path
from orchestrator.mapping import flow, task

@task
def listed(n: int):
    return list(range(n))

@task
def work(x):
    print("work", x)
    if Path(f"bad-{x}").exists():
        raise ValueError(f"{x} is bad")
    return 10 * x

@task
def follow(y):
    print("follow", y)

@task(trigger_rule="all_done")
def total(ys):
    print("total", sum(ys))

@flow
def numbers(n: int = 4):
    worked = work.expand(x=listed(n))
    follow.expand(y=worked)
    total(worked)
"""
