"""What tests share: real tables, and the declared rate of false alarms."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

#: Every statistical test fails by chance with at most this probability.
FALSE_ALARM = 1e-6

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

DATA = Path(__file__).parents[2] / "shared" / "data"

#: Files of the longest tests. Workers side by side begin with them: one that came last would be
#: waited for by the others.
LONGEST = (
    "jobs/test_ray.py",
    "report/test_fooling.py",
    "test_docs.py",
    "text/test_classifier.py",
    "text/stages",
    "statistics/test_synthesizer.py",
    "report",
    "table/test_synthesizer.py",
    "laws",
    "text",
    "nn",
    "cli",
)


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import settings

    settings.register_profile("vicinal", deadline=None, derandomize=True, max_examples=60)
    settings.load_profile("vicinal")


def pytest_collection_finish() -> None:
    # trainings collect garbage, and would go through all that was imported and collected each time
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        above = {item.path, *item.path.parents}
        found = (at for at, name in enumerate(LONGEST) if here / name in above)
        return next(found, len(LONGEST))

    items.sort(key=turn)


@pytest.fixture(autouse=True)
def threads_of_torch() -> None:
    """Give torch the threads of the environment again: Numba's pool, once started, sets others.

    Tests run side by side, and OpenMP's threads would spin against each other.
    """
    torch, wanted = sys.modules.get("torch"), int(os.environ.get("OMP_NUM_THREADS", 0))
    if torch is not None and wanted and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


@pytest.fixture(scope="module")
def few_trees():
    """Let reports fit a fifth of the boosted trees, where figures of models are not the matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.report.fidelity.twosample.ROUNDS", 20)
        patch.setattr("vicinal.report.utility.learners.ROUNDS", 20)
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the shared tables; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the shared data sets are not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def numeric_table(data_folder):
    """Read the numeric columns of a shared table, complete rows only."""
    import pandas as pd

    def read(name: str) -> np.ndarray:
        path = data_folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in {data_folder}")
        numbers = pd.read_csv(path).select_dtypes("number").dropna()
        return numbers.loc[:, numbers.nunique() > 1].to_numpy(float)

    return read


@pytest.fixture(scope="session")
def z_limit():
    """Return the two-sided normal limit for ``tests`` comparisons made at once."""
    from scipy.special import ndtri

    return lambda tests=1: float(-ndtri(FALSE_ALARM / 2 / tests))


@pytest.fixture(scope="session")
def dkw_limit():
    """Return the Dvoretzky-Kiefer-Wolfowitz bound on a CDF from ``size`` draws."""
    return lambda size: float(np.sqrt(np.log(2 / FALSE_ALARM) / (2 * size)))


#: What a name must not be able to do.
NASTY = "</title></script><script>alert(1)</script><b onmouseover='x'>\x00 \u202egnp"

SENTENCES = (
    "The film was a delight from start to finish.",
    "The battery died after two days, and nobody at the shop wanted to hear about it.",
    "It is short.",
    "A slow but honest look at three sisters who run a bakery in a town by the sea.",
    "Where is the nearest station?",
    "The acting is fine, though the plot falls apart in the last half hour.",
)


def make_morph(steps=5, *, left=SENTENCES[0], right=SENTENCES[1], sentences=None):
    from vicinal.text.augment.interpolate import Morph

    rng = np.random.default_rng(3)
    lam = np.linspace(1, 0, steps)
    return Morph(
        left=left,
        right=right,
        lam=lam,
        sentences=[SENTENCES[i % 6] for i in range(steps)] if sentences is None else sentences,
        lam_measured=lam + rng.normal(0, 0.06, steps),
        closeness=rng.uniform(0.7, 0.95, steps),
        log_likelihood=rng.normal(-1.5, 0.2, steps),
    )


def make_augmented(n=300, *, source=None, classes=("negative", "positive"), label_check="filter"):
    """Return rows made of texts; names and texts as given."""
    from vicinal.text.augment.augmented import Augmented
    from vicinal.text.augment.embedding_map import EmbeddingMap

    rng = np.random.default_rng(4)
    source = (
        [f"{text} ({i})" for i in range(10) for text in SENTENCES] if source is None else source
    )
    numbers = np.arange(len(source)) % len(classes)
    left = rng.integers(0, len(source), n)
    right = (left + rng.integers(1, max(len(source), 2), n)) % len(source)
    lam = rng.uniform(0, 1, n)
    shares = np.zeros((n, len(classes)))
    np.add.at(shares, (np.arange(n), numbers[left]), lam)
    np.add.at(shares, (np.arange(n), numbers[right]), 1 - lam)
    names = np.array(classes)
    why = f"the nearest real texts say {classes[0]!r} (80%), but {classes[-1]!r} has weight 0.91"
    checks = ["kept" if i % 7 else f"relabeled: {why}" for i in range(n)]
    places = rng.normal(0, 1, (len(source), 2)) + 2 * numbers[:, None]
    mixed = lam[:, None] * places[left] + (1 - lam[:, None]) * places[right]
    return Augmented(
        texts=[source[one] for one in left],
        labels=names[shares.argmax(1)] if n else names[:0],
        label_weights=shares,
        classes=names,
        lam=lam,
        lam_measured=lam + rng.normal(0, 0.1, n),
        closeness=rng.uniform(0.6, 0.95, n),
        log_likelihood=rng.normal(-1.5, 0.2, n),
        left=left,
        right=right,
        distance=rng.uniform(1, 2, n),
        check=checks,
        check_score=rng.uniform(0.2, 0.9, n),
        confidence=rng.uniform(0.2, 0.9, n),
        n_written=n + 12 if n else 0,
        n_checked=n + 12 if n else 0,
        label_check=label_check,
        source=list(source),
        source_labels=names[numbers],
        rejected=[source[0]] * 12 if n else [],
        rejections=[why] * 12 if n else [],
        map=EmbeddingMap(places, mixed + rng.normal(0, 0.2, (n, 2)), 0.31),
    )


@pytest.fixture(scope="session")
def made_texts():
    """Return the functions that make results of texts up, for tests of pages."""
    return SimpleNamespace(morph=make_morph, augmented=make_augmented, nasty=NASTY)


class Browser:
    """Pages shown in Chromium, with all that it complained of and asked for."""

    def __init__(self, chromium) -> None:
        self._chromium, self._context = chromium, None
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def open(self, page: Path, size=(1280, 900), *, dark=False, media="screen", script=True):
        """Show a page in a window of its own; return what drives it."""
        self.close()
        self._context = self._chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            is_mobile=size[0] < 500,
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        shown = self._context.new_page()
        self.complaints, self.requests = [], []
        shown.on("console", lambda message: self.complaints.append(message.text))
        shown.on("pageerror", lambda error: self.complaints.append(str(error)))
        shown.on("request", lambda request: self.requests.append(request.url))
        shown.emulate_media(media=media)
        shown.goto(page.as_uri())
        return shown

    def close(self) -> None:
        if self._context is not None:
            self._context.close()


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    binary = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser on this machine; looked for {', '.join(BROWSERS)}")
    with driver.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        opened = Browser(chromium)
        yield opened
        opened.close()
        chromium.close()
