"""The report: a static site about the runs of a store, which opens from the file system."""
