"""A process of its own that compiles the programs with BCC, from BTF. Nobody imports it."""
