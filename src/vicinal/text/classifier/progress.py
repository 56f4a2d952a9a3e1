"""A bar while a model trains."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

__all__ = ["progress_bar"]


def progress_bar() -> TrainerCallback:
    """Return a callback that shows how far training is, on standard error."""
    return _Bar()


class _Bar(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("Training", total=state.max_steps)
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(self._task, completed=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.stop()
