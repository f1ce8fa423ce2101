"""On the side: load, metrics, scaler, report.

Rules of residence: it reads counts and says how many consumers there should be; it never
touches an event. Take this room out, and data still flows.
"""
