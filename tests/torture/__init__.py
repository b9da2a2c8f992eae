"""Load, crashes and a ledger kept outside: is a lead answered with 202 ever lost or owned twice?

``python -m tests.torture --rounds 25 --mode distributed`` runs it; ``make torture`` does too.
"""
