"""What was found, for people and for other tools; never a key itself."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from doorward._version import __version__

_RULE = "doorward-key"
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """A key that stands where it should not; ``blob`` is where git keeps it."""

    path: str
    line: int
    column: int
    environment: str
    starts: str
    blob: str | None = None

    def __str__(self) -> str:
        kept = f" in {self.blob}" if self.blob else ""
        place = f"{self.path}:{self.line}:{self.column}"
        return f"{place}: {self.environment} key {self.starts}…{kept}"

    def as_data(self) -> dict[str, Any]:
        """Give the finding as JSON shows it."""
        return asdict(self)


def sarif_of(findings: list[Finding]) -> dict[str, Any]:
    """Give findings as code hosts take them (SARIF 2.1.0)."""
    driver = {
        "name": "doorward keys scan",
        "version": __version__,
        "rules": [{"id": _RULE, "shortDescription": {"text": "A Doorward API key"}}],
    }
    results = [_result(finding) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    location = {"artifactLocation": {"uri": quote(finding.path)}, "region": region}
    kept = f", kept by git in {finding.blob}" if finding.blob else ""
    return {
        "ruleId": _RULE,
        "level": "error",
        "message": {"text": f"A Doorward key of {finding.environment}: revoke it{kept}."},
        "locations": [{"physicalLocation": location}],
    }
