"""What a run leaves in Prefect for people: one summary in plain words, without anybody's name."""

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact


def summarise(command: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Leave a summary artifact and hand the summary on; `rows` of people stay out of the artifact."""
    lines = [f"# winback {command}", "", *(f"- {sentence}" for sentence in summary.get("sentences", ()))]
    for title in ("counts", "metrics", "paths"):
        figures = summary.get(title)
        if figures:
            lines += ["", f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in figures.items()]
    create_markdown_artifact(key=f"winback-{command}", markdown="\n".join(lines))
    return dict(summary)
