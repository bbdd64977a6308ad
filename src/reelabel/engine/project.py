"""The settings of a workspace, checked by its task."""

from __future__ import annotations

from typing import Any

from reelabel.config import Config, parse
from reelabel.engine.task import Task, check_project, task_named
from reelabel.short_names import DEFAULT_TASK
from reelabel.workspace import Workspace
from reelabel.yaml_text import read_yaml


def task_of(config: Config) -> Task:
    """Return the task of a workspace."""
    return task_named(config.project.task)


def read_config(workspace: Workspace) -> Config:
    """Return the checked settings of a workspace.

    Raises:
        ConfigError: if `reelabel.yaml` is damaged or holds something unknown.
    """
    return parse_config(read_yaml(workspace.config_path), str(workspace.config_path))


def parse_config(raw: dict[str, Any], where: str) -> Config:
    """Return settings, checked against the task that they name.

    Raises:
        ConfigError: if something in them is unknown, wrong, or of another task.
    """
    config = parse(raw, sections_of(raw), where)
    check_project(task_of(config), config.project, where)
    return config


def sections_of(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the settings types of the stages of the task that settings name.

    Raises:
        ConfigError: if there is no such task.
    """
    return task_named(raw.get("task", DEFAULT_TASK)).sections
