"""Manual pages and shell completions, made from the command line itself so that they cannot say anything else."""

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

from scripts.build.tree import ROOT, Plan

_ASK = """
import json, sys
import typer.main
from rpsd.cli.app import app

def told(command, name):
    rows = []
    for p in command.params:
        if getattr(p, "hidden", False):
            continue
        names = list(p.opts) + list(p.secondary_opts)
        argument = p.param_type_name == "argument"
        names = [(p.metavar or p.name).upper()] if argument else names
        value = None if argument or getattr(p, "is_flag", False) else (p.metavar or p.name).upper()
        rows.append({"names": names, "value": value, "help": getattr(p, "help", None) or "", "argument": argument})
    children = getattr(command, "commands", {})
    return {"name": name, "help": command.help or "", "rows": rows,
            "commands": [told(c, f"{name} {n}") for n, c in children.items() if not c.hidden]}

print(json.dumps(told(typer.main.get_command(app), "rpsd")))
"""
_SHELLS = {
    "bash": "bash-completion/completions/rpsd",
    "zsh": "zsh/vendor-completions/_rpsd",
    "fish": "fish/vendor_completions.d/rpsd.fish",
}


def man_pages(plan: Plan) -> dict[str, str]:
    """Section 1 by file name: rpsd.1 for all, and one for each command and group of commands."""
    root = _asked(plan, _ASK)
    day = datetime.fromtimestamp(plan.epoch, UTC).strftime("%Y-%m-%d")
    pages = {"rpsd.1": _page(root, plan.version, day)}
    for command in root["commands"]:
        pages[f"{command['name'].replace(' ', '-')}.1"] = _page(command, plan.version, day)
    return pages


def completions(plan: Plan) -> dict[str, str]:
    """The script of each shell, by its place below /usr/share."""
    ask = "import sys, json\nfrom typer.completion import get_completion_script as s\n"
    ask += "print(json.dumps({n: s(prog_name='rpsd', complete_var='_RPSD_COMPLETE', shell=n) for n in ('bash', 'zsh', 'fish')}))"
    scripts = _asked(plan, ask)
    return {place: scripts[shell].strip() + "\n" for shell, place in _SHELLS.items()}


def _asked(plan: Plan, code: str) -> Any:
    """What the code prints as JSON, run by the release that is being built."""
    site = plan.cache / f"deb-{plan.version}" / "usr/lib/rpsd/releases" / plan.version / "venv/lib" / plan.interpreter / "site-packages"
    done = subprocess.run(
        [str(plan.python), "-S", "-c", f"import sys; sys.path.append({str(site)!r})\n{code}"],
        cwd=ROOT / "packaging", env=plan.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def _page(command: dict[str, Any], version: str, day: str) -> str:
    name = command["name"].replace(" ", "-")
    first = command["help"].split("\n")[0].rstrip(".")
    lines = [f'.TH {name.upper()} 1 "{day}" "rpsd {version}" "rpsd"', ".SH NAME", f"{_plain(name)} \\- {_plain(first)}", ".SH SYNOPSIS"]
    lines += [f".B {_plain(command['name'])}", _plain("[OPTIONS] COMMAND [ARGS]..." if command["commands"] else _usage(command))]
    lines += [".SH DESCRIPTION", *_paragraphs(command["help"]), *_options(command)]
    if command["commands"]:
        lines.append(".SH COMMANDS")
        for child in command["commands"]:
            lines += [".SS " + _plain(f"{child['name']} {_usage(child)}"), *_paragraphs(child["help"])]
            lines += [line for row in child["rows"] for line in _row(row)] if name != "rpsd" else []
    lines += [".SH SEE ALSO", r"The manual: \fBrpsd manual\fP, or /manual on the running server."]
    return "\n".join(lines) + "\n"


def _usage(command: dict[str, Any]) -> str:
    return " ".join(["[OPTIONS]"] + [row["names"][0] for row in command["rows"] if row["argument"]])


def _options(command: dict[str, Any]) -> list[str]:
    return [".SH OPTIONS", *(line for row in command["rows"] for line in _row(row))] if command["rows"] else []


def _row(row: dict[str, Any]) -> list[str]:
    names = ", ".join(rf"\fB{_plain(name)}\fP" for name in row["names"])
    value = rf" \fI{_plain(row['value'])}\fP" if row["value"] else ""
    return [".TP", names + value, _plain(row["help"]) or "."]


def _paragraphs(text: str) -> list[str]:
    return [line for part in text.strip().split("\n\n") for line in (".PP", _plain(" ".join(part.split())))]


def _plain(text: str) -> str:
    """Text in which nothing is markup: backslashes, hyphens, a dot or an apostrophe that would begin a request."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped[:1] in ".'" else escaped
