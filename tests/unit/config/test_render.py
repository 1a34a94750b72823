"""The file that ships, and what `config show` prints."""

import re
from pathlib import Path

from rpsd.config import Settings, explain, read, render
from rpsd.config.entries import entries, value


def uncommented(text: str) -> str:
    """The shipped file with every setting in force."""
    body = text.split("\n\n", 1)[1]
    return "\n".join(line.removeprefix("# ") for line in body.splitlines())


def test_every_line_is_a_comment_with_one_sentence() -> None:
    lines = [line for line in render().splitlines() if line]
    assert all(line.startswith("#") for line in lines)
    settings = [line for line in lines if re.match(r"# +\w+: \S", line)]
    assert len(settings) >= len(list(entries()))
    assert all(re.search(r" # [A-Za-z0-9<].+[.)]$", line) for line in settings)


def test_the_defaults_of_the_file_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(uncommented(render()))
    settings = read(file, {})
    named = {name for name, origin in settings.origin.items() if origin.startswith(str(file))}
    assert named == {entry.name for entry in entries()}
    assert all(value(settings, entry.name) == value(Settings(), entry.name) for entry in entries())


def test_the_shipped_file_is_the_rendered_one(root: Path) -> None:
    """`make etc` writes it."""
    assert (root / "etc" / "config.yaml").read_text() == render()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "sources: {alpha_vantage: {key_file: /0123456789, symbols: [A]}}\nalerts: {webhooks: [https://example.org/0123456789]}\n"
        "backup: {offsite: {command: [copy, '{file}', 'box:0123456789']}}\n"
    )
    shown = str(explain(read(file, {})))
    assert "0123456789" not in shown
    assert "config.yaml:1:1" in shown
