"""The prediction contract: what an application answers, how exactly, and how soon. Pure but for a `Caller`."""
