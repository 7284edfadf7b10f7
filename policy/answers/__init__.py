"""
Questions about policies, answered exactly, each with an example.
"""
