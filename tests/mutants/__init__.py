"""Hand-made faults in the core, and whether the tests notice them: ``make mutants``."""
