"""What a protocol engineer needs beside the codec: explain, compose, list, lint, compare, and what a run exercised.

`pumprig spec` is its command line. Everything here reads the declarations and returns values; nothing prints.
"""
