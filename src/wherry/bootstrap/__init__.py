"""Stand-in base images, made on this machine from Debian's packages and a CPython that is here."""
