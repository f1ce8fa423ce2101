"""How the pool of consumers is sized, on real arrival traces, in virtual time."""
