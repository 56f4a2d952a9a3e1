"""Mix and cut images on the device, in the loop that users of timm know.

Needs ``pip install "vicinal[text]"`` for torch. Data come with scikit-learn. Run it with

    python examples/images_like_timm.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import Beta, Uniform
from vicinal.nn import MixupBatch


def main(epochs: int = 20, n_train: int = 400, seed: int = 0) -> dict[str, float]:
    """Train a small network with and without mixing, and print its accuracy."""
    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    parts = train_test_split(
        images, torch.tensor(y), train_size=n_train, stratify=y, random_state=seed
    )
    x_train, x_test, y_train, y_test = parts
    # timm: Mixup(mixup_alpha=0.4, cutmix_alpha=1.0, switch_prob=0.5, num_classes=10)
    mixup_fn = MixupBatch(
        weights=Beta(0.4), cutmix=Uniform(), switch_prob=0.5, num_classes=10, random_state=seed
    )
    found = {}
    for name, mix in (("no mixing", None), ("mixup and CutMix", mixup_fn)):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
        for _ in range(epochs):
            for x_batch, target in loader:
                if mix is not None:
                    x_batch, target = mix(x_batch, target)
                loss = nn.functional.cross_entropy(model(x_batch), target)  # takes soft labels
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            found[name] = (model(x_test).argmax(1) == y_test).float().mean().item()
        print(f"{name:<17} accuracy {found[name]:.3f}")
    return found


if __name__ == "__main__":
    main()
