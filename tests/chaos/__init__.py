"""Kill -9 at random moments of random commands, and everything still agrees: `make chaos N=1000`.

`acts` draws command lines, `ledger` remembers what containers were told is written, `judge` compares what wherry says
with what the kernel shows, `run` kills and looks.

`crowd` is many clients at once instead, and nobody killed: `make chaos CLIENTS=16 SECONDS=300`.
"""
