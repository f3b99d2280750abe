"""Records of training runs: queries, comparison, plots, and their form as OCI artifacts. Pure."""
