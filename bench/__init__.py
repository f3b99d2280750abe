"""wherry beside docker, on the same files, in the same minute. `make bench`."""
