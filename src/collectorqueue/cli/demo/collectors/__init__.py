"""The demo's collectors, one module each: what it does to an event, and its totals."""
