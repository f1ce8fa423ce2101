"""Across the process border: collectors that run in worker processes.

    loop's process                                     worker
    pool -> nursery (a fork server) ................... child -> workbench
    worker: frames of events  -- socket, store  -->     runs them
            results           <-- page, bell    --
"""
