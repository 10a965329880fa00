"""The pure engine: no clock, no logging, no I/O (a contract of import-linter).

    engine             events in, instructions out
    events             these events and instructions
    node_state         the instances of one node
    expansion          a node's items, once its upstreams are known
    trigger_verdicts   whether an instance runs, by its trigger rule
    transitions        ends, noted and counted
    queues             the order in which instances and nodes start
    admission, limits  the next starts under the limits
    instance_options   a task's options for one instance
    key_registry       the keys of one flow run

Touches no library; runs on the driver.
"""
