"""Conformance: cases against a live Insulin Delivery Service, ours or another's, each with the clause that it checks.

`model` says what a case is, `cases_*` are the cases, `session` speaks to the server octet by octet, `bench` opens it
anew for each case, `runner` runs them, `show` prints what came out, and `prove` shows that the cases can fail.
"""
