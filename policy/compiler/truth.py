"""
Three values: whether a rule, or a part of one, matches. MAYBE: something about the request could not be told.
"""

NO, MAYBE, YES = 0, 1, 2
