"""
Questions about policies, answered from what the kernel would get.
"""
