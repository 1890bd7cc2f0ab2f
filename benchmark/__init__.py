"""Many runs, and what they say: suites, engines, the store of runs, and tables."""
