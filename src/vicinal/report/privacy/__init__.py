"""Privacy: how near synthetic rows stay to the rows that they were made from.

An attack or a distance is a file; ``measure`` runs them and ``figures`` lists what they found.
"""
