"""Mix images while a small convolutional network learns digits: any modality, three lines.

Needs ``pip install "vicinal[text]"`` for torch. Data come with scikit-learn. Run it with

    python examples/digits_cnn.py
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import Beta, Farthest, Permutation
from vicinal.nn import MixupCollator


def train(data: TensorDataset, mix: MixupCollator | None, epochs: int, seed: int) -> nn.Module:
    """Train a network on images, mixed by a collator or as they are."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 16, 10),
    )
    rows = DataLoader(data, batch_size=32, shuffle=True, collate_fn=mix)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for x, y in rows:
            # a mixed target knows its own loss; plain labels need torch's
            loss = nn.functional.cross_entropy(net(x), y) if mix is None else y.loss(net(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


def main(n_train: int = 100, epochs: int = 40, seeds: int = 5) -> dict[str, list[float]]:
    """Compare no mixing, any partner and far partners, on few labelled digits."""
    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    labels = torch.tensor(y)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        train_rows, test_rows = train_test_split(
            np.arange(len(y)), train_size=n_train, stratify=y, random_state=seed
        )
        data = TensorDataset(images[train_rows], labels[train_rows])
        far = Farthest(0.2, metric="euclidean")  # images have no norm to speak of: no ball
        ways = {
            "none": None,
            "any partner": MixupCollator(Permutation(), Beta(0.4), random_state=seed),
            "far partner": MixupCollator(far, Beta(0.4), random_state=seed),
        }
        for name, mix in ways.items():
            net = train(data, mix, epochs, seed)
            with torch.no_grad():
                right = net(images[test_rows]).argmax(1) == labels[test_rows]
            found.setdefault(name, []).append(right.float().mean().item())
    print(f"digits, {n_train} to learn from, {len(y) - n_train} to test on, {seeds} seeds")
    for name, scores in found.items():
        print(
            f"{name:<12} accuracy {np.mean(scores):.3f} (standard deviation {np.std(scores):.3f})"
        )
    return found


if __name__ == "__main__":
    main()
