"""`python -m pumpwire.generate`: writes the generated files, or with --check tells whether they are current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pumpwire.generate.files import checkout, generated, wrong_examples
from pumpwire.generate.names import names


def main(arguments: list[str] | None = None) -> int:
    """Runs the generator.

    Args:
        arguments: of the command line, without the program's name.

    Returns:
        0, or 1 when --check found a stale file, or when a worked example is wrong; then nothing is written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pumpwire.generate", description="Write the files generated from the wire's declarations."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    parser.add_argument("--names", action="store_true", help="list messages, fields and words, and write nothing")
    parser.add_argument("--root", type=Path, default=checkout(), help="the checkout (default: this one)")
    options = parser.parse_args(arguments)
    if options.names:
        sys.stdout.write(names())
        return 0
    if wrong := wrong_examples():
        print("\n".join(wrong))
        return 1
    stale = False
    for path, text in generated().items():
        target = options.root / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if options.check:
            print(f"{path} is stale: run `python -m pumpwire.generate` and commit what it writes")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
