"""Names for containers that the user gave none, and their ids."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database

__all__ = ["free_name", "new_id"]

_ADJECTIVES = (
    "able", "agile", "amber", "ample", "azure", "blithe", "bold", "brave", "breezy", "bright", "brisk", "calm",
    "candid", "clever", "coral", "cosy", "crisp", "daring", "deft", "eager", "early", "fair", "fleet", "fond",
    "frank", "fresh", "gentle", "glad", "golden", "grand", "hardy", "hearty", "jolly", "keen", "kind", "lively",
    "loyal", "lucid", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky",
    "polite", "prime", "proud", "quick", "quiet", "ready", "serene", "sharp", "silver", "sincere", "smooth", "snug",
    "spry", "steady", "sunny", "swift", "tidy", "vivid", "warm", "wise", "witty", "zesty",
)  # fmt: skip
# People of computing, mathematics, statistics and the sea
_SURNAMES = (
    "abel", "ada", "amdahl", "anning", "babbage", "backus", "bayes", "beaufort", "bernoulli", "boole", "brunel",
    "cauchy", "cerf", "chebyshev", "church", "codd", "cook", "cray", "curie", "dijkstra", "drake", "engelbart",
    "erdos", "euler", "fermat", "fisher", "fourier", "franklin", "galois", "galton", "gauss", "germain", "godel",
    "goldberg", "gosset", "grace", "hamilton", "hamming", "hilbert", "hoare", "hollerith", "hypatia", "jacquard",
    "karp", "kay", "kilburn", "kleene", "knuth", "kolmogorov", "lamarr", "lamport", "laplace", "leibniz", "liskov",
    "lovelace", "mackenzie", "magellan", "markov", "mccarthy", "mercator", "minsky", "moore", "nansen", "napier",
    "noether", "noyce", "pascal", "perlman", "poisson", "polya", "quetelet", "ritchie", "rosenblatt", "shackleton",
    "shannon", "somerville", "stibitz", "tarjan", "thompson", "torvalds", "tukey", "turing", "venn", "viterbi",
    "wiener", "wilkes", "wirth", "yates", "zuse",
)  # fmt: skip


def new_id() -> str:
    """64 hex digits whose first 12 are not all decimal: a host name must not be a number."""
    while True:
        found = os.urandom(32).hex()
        if not found[:12].isdecimal():
            return found


def free_name(db: Database) -> str:
    """adjective_surname that no container has; a number is put behind when luck fails."""
    for attempt in range(20):
        first, second = int.from_bytes(os.urandom(4)), int.from_bytes(os.urandom(4))
        name = f"{_ADJECTIVES[first % len(_ADJECTIVES)]}_{_SURNAMES[second % len(_SURNAMES)]}"
        if attempt > 5:
            name += str(first % 10 ** (attempt - 4))
        if db.read().execute("SELECT 1 FROM container WHERE name = ?", (name,)).fetchone() is None:
            return name
    return os.urandom(8).hex()
