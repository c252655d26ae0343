"""Presence: who is where in the cluster, known on each server (the option presence=True).

It knows of the cluster what ports.py says, so that the cluster can be made of it.

| module | |
|---|---|
| replication | Presence: each server's clients told to the others, and theirs kept here |
| state | a copy of what another server has |
| adapter | what a namespace's adapter answers by that |
| ports | what it needs of a cluster |
"""
