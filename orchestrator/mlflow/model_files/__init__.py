"""The files of a fitted estimator, in the folder of its run.

    files       written, checked and named
    formats     skops, MLflow's flavors, pickle where allowed
    trust       types that a skops file may hold
    signatures  the inputs and outputs of a model
    own_code    the project's modules that are stored with a model
    checksums   sizes and checksums; whether files are there
    readback    a written model loaded and asked for predictions
    readers     the process that reads models back

Touches MLflow and skops; runs on workers, and on the driver for reading back.
"""
