"""Learn spoken words from a few voices, mixing the hidden states of a network over raw sound.

Needs ``pip install "vicinal[text]"`` and the program espeak-ng, which speaks the words; the network
is a small wav2vec 2.0 that is trained from nothing. Run it with

    python examples/spoken_words.py
"""

from __future__ import annotations

import io
import subprocess
import tempfile
import wave

import numpy as np
import torch
from transformers import TrainingArguments, Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from vicinal import Beta
from vicinal.nn import MixupConfig, MixupTrainer

WORDS = ["yes", "no", "up", "down", "left", "right", "stop", "go"]
VOICES = ["m1", "m3", "m5", "m7", "f1", "f2", "f3", "f5"]
UNHEARD = ["m2", "m4", "f4"]


def speak(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """Return a word as espeak-ng says it: samples at a quarter of its rate, standardized."""
    how = ["--stdout", "-v", f"en-us+{voice}", "-s", str(speed), "-p", str(pitch), word]
    said = subprocess.run(["espeak-ng", *how], check=True, capture_output=True)  # noqa: S603, S607
    with wave.open(io.BytesIO(said.stdout)) as sound:
        samples = np.frombuffer(sound.readframes(2**30), np.int16).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 300)
    samples = samples[loud[0] : loud[-1] : 4]
    return (samples - samples.mean()) / samples.std()


def rows(voices: list[str], rng: np.random.Generator) -> list[dict[str, object]]:
    """Return each word by each voice, at a speed and pitch of its own."""
    return [
        {
            "sound": speak(word, voice, int(rng.integers(130, 200)), int(rng.integers(30, 70))),
            "labels": number,
        }
        for voice in voices
        for number, word in enumerate(WORDS)
    ]


def collate(batch: list[dict[str, object]]) -> dict[str, torch.Tensor]:
    """Pad sounds to the longest; the mask says which samples are real."""
    sounds = [torch.tensor(row["sound"]) for row in batch]
    mask = [torch.ones(len(sound), dtype=torch.long) for sound in sounds]
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "input_values": pad(sounds, batch_first=True),
        "attention_mask": pad(mask, batch_first=True),
        "labels": torch.tensor([row["labels"] for row in batch]),
    }


def network(seed: int) -> Wav2Vec2ForSequenceClassification:
    """Return a small network over raw sound."""
    torch.manual_seed(seed)
    return Wav2Vec2ForSequenceClassification(
        Wav2Vec2Config(
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=128,
            conv_dim=(32, 64, 64),
            conv_kernel=(16, 8, 4),
            conv_stride=(8, 4, 2),
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            classifier_proj_size=64,
            num_labels=len(WORDS),
            apply_spec_augment=False,
            layerdrop=0.0,
        )
    )


def main(epochs: int = 40, seeds: int = 3) -> dict[str, list[float]]:
    """Compare no mixing and mixing at hidden layers on voices that were not heard."""
    found: dict[str, list[float]] = {}
    ways = {"none": MixupConfig(where="none"), "hidden": MixupConfig(weights=Beta(0.4))}
    rng = np.random.default_rng(0)
    heard, unheard = rows(VOICES, rng), rows(UNHEARD, rng)
    for seed in range(seeds):
        for name, mixup in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                args = TrainingArguments(
                    output_dir=folder,
                    num_train_epochs=epochs,
                    per_device_train_batch_size=16,
                    learning_rate=1e-3,
                    warmup_steps=20,
                    seed=seed,
                    report_to=[],
                    save_strategy="no",
                    disable_tqdm=True,
                    logging_strategy="no",
                )
                trainer = MixupTrainer(
                    model=network(seed),
                    args=args,
                    train_dataset=heard,
                    eval_dataset=unheard,
                    data_collator=collate,
                    mixup=mixup,
                    accuracy_rows=0,
                )
                trainer.train()
                said = trainer.predict(unheard)
            right = said.predictions.argmax(1) == said.label_ids
            found.setdefault(name, []).append(float(right.mean()))
    print(
        f"{len(WORDS)} words, {len(heard)} sounds to learn from, {len(unheard)} by other voices "
        f"to test on, {seeds} seeds"
    )
    for name, scores in found.items():
        print(f"{name:<8} accuracy {np.mean(scores):.3f} (of each seed {np.round(scores, 3)})")
    return found


if __name__ == "__main__":
    main()
