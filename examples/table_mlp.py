"""Mix rows of a table while a small network learns from it.

Needs ``pip install "vicinal[text]"`` for torch. Data come with scikit-learn. Run it with

    python examples/table_mlp.py
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import Beta, EpBeta, Permutation
from vicinal.nn import MixupCollator


def train(data: TensorDataset, mix: MixupCollator | None, epochs: int, seed: int) -> nn.Module:
    """Train a network on rows, mixed by a collator or as they are."""
    torch.manual_seed(seed)
    width = data.tensors[0].shape[1]
    net = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    net.append(nn.Linear(64, 2))
    rows = DataLoader(data, batch_size=16, shuffle=True, collate_fn=mix)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for x, y in rows:
            loss = nn.functional.cross_entropy(net(x), y) if mix is None else y.loss(net(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


def main(n_train: int = 80, epochs: int = 40, seeds: int = 5) -> dict[str, list[tuple]]:
    """Compare accuracy, and how well probabilities are told, with and without mixing."""
    X, y = load_breast_cancer(return_X_y=True)
    found: dict[str, list[tuple]] = {}
    for seed in range(seeds):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, train_size=n_train, stratify=y, random_state=seed
        )
        scaler = StandardScaler().fit(X_train)
        as_rows = [
            torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (X_train, X_test)
        ]
        data = TensorDataset(as_rows[0], torch.tensor(y_train))
        ways = {
            "none": None,
            "Beta": MixupCollator(Permutation(), Beta(0.4), random_state=seed),
            "EpBeta": MixupCollator(Permutation(), EpBeta(), random_state=seed),
        }
        for name, mix in ways.items():
            net = train(data, mix, epochs, seed)
            with torch.no_grad():
                p = torch.softmax(net(as_rows[1]).double(), 1).numpy()
            scores = float(np.mean(p.argmax(1) == y_test)), float(log_loss(y_test, p))
            found.setdefault(name, []).append(scores)
    print(f"breast cancer, {n_train} to learn from, {len(y) - n_train} to test on, {seeds} seeds")
    for name, scores in found.items():
        accuracy, loss = np.mean(scores, axis=0)
        print(f"{name:<8} accuracy {accuracy:.3f}, log loss {loss:.3f}")
    return found


if __name__ == "__main__":
    main()
