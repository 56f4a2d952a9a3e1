"""Two processes with DistributedDataParallel give the gradients of one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")
if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
    pytest.skip("torch is built without gloo", allow_module_level=True)

COMMON = """
import sys
import torch
from transformers import BertConfig, BertForSequenceClassification
from vicinal.nn import HiddenMixup, soft_cross_entropy

def model():
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=12, pad_token_id=0, num_labels=3)).eval()

rng = torch.Generator().manual_seed(1)
ids = torch.randint(2, 30, (8, 6), generator=rng)
mask = torch.arange(6)[None] < torch.tensor([6, 3, 4, 2, 5, 6, 2, 4])[:, None]
labels = torch.randint(3, (8,), generator=rng)
lam = torch.tensor([0.9, 0.4, 0.7, 1.1])

def step(called, mixer, rows):
    # rows of this process, packed as [anchors, partners]
    batch = {"input_ids": ids[rows], "attention_mask": mask[rows].long()}
    half = len(rows) // 2
    weights = lam[torch.tensor(rows[:half]) // 2]
    swapped = rows[half:] + rows[:half]
    logits = mixer(batch, lam=weights, layer=1, through=called).logits
    return soft_cross_entropy(logits, labels[rows], labels[swapped], torch.cat([weights] * 2))
"""

WORKER = """
import torch.distributed as dist
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
bare = model()
wrapped = torch.nn.parallel.DistributedDataParallel(bare)
rows = [0, 2, 1, 3] if rank == 0 else [4, 6, 5, 7]
handed = wrapped if rank else bare  # either may be given to the mixer
with HiddenMixup(handed) as mixer:
    step(wrapped, mixer, rows).backward()
torch.save([p.grad for p in bare.parameters()], f"{folder}/grads{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + WORKER, str(rank), str(tmp_path)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=240)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said

    space: dict = {}
    exec(COMMON, space)
    model = space["model"]()
    with space["HiddenMixup"](model) as mixer:
        for rows in ([0, 2, 1, 3], [4, 6, 5, 7]):
            (space["step"](None, mixer, rows) / 2).backward()
    shares = [torch.load(tmp_path / f"grads{rank}.pt") for rank in (0, 1)]
    assert len(shares[0]) > 10
    for one, first, second in zip(model.parameters(), *shares, strict=True):
        torch.testing.assert_close(first, second)
        torch.testing.assert_close(first, one.grad, atol=1e-6, rtol=1e-4)
