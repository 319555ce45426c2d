"""Many study folders in one go: one case is one process, one row, one line of the journal.

::

    ROOT ──plan──► cases ──journal──► open cases ──executor──► outcomes ──► batch.json, cohort.csv .parquet .html
                             └─► settled: their row stands              (each journalled at once)

Decisions (2026-11)
-------------------
*A process for every case.* Native code can abort, never return, or take all memory, and no pool survives that: of 40
tasks with one that kills its process, ``ProcessPoolExecutor`` lost 34 and Dask blamed an innocent neighbour. So a case
runs in a fresh interpreter of its own, also inside a Dask worker, and the engine only counts slots. It costs the
interpreter's start, 1.7 s beside the 30 s of the sample case.

*Results on disk at once.* Nothing that was finished lives in an engine's memory: the child writes the case's folder,
the coordinator one flushed line in ``journal.jsonl``. Running again is resuming.

*One worker for each core by default.* A case computes on one thread (measured: 30.9 s of processor in 31.3 s), and
needs 0.5 GiB at its peak; 2 GiB of the machine's memory are kept for each.

*No limit of memory by default, and an hour of time.* How much memory a case may take is the site's to say; where
nothing is said, the kernel is told to end cases before anything else when memory runs out. Without a limit of time one
case could keep the batch from ever ending; an hour is a hundred times the sample case.

*A failure is an outcome too.* It is not tried again on every resume, but under other limits, or with ``--fresh``.

*Keys look at states, not at bytes.* Hashing terabytes to learn that nothing is to be done would be most of the work. A
file that changed but for its name, size, time and permissions needs ``--fresh``.
"""
