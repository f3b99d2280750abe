"""What a project is, read as an expert would read it, and the files that package it.

`read.read(folder)` says `facts.Facts`. Nothing of the project is imported or executed: its Python is parsed, its
other files are read as data, bounded in number and size.
"""
