"""Data Docs that open without a network, appear whole, and are found again: one folder per run, one index.

Great Expectations' pages fetch their style and tables from the internet, and its index is empty without. So
everything remote is taken out, the style is our own, and the index is written here.
"""

import html
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.quality.expectations import plain_name
from features.quality.verdicts import Failure, Verdict

_RUNS_KEPT = 30
_FACTS = "run.json"
_ASIDE = ".next-"
_REMOTE = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>|<footer>.*?</footer>|@import[^;]*;",
    re.DOTALL | re.IGNORECASE,
)
_CROSS = re.compile(r'<i class="[^"]*fa-(?:times|exclamation)[^"]*"[^>]*></i>')
_TICK = re.compile(r'<i class="[^"]*fa-check[^"]*"[^>]*></i>')
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; color: #222; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; } th { text-align: left; }
td, th { border: 1px solid #ccc; padding: .3rem .6rem; vertical-align: top; }
.alert, .card-header { background: #eee; padding: .5rem; } .collapse { display: block; }
.sticky, thead[hidden] { display: none; } .show-scrollbars { overflow: visible; max-height: none; }
.ok { color: #176b2c; } .failed { color: #b00020; } .warning { color: #8a5a00; }
</style></head>"""


@dataclass(frozen=True, slots=True)
class Page:
    """One check: the pages that Great Expectations made of it (what they show -> name), and the verdicts."""

    label: str
    about: str
    pages: Mapping[str, str]
    verdicts: tuple[Verdict, ...]


def publish(folder: Path, run: str, pages: Sequence[Page], build: Callable[[Path], None]) -> Path:
    """Add a run to the Data Docs; the newest runs are kept.

    Args:
        folder: where they lie.
        run: name of the run; an earlier run of that name gives way.
        pages: what was checked.
        build: writes Great Expectations' pages into a folder.

    Returns:
        The index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(f"{_ASIDE}*"):
        shutil.rmtree(left_over)
    earlier = _runs(folder)
    number = max((int(path.name.split("-")[0]) for path in earlier), default=0) + 1
    name = f"{number:06d}-{plain_name(run)}"
    aside = folder / f"{_ASIDE}{name}"
    build(aside)
    _without_network(aside)
    facts = {"run": run, "checks": [_facts(aside, page) for page in pages]}
    (aside / _FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    aside.rename(folder / name)
    kept = [path for path in earlier if path.name.partition("-")[2] != plain_name(run)][-_RUNS_KEPT + 1 :]
    _write_index(folder, [*kept, folder / name])
    for path in earlier:
        if path not in kept:
            shutil.rmtree(path)
    return folder / "index.html"


def _runs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if (path / _FACTS).is_file())


def _without_network(folder: Path) -> None:
    shutil.rmtree(folder / "static", ignore_errors=True)
    (folder / "index.html").unlink(missing_ok=True)
    for path in folder.rglob("*.html"):
        text = _REMOTE.sub("", path.read_text(encoding="utf-8"))
        text = _TICK.sub('<span class="ok">&#10003;</span>', text)
        text = _CROSS.sub('<span class="failed">&#10007;</span>', text)
        up = "../" * len(path.relative_to(folder).parts)
        text = re.sub(r'href="(?:\.\./)*index\.html"', f'href="{up}index.html"', text)
        path.write_text(text.replace("</head>", _STYLE, 1), encoding="utf-8")


def _facts(folder: Path, page: Page) -> dict[str, Any]:
    links = {}
    for text, name in page.pages.items():
        found = sorted((folder / "validations" / name).rglob("*.html"))
        if found:
            links[text] = found[-1].relative_to(folder).as_posix()
    return {
        "label": page.label,
        "about": page.about,
        "passed": all(verdict.passed for verdict in page.verdicts),
        "deliveries": len(page.verdicts),
        "failures": [line for verdict in page.verdicts for line in _lines(page, verdict, verdict.failures)],
        "warnings": [line for verdict in page.verdicts for line in _lines(page, verdict, verdict.warnings)],
        "skipped": sorted({rule for verdict in page.verdicts for rule in verdict.skipped}),
        "links": links,
    }


def _lines(page: Page, verdict: Verdict, found: Sequence[Failure]) -> list[str]:
    before = "" if verdict.label == page.label else f"{verdict.label}: "
    return [f"{before}{failure}" for failure in found]


def _write_index(folder: Path, runs: Sequence[Path]) -> None:
    sections = "".join(_section(path) for path in reversed(runs))
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><title>Data quality</title>'
        f"{_STYLE}<body><h1>Data quality</h1><p>The newest run comes first. Values of personal columns are "
        f"never shown.</p>{sections}</body></html>"
    )
    aside = folder / ".index.html"
    aside.write_text(text, encoding="utf-8")
    aside.replace(folder / "index.html")


def _section(path: Path) -> str:
    facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    rows = "".join(_row(path.name, check) for check in facts["checks"])
    head = "<tr><th>Checked</th><th>Result</th><th>What was found</th><th>Pages</th></tr>"
    return f"<h2>{html.escape(facts['run'])}</h2><table>{head}{rows}</table>"


def _row(run: str, check: Mapping[str, Any]) -> str:
    result = (
        ("failed" if not check["passed"] else "warning") if check["failures"] or check["warnings"] else "ok"
    )
    found = [html.escape(text) for text in (*check["failures"], *check["warnings"])]
    if check["skipped"]:
        found.append(html.escape(f"Not checked, the column is not there: {', '.join(check['skipped'])}."))
    if check["deliveries"] > 1:
        found.append(f"{check['deliveries']:,} deliveries.")
    links = [
        f'<a href="{html.escape(f"{run}/{link}")}">{html.escape(text)}</a>'
        for text, link in check["links"].items()
    ]
    cells = (
        f"<strong>{html.escape(check['label'])}</strong><br>{html.escape(check['about'])}",
        f'<span class="{result}">{result}</span>',
        "<br>".join(found),
        "<br>".join(links),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
