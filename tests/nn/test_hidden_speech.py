"""Speech: layers and masks of frames are found as in a hand-written two-stream forward pass."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

from transformers.masking_utils import create_bidirectional_mask  # noqa: E402

import vicinal  # noqa: E402
from vicinal.nn import HiddenMixup, MixupConfig, MixupTrainer  # noqa: E402

LAYERS = 3
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_stride": (5, 4),
    "conv_kernel": (10, 8),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
    "num_labels": 3,
    "apply_spec_augment": False,
}
PERM = [1, 0, 3, 2]


def build(name):
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SMALL)
    return getattr(transformers, f"{name}ForSequenceClassification")(config).eval()


def waves():
    """Return four sounds of unequal lengths."""
    x = torch.randn(4, 400, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(4, 400, dtype=torch.long)
    for row, length in enumerate((400, 200, 150, 320)):
        mask[row, length:] = 0
    return {"input_values": x * mask, "attention_mask": mask}


def by_hand(model, batch, lam, k):
    """Run both parents to layer k on their own, mix, and go on with the union of frames."""

    def mix(h):
        share = lam.view(-1, *[1] * (h.dim() - 1))
        return share * h + (1 - share) * h[PERM]

    inner = model.wav2vec2
    encoder = inner.encoder
    h, _ = inner.feature_projection(inner.feature_extractor(batch["input_values"]).transpose(1, 2))
    mask = inner._get_feature_vector_attention_mask(h.shape[1], batch["attention_mask"])
    h = torch.where(mask[..., None].bool(), h, torch.zeros(()))
    h = encoder.layer_norm(h + encoder.pos_conv_embed(h))
    for at in range(LAYERS):
        if at == k:
            h, mask = mix(h), mask | mask[PERM]
        expanded = create_bidirectional_mask(
            config=model.config, inputs_embeds=h, attention_mask=mask
        )
        h = encoder.layers[at](h, attention_mask=expanded)
        h = h[0] if isinstance(h, tuple) else h
    shown = mask[..., None].to(h.dtype)
    pooled = (model.projector(h) * shown).sum(1) / shown.sum(1)
    return model.classifier(mix(pooled) if k == LAYERS else pooled)


@pytest.mark.parametrize("k", range(LAYERS + 1))
def test_frames_are_mixed_and_pooled_by_both_parents(k):
    model, batch, lam = build("Wav2Vec2"), waves(), torch.tensor([0.7, 0.7, 0.2, 1.1])
    with torch.no_grad(), HiddenMixup(model) as mixer:
        got = mixer(batch, lam=lam, perm=PERM, layer=k).logits
        torch.testing.assert_close(got, by_hand(model, batch, lam, k))


@pytest.mark.parametrize(
    "name", ["Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio", "Wav2Vec2Conformer"]
)
def test_one_direction_gives_the_first_half(name):
    model, batch, lam = build(name), waves(), torch.tensor([0.7, 0.2])
    for k in range(LAYERS + 1):
        with torch.no_grad(), HiddenMixup(model) as mixer:
            assert mixer.n_layers == LAYERS
            both = mixer(batch, lam=lam, layer=k).logits
        with torch.no_grad(), HiddenMixup(model, symmetric=False) as mixer:
            torch.testing.assert_close(mixer(batch, lam=lam, layer=k).logits, both[:2])


def test_a_classifier_of_sounds_that_is_an_encoder_alone():
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        num_mel_bins=8,
        max_source_positions=10,
        classifier_proj_size=8,
        vocab_size=20,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    model = transformers.WhisperForAudioClassification(config).eval()
    batch = {"input_features": torch.randn(2, 8, 20)}
    with torch.no_grad(), HiddenMixup(model) as mixer:
        at_1 = mixer(batch, lam=1.0, layer=1).logits
        at_end = mixer(batch, lam=0.25, layer="sentence").logits
    plain = model(**batch).logits
    torch.testing.assert_close(at_1, plain)
    torch.testing.assert_close(at_end, 0.25 * plain + 0.75 * plain.flip(0))


def test_a_trainer_pairs_sounds_by_what_the_model_hears(tmp_path):
    batch = waves()
    rows = [
        {"input_values": x, "attention_mask": mask, "labels": label}
        for x, mask, label in zip(*batch.values(), [0, 1, 2, 0], strict=True)
    ]
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_train_epochs=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    one = MixupTrainer(
        model=build("Wav2Vec2"),
        args=args,
        train_dataset=rows,
        mixup=MixupConfig(vicinal.Farthest(0.5, metric="euclidean")),
    )
    one.train()
    inner = one.model.wav2vec2.eval()
    with torch.no_grad():
        h = inner(**batch)[0]
        mask = inner._get_feature_vector_attention_mask(h.shape[1], batch["attention_mask"])
        found = one._embed()
    expected = [h[row, mask[row]].mean(0).numpy() for row in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
