"""What tasks of tests note, in a module of its own: values of a task's module are part of it."""

from collections import Counter

ran: Counter[str] = Counter()
broken: set[int] = set()
