"""``python -m ops.rules deploy/prometheus/rules``: write the rule files.

``--grafana`` and ``--runbooks`` set the addresses that alerts link to.
"""

import argparse
from pathlib import Path

from ops.rules.conversions import confidence, drop_alerts, drop_statistic
from ops.rules.levels import flow, flow_alerts, level_alerts, levels
from ops.rules.rule import Links, rule_file
from ops.rules.software import software


def files(links: Links) -> dict[str, str]:
    """The rule files by name."""
    groups = {
        "conversions.yml": [confidence(), drop_statistic(), drop_alerts()],
        "levels.yml": [levels(), level_alerts()],
        "flow.yml": [flow(), flow_alerts()],
        "software.yml": [software()],
    }
    return {name: rule_file(of_file, links) for name, of_file in groups.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.rules", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grafana", default=Links().grafana, help="Address of Grafana.")
    parser.add_argument("--runbooks", default=Links().runbooks, help="Address of docs/runbooks.")
    given = parser.parse_args()
    for name, text in files(Links(given.grafana, given.runbooks)).items():
        (given.folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
