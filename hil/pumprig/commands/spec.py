"""`pumprig spec`: read, decode, build and judge the messages of the wire."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pumprig.errors import UsageError
from pumpwire.database import CHARACTERISTICS, Characteristic
from pumpwire.declare import TO_CLIENT, TO_PUMP
from pumpwire.tools.explain import Explained, explain, explain_value
from pumpwire.tools.lookup import InputError, characteristic_called, message_called, octets_of

__all__ = ["command"]

WRONG = 2
BREAKING = 6
FOUND = 1


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise UsageError(error.what, where=error.where, allowed=error.allowed) from None


@click.group("spec")
def command() -> None:
    """Read, decode, build and judge the messages of the wire.

    \b
    Examples:
      pumprig spec list bolus
      pumprig spec show SetBolus
      pumprig spec decode 4b11003319f000000000 --on "command control point"
      pumprig spec encode SetBolus --json '{"bolus_type": "FAST", "fast_amount_iu": 2.5,
                                            "extended_amount_iu": 0, "duration_minutes": 0}'
      pumprig spec decode capture.btsnoop
      pumprig spec breaking --against git:HEAD
    """


@command.command("list")
@click.argument("word", default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(word: str, as_json: bool) -> int:
    """List the messages, those that contain WORD when one is given."""
    from pumpwire.registry import MESSAGES
    from pumpwire.tools import show

    if as_json:
        found = [m for m in MESSAGES.values() if word.lower() in f"{m.name} {m.on.name}".lower()]
        click.echo(json.dumps([{"name": m.name, "opcode": m.opcode, "on": m.on.name} for m in found], indent=1))
        return 0
    lines = show.listing(word)
    if not lines:
        raise UsageError(f"no message or characteristic contains {word!r}", remedy="`pumprig spec list` shows all.")
    click.echo("\n".join(lines))
    return 0


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(name: str, as_json: bool) -> int:
    """Show what is declared of message NAME: fields, limits, clause, examples."""
    from pumpwire.tools import show

    with _named():
        message = message_called(name)
    click.echo(json.dumps(show.as_json(message), indent=1) if as_json else "\n".join(show.page(message)))
    return 0


@command.command("decode")
@click.argument("octets", metavar="HEX|FILE.btsnoop")
@click.option("--on", "on", metavar="CHARACTERISTIC", help="Name, part of a name, UUID, or handle:0x0021.")
@click.option("--direction", type=click.Choice([TO_PUMP, TO_CLIENT]), help="By default where the message is known.")
@click.option("--e2e", is_flag=True, help="HEX is a whole value: check and take off counter and CRC.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; a capture gives one object a line.")
def decode_command(octets: str, on: str | None, direction: str | None, e2e: bool, as_json: bool) -> int:
    """Say what octets mean, field by field, or print a capture as a transcript.

    Octets that are wrong are explained: message, field, offset, value, and what was allowed; the exit code is 2 then.
    """
    if octets.endswith(".btsnoop"):
        from pumprig.spec.transcript import transcript

        for line in transcript(Path(octets), as_json=as_json):
            click.echo(line)
        return 0
    if os.path.isfile(octets):  # A Path refuses hundreds of digits.
        raise UsageError("this is a file that is no capture", where=octets, allowed="octets, or a FILE.btsnoop")
    with _named():
        data = octets_of(octets)
        explained = _explained(data, on, direction, e2e)
    if as_json:
        shown = [one.as_json() for one in explained]
        click.echo(json.dumps(shown[0] if len(shown) == 1 else shown, indent=1))
    for one in explained:
        _show(one, quiet=as_json)
    if not e2e and explained[0].wrong is not None:
        _hint(data, explained[0])
    return 0 if all(one.ok for one in explained) else WRONG


def _explained(data: bytes, on: str | None, direction: str | None, e2e: bool) -> list[Explained]:
    if on is not None:
        characteristic = characteristic_called(on)
        return explain_value(characteristic, data, direction) if e2e else [explain(characteristic, data, direction)]
    known = [one for item in CHARACTERISTICS.values() if (one := _known(item, data, direction, e2e))]
    # The one that is right; or the one that at least knows an opcode of two octets, to say what is wrong.
    found = [one for one in known if all(part.ok for part in one)]
    found = found or [one for one in known if one[0].characteristic.opcode_octets > 1] or known
    if len(found) == 1:
        return found[0]
    names = ", ".join(one[0].characteristic.name for one in found) or "see `pumprig spec list`"
    what = f"the octets fit {'several' if found else 'no'} characteristics; name the one they came on"
    raise InputError(what, "--on", names)


# Only characteristics whose messages begin with an opcode can be told by the octets alone.
def _known(item: Characteristic, data: bytes, direction: str | None, e2e: bool) -> list[Explained] | None:
    if not item.opcode_octets:
        return None
    explained = explain_value(item, data, direction) if e2e else [explain(item, data, direction)]
    return explained if explained[0].message is not None else None


def _hint(data: bytes, explained: Explained) -> None:
    if all(one.ok for one in explain_value(explained.characteristic, data, explained.direction)):
        click.echo("With its end-to-end protection taken off it is right: use --e2e.", err=True)


def _show(one: Explained, *, quiet: bool) -> None:
    from pumpwire.tools.exchange import text_of

    if not quiet:
        name = one.message.name if one.message else "?"
        click.echo(f"{name}  ({one.characteristic.name}, {one.direction})  {one.outcome.name}")
        for part in one.parts:
            value = "" if part.value is None else f"0x{part.value:04X}" if part.field is None else text_of(part.value)
            doc = f"  # {part.field.doc}" if part.field is not None and part.field.doc else ""
            click.echo(f"  {part.offset:3}  {part.octets.hex():12} {part.name} {value}{doc}".rstrip())
        if one.e2e is not None:
            click.echo(f"  end-to-end protection: {one.e2e.text}")
    if one.wrong is not None:
        allowed = f"; allowed: {one.wrong.allowed}" if one.wrong.allowed else ""
        click.echo(f"pumprig: {one.wrong.where}: {one.wrong.what}{allowed}.", err=True)
    if one.e2e is not None and not one.e2e.ok:
        click.echo(f"pumprig: {one.characteristic.name}: {one.e2e.text}.", err=True)


@command.command("encode")
@click.argument("name")
@click.option("--json", "text", metavar="OBJECT", help='Values as JSON, "-" or nothing for standard input.')
@click.option("--e2e", is_flag=True, help="Add counter and CRC.")
@click.option("--counter", type=click.IntRange(1, 255), default=1, show_default=True, help="For --e2e.")
def encode_command(name: str, text: str | None, e2e: bool, counter: int) -> int:
    """Print the octets of message NAME in hexadecimal.

    Enumerations go by name or number, flags as a list of names or a number, decimal numbers as numbers or text. A flag
    that only says that a field is there may be left out.
    """
    from pumpwire.tools.compose import compose, protected, values_of

    with _named():
        message = message_called(name)
        if text is None and not message.fields:
            text = "{}"
        values = values_of(sys.stdin.read() if text in (None, "-") else str(text))
        octets = compose(message, values)
    click.echo((protected(message, octets, counter) if e2e else octets).hex())
    return 0


@command.command("lint")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lint_command(as_json: bool) -> int:
    """Check the declarations: names, units, limits, examples, opcodes, lengths. Ends with 1 when something is found."""
    from pumpwire.registry import MESSAGES
    from pumpwire.tools.lint import RULES, lint

    findings = lint()
    if as_json:
        shown: list[dict[str, Any]] = [
            {"rule": finding.rule, "where": finding.where, "text": finding.text} for finding in findings
        ]
        click.echo(json.dumps(shown, indent=1))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(f"lint: {len(MESSAGES)} messages, {len(RULES)} rules, {len(findings)} breaches")
    return FOUND if findings else 0


@command.command("coverage")
@click.argument("runs", metavar="RUN|FILE.btsnoop...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--missing", is_flag=True, help="Name what never came, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def coverage_command(runs: tuple[Path, ...], missing: bool, as_json: bool) -> int:
    """Say which messages, enumeration values, optional fields and error codes runs exercised.

    RUN is the folder of a run made with `pumprig run --capture`, or a capture of any bearer. A folder that holds runs
    counts all of them.
    """
    from pumprig.spec.transcript import coverage_of

    coverage, captures = coverage_of(runs)
    if as_json:
        click.echo(json.dumps({"captures": [str(path) for path in captures], **coverage.as_json()}, indent=1))
        return 0
    click.echo(f"{coverage.pdus} PDUs; captures: {len(captures)}")
    for title, share in coverage.shares().items():
        click.echo(f"{title}: {len(share.seen)} of {share.count}")
        for name, count in sorted(share.seen.items()):
            click.echo(f"  {count:7}  {name}")
        if missing:
            for name in share.missing:
                click.echo(f"        -  {name}")
    return 0


_FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit", "github"]), default="text", show_default=True,
    help="github prints workflow commands.",
)  # fmt: skip


@command.command("diff")
@click.argument("old")
@click.argument("new", default="now")
@_FORMAT
def diff_command(old: str, new: str, form: str) -> int:
    """Say what changed between two descriptions of the wire.

    OLD and NEW are files like protocol/wire.lock.json, git:REVISION for the one of a commit, or now for what is
    declared. Every change has a level (wire, source, docs) and says whether it breaks those who keep the old one.
    """
    from pumprig.spec.changes import load, render
    from pumpwire.tools.lock import compare, worst

    before, after = load(old), load(new)
    with _named():
        changes = compare(before, after)
    level = worst(changes)
    verdict = {
        "old": old, "new": new, "wire_version": [before["wire_version"], after["wire_version"]],
        "breaks": None if level is None else level.name.lower(),
    }  # fmt: skip
    click.echo(render(changes, form, verdict=verdict))
    return 0


@command.command("breaking")
@click.option("--against", default="git:HEAD", show_default=True, metavar="FILE|git:REVISION", help="The wire to keep.")
@click.option("--level", default="wire", show_default=True, type=click.Choice(["wire", "source", "docs"]),
              help="The least grave level that counts; source also counts names, docs any word.")  # fmt: skip
@_FORMAT
def breaking_command(against: str, level: str, form: str) -> int:
    """Judge the declarations against a wire that others rely on; exit code 6 when they break it.

    Messages marked as drafts are exempt. A break that comes with a raised wire version is announced: old and new
    refuse each other when they connect, and nothing is misunderstood. It is shown, and the exit code is 0.
    """
    from pumprig.spec.changes import load, now, render
    from pumpwire.tools.lock import Level, announced, compare

    before, after = load(against), now()
    with _named():
        changes = compare(before, after)
    least = Level[level.upper()]
    counted = [c for c in changes if c.level >= least and (c.breaking or least is Level.DOCS)]
    raised = announced(before, after)
    verdict = {
        "against": against, "level": level, "breaking": len(counted), "announced": raised,
        "wire_version": [before["wire_version"], after["wire_version"]],
    }  # fmt: skip
    said = render(counted if form == "text" else changes, form, verdict=verdict)
    if form != "text" or counted:
        click.echo(said)
    if form == "text":
        count = len(changes) - len(counted)
        click.echo(f"{len(counted)} breaking changes of {level} against {against}, {count} others")
    if not counted:
        return 0
    if raised:
        click.echo(f"announced by wire version {after['wire_version']}", err=True)
        return 0
    click.echo("Keep the old wire beside the new one, or raise WIRE_VERSION in protocol/pumpwire/vendor.py.", err=True)
    return BREAKING
