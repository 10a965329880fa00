"""Flow runs in which something goes wrong: `make chaos`, and shortly in tests/test_chaos.py.

work.py      what is trained: 2,000 short trials whose fits are counted
places.py    what can be killed: clusters, servers, networks, disks
scene.py     one flow run: its folder, its driver, what ledger and MLflow hold in the end
staging.py   scenes with the places their faults need
faults.py    what goes wrong with processes, networks and disks
lost_stores.py  what is lost, damaged or exchanged under a ledger
trying.py    one attempt, and whether anything was lost or doubled
mortal.py    a cluster whose schedulers are killed at work
mapped.py    mapped calls that outlive them
__main__.py  every fault, many times; the table
"""
