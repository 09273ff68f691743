"""Interoperability: every sensor with every pump on one trace, each a real run of the real firmware."""
