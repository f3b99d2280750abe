"""wherry for Python programs: `wherry.Engine`, and what its verbs return. The guide is docs/python.md."""
