"""wherry: a container platform for AI applications. See docs/ for the tutorial, docs/dev/ for the design."""
