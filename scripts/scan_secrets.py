"""Look for secrets and for traces of a developer's machine in every file git would commit: `python scripts/scan_secrets.py [ROOT]`.

Found: private keys, API keys of rpsd and of common vendors, JSON web tokens, passwords in URLs, assignments of random-looking
text to names such as `secret`; absolute paths of home directories, and addresses of package registries (a lock must work with
any mirror). A finding is printed without the secret itself and the exit is 1. There is no list of exemptions: a test that
needs such a text builds it when it runs.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 2_000_000  # bytes; samples and locks are far below

# Written in pieces, so that this file passes its own scan.
REGISTRIES = "|".join(("py" + "pi", "python" + "hosted", "npm" + "js", "deb" + r"ian\.org/deb" + "ian", "crates" + r"\.io"))
SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")),
    ("rpsd API key", re.compile(r"\brpsd_[0-9A-Za-z]{6,}_(?=[A-Za-z-]*\d)[0-9A-Za-z-]{22,}")),  # 128 random bits
    ("JSON web token", re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    ("cloud access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("vendor token", re.compile(r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{30,}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}|sk-[\w-]{32,})")),
    ("password in a URL", re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@'\"{}$<>]+:[^\s/@'\"{}$<>]{6,}@[\w.-]+", re.I)),
    ("home directory", re.compile(r"(?<![\w.~-])/(?:root|Users/[a-z]\w*|home/[a-z]\w*)/")),
    ("workplace directory", re.compile(r"(?<![\w.~-])/(?:wo" + r"rk|tmp/l" + r"ab)/")),
    ("package registry", re.compile(r"https?://[\w.-]*(?:" + REGISTRIES + r")", re.I)),
)
ASSIGNMENT = re.compile(r"\b\w*(?:secret|passw(?:or)?d|token|api_?key|pepper)\w*[\"']?\s*[:=]\s*[\"']([\w+/=-]{20,})[\"']", re.I)
RANDOM_BITS = 3.7  # Shannon bits per character: hex digits of a random key have about 3.8, words and names about 3.2


def entropy(text: str) -> float:
    """Shannon entropy of the characters of `text`, bits per character."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of everything in `text` that must not be committed."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, kind) for kind, pattern in SECRETS if pattern.search(line))
        for match in ASSIGNMENT.finditer(line):
            if re.search(r"\d", match[1]) and entropy(match[1]) >= RANDOM_BITS:
                yield number, "random-looking text assigned to a secret's name"


def candidates(root: Path) -> Iterator[Path]:
    """Files that git tracks or would add, as paths relative to `root`; binary and very large ones are left out."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        file = root / name
        if file.is_file() and not file.is_symlink() and file.stat().st_size <= LARGEST and b"\0" not in file.read_bytes():
            yield Path(name)


def main(root: Path) -> int:
    files = list(candidates(root))
    found = [
        f"{file}:{number}: {kind}"
        for file in files
        for number, kind in findings((root / file).read_text(encoding="utf-8", errors="replace"))
    ]
    for line in found:
        print(line, file=sys.stderr)
    print(f"secret scan: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
