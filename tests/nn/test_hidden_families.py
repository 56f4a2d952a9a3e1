"""HiddenMixup equals a hand-written two-stream forward pass, family by family."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

from transformers.masking_utils import (  # noqa: E402
    create_bidirectional_mask,
    create_bidirectional_sliding_window_mask,
    create_causal_mask,
)

from vicinal.nn import HiddenMixup  # noqa: E402

COMMON = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
    "num_labels": 3,
}
LAYERS = 3


def _bert_like(base, layers):
    """Run layers that take an expanded mask, then the head on the first token."""

    def tail(model, h, union, k, head):
        inner = getattr(model, base)
        mask = create_bidirectional_mask(config=model.config, inputs_embeds=h, attention_mask=union)
        for layer in layers(inner)[k:]:
            out = layer(h, mask)
            h = out[0] if isinstance(out, tuple) else out
        return head(model, inner, h, union)

    return tail


def _albert(model, h, union, k, head):
    mask = create_bidirectional_mask(config=model.config, inputs_embeds=h, attention_mask=union)
    for i in range(k, LAYERS):
        group = int(i / (LAYERS / model.config.num_hidden_groups))
        h = model.albert.encoder.albert_layer_groups[group](h, mask)
    return head(model, model.albert, h, union)


def _mpnet(model, h, union, k, head):
    encoder = model.mpnet.encoder
    mask = create_bidirectional_mask(config=model.config, inputs_embeds=h, attention_mask=union)
    for layer in encoder.layer[k:]:
        h = layer(h, mask, encoder.compute_position_bias(h))[0]
    return head(model, model.mpnet, h, union)


def _deberta(model, h, union, k, head):
    encoder, first = model.deberta.encoder, h
    for i in range(k, LAYERS):
        out, _ = encoder.layer[i](
            h,
            encoder.get_attention_mask(union),
            relative_pos=encoder.get_rel_pos(h),
            rel_embeddings=encoder.get_rel_embedding(),
        )
        if i == 0 and encoder.conv is not None:
            out = encoder.conv(first, out, union)
        h = out
    return head(model, model.deberta, h, union)


def _modernbert(model, h, union, k, head):
    inner, given = model.model, {"config": model.config, "inputs_embeds": h}
    masks = {
        "full_attention": create_bidirectional_mask(**given, attention_mask=union),
        "sliding_attention": create_bidirectional_sliding_window_mask(
            **given, attention_mask=union
        ),
    }
    places = torch.arange(h.shape[1])[None]
    for layer in inner.layers[k:]:
        kind = layer.attention_type
        h = layer(
            h,
            attention_mask=masks[kind],
            position_embeddings=inner.rotary_emb(h, places, kind),
        )
    return head(model, inner, inner.final_norm(h), union)


def _decoder(model, h, union, k, head):
    inner = model.model
    places = torch.arange(h.shape[1])[None]
    mask = create_causal_mask(
        config=model.config,
        inputs_embeds=h,
        attention_mask=union,
        past_key_values=None,
        position_ids=places,
    )
    rotary = inner.rotary_emb(h, position_ids=places)
    for layer in inner.layers[k:]:
        h = layer(h, attention_mask=mask, position_embeddings=rotary, position_ids=places)
    return head(model, inner, inner.norm(h), union)


def _first(h):
    return h[:, 0]


def _mean(h, mask):
    return (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


# Heads: (pooled state of the last hidden states, the rest of the model on pooled states).
HEADS = {
    "pooler": (
        lambda model, inner, h, mask: inner.pooler(h),
        lambda model, pooled: model.classifier(pooled),
    ),
    "albert": (
        lambda model, inner, h, mask: inner.pooler_activation(inner.pooler(_first(h))),
        lambda model, pooled: model.classifier(pooled),
    ),
    "head": (
        lambda model, inner, h, mask: _first(h),
        lambda model, pooled: model.classifier(pooled[:, None]),
    ),
    "distilbert": (
        lambda model, inner, h, mask: _first(h),
        lambda model, pooled: model.classifier(torch.relu(model.pre_classifier(pooled))),
    ),
    "deberta": (
        lambda model, inner, h, mask: _first(h),
        lambda model, pooled: model.classifier(model.pooler(pooled[:, None])),
    ),
    "modernbert": (
        lambda model, inner, h, mask: (
            _mean(h, mask) if model.config.classifier_pooling == "mean" else _first(h)
        ),
        lambda model, pooled: model.classifier(model.head(pooled)),
    ),
    "last": (
        lambda model, inner, h, mask: h[:, -1],
        lambda model, pooled: model.score(pooled),
    ),
}

_bert = _bert_like("bert", lambda inner: inner.encoder.layer)
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["c2p", "p2c"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "type_vocab_size": 0,
    "position_biased_input": False,
    "pooler_hidden_size": 16,
}
_DECODER = {"num_key_value_heads": 1}
_MODERN = {"local_attention": 4, "global_attn_every_n_layers": 2}

#: name: (model, further settings, tail, head)
FAMILIES = {
    "bert": ("Bert", {}, _bert, "pooler"),
    "roberta": (
        "Roberta",
        {},
        _bert_like("roberta", lambda inner: inner.encoder.layer),
        "head",
    ),
    "xlm-roberta": (
        "XLMRoberta",
        {},
        _bert_like("roberta", lambda inner: inner.encoder.layer),
        "head",
    ),
    "electra": (
        "Electra",
        {"embedding_size": 8},
        _bert_like("electra", lambda inner: inner.encoder.layer),
        "head",
    ),
    "distilbert": (
        "DistilBert",
        {"hidden_dim": 24},
        _bert_like("distilbert", lambda inner: inner.transformer.layer),
        "distilbert",
    ),
    "mpnet": ("MPNet", {}, _mpnet, "head"),
    "deberta-v2": ("DebertaV2", _DEBERTA, _deberta, "deberta"),
    "deberta-v2-conv": (
        "DebertaV2",
        {**_DEBERTA, "conv_kernel_size": 3, "conv_act": "gelu"},
        _deberta,
        "deberta",
    ),
    "albert": ("Albert", {"embedding_size": 8}, _albert, "albert"),
    "albert-groups": (
        "Albert",
        {"embedding_size": 8, "num_hidden_groups": 3},
        _albert,
        "albert",
    ),
    "modernbert": (
        "ModernBert",
        {**_MODERN, "classifier_pooling": "cls"},
        _modernbert,
        "modernbert",
    ),
    "modernbert-mean": (
        "ModernBert",
        {**_MODERN, "classifier_pooling": "mean"},
        _modernbert,
        "modernbert",
    ),
    "llama": ("Llama", _DECODER, _decoder, "last"),
    "qwen2": ("Qwen2", _DECODER, _decoder, "last"),
    "qwen3": ("Qwen3", {**_DECODER, "head_dim": 8}, _decoder, "last"),
}
#: Families with one way to attend.
EAGER = {"mpnet", "deberta-v2", "deberta-v2-conv"}
WAYS = [
    (name, way) for name in FAMILIES for way in (["eager"] if name in EAGER else ["eager", "sdpa"])
]


def build(name, way=None, **more):
    kind, extra, _, _ = FAMILIES[name]
    way = way or ("eager" if name in EAGER else "sdpa")
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**COMMON, **extra, **more})
    config._attn_implementation = way
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    with torch.no_grad():  # tiny initial weights would hide most mistakes
        for one in model.parameters():
            one.normal_(std=0.4).add_(1.0 if one.dim() == 1 else 0.0)
    return model


def sentences(name, lengths=(7, 3, 5, 4, 2, 7)):
    """Return token numbers and masks; padded on the left for decoders."""
    rng = torch.Generator().manual_seed(1)
    ids = torch.randint(2, 50, (len(lengths), max(lengths)), generator=rng)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    if FAMILIES[name][3] == "last":
        mask = mask.flip(1)
    return {"input_ids": ids.masked_fill(~mask, 1), "attention_mask": mask.long()}


def two_stream(name, model, batch, perm, lam, k):
    """Run both parents on their own to layer k, mix by hand, run on with the union mask."""
    _, _, tail, head = FAMILIES[name]
    pool, finish = HEADS[head]
    left, right = ({key: value[rows] for key, value in batch.items()} for rows in (..., perm))
    weight = lam.view(-1, 1, 1)
    union = torch.maximum(left["attention_mask"], right["attention_mask"])

    def pooled(rows):
        return tail(
            model,
            model.base_model(**rows, output_hidden_states=True).hidden_states[0],
            rows["attention_mask"],
            0,
            pool,
        )

    with torch.no_grad():
        if k == LAYERS:
            a, b = pooled(left), pooled(right)
            return finish(model, lam[:, None] * a + (1 - lam[:, None]) * b)
        a, b = (
            model.base_model(**rows, output_hidden_states=True).hidden_states[k]
            for rows in (left, right)
        )
        return finish(model, tail(model, weight * a + (1 - weight) * b, union, k, pool))


PERM = torch.tensor([1, 2, 0, 4, 3, 1])  # neither a permutation nor its own inverse
LAM = torch.tensor([0.9, 0.3, 1.2, -0.15, 0.5, 0.7])


@pytest.mark.parametrize(("name", "way"), WAYS, ids=lambda value: value)
def test_equals_two_streams(name, way):
    model, batch = build(name, way), sentences(name)
    plain = model(**batch).logits
    with torch.no_grad(), HiddenMixup(model) as mixer:
        assert mixer.n_layers == LAYERS
        seen = []
        for k in range(LAYERS + 1):
            expected = two_stream(name, model, batch, PERM, LAM, k)
            got = mixer(batch, perm=PERM, lam=LAM, layer=k).logits
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
            assert (got - plain).abs().max() > 1e-3, "nothing was mixed"
            seen.append(got)
    for k in range(LAYERS):
        assert (seen[k] - seen[k + 1]).abs().max() > 1e-4, "layers make no difference"


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_mask_of_one_parent_only_would_be_noticed(name):
    """The oracle itself can fail: with the left parent's mask alone the result differs."""
    model, batch = build(name, "eager"), sentences(name)
    own = {**batch, "attention_mask": batch["attention_mask"]}
    wrong = two_stream(name, model, own, torch.arange(6), torch.ones(6), 1)
    right = two_stream(name, model, batch, PERM, torch.ones(6), 1)
    assert (wrong[1] - right[1]).abs().max() > 1e-4  # a short row whose partner is longer


@pytest.mark.parametrize("name", list(FAMILIES))
def test_one_direction_gives_the_first_half(name):
    model, batch = build(name), sentences(name)
    swap, lam = torch.tensor([3, 4, 5, 0, 1, 2]), torch.tensor([0.9, 0.3, 1.2])
    with torch.no_grad(), HiddenMixup(model, symmetric=False) as mixer:
        for k in range(LAYERS + 1):
            expected = two_stream(name, model, batch, swap, torch.cat([lam, lam]), k)[:3]
            got = mixer(batch, lam=lam, layer=k).logits
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not hasattr(transformers, "EuroBertConfig"), reason="needs EuroBERT")
def test_scores_of_tokens_are_pooled_by_the_union():
    torch.manual_seed(0)
    config = transformers.EuroBertConfig(**COMMON, num_key_value_heads=1)
    assert config.classifier_pooling == "late"
    model = transformers.EuroBertForSequenceClassification(config).eval()
    batch = sentences("bert")
    mask = batch["attention_mask"]
    swap, lam = torch.tensor([3, 4, 5, 0, 1, 2]), torch.tensor([0.9, 0.3, 1.2])
    weight = torch.cat([lam, lam])[:, None, None]
    with torch.no_grad():
        h = model.model(**batch)[0]
        mixed = model.dense(weight * h + (1 - weight) * h[swap])
        scores = model.classifier(model.activation(mixed))
        expected = _mean(scores, torch.maximum(mask, mask[swap]))
        for symmetric in (True, False):
            with HiddenMixup(model, symmetric=symmetric) as mixer:
                got = mixer(batch, lam=lam, layer="sentence").logits
            torch.testing.assert_close(got, expected[: len(got)])
            assert len(got) == (6 if symmetric else 3)


@pytest.mark.parametrize("name", ["bloom", "falcon"])
def test_what_heads_take_for_each_row_is_cut_with_the_rows(name):
    shape = {"bloom": {"n_layer": 3, "n_head": 2}, "falcon": {"alibi": True}}[name]
    kind = name.capitalize()
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**COMMON, **shape})
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    batch, lam = sentences("llama"), torch.tensor([0.9, 0.3, 1.2])
    for k in range(LAYERS + 1):
        with torch.no_grad(), HiddenMixup(model) as mixer:
            both = mixer(batch, lam=lam, layer=k).logits
        with torch.no_grad(), HiddenMixup(model, symmetric=False) as mixer:
            torch.testing.assert_close(mixer(batch, lam=lam, layer=k).logits, both[:3])


@pytest.mark.parametrize("name", ["bert", "electra"])
def test_token_types_stay_with_their_rows(name):
    model, batch = build(name), sentences(name)
    plain = model(**batch).logits
    batch["token_type_ids"] = torch.randint(2, (6, 7), generator=torch.Generator().manual_seed(2))
    assert (model(**batch).logits - plain).abs().max() > 1e-3
    swap = torch.tensor([3, 4, 5, 0, 1, 2])
    with torch.no_grad():
        for k in range(LAYERS + 1):
            expected = two_stream(name, model, batch, PERM, LAM, k)
            with HiddenMixup(model) as mixer:
                got = mixer(batch, perm=PERM, lam=LAM, layer=k).logits
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
            expected = two_stream(name, model, batch, swap, LAM, k)[:3]
            with HiddenMixup(model, symmetric=False) as mixer:
                got = mixer(batch, lam=LAM, layer=k).logits
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_masks_that_users_expand_themselves(kind):
    model, batch = build("bert"), sentences("bert")
    wide = batch["attention_mask"].bool()[:, None, None, :].expand(6, 1, 7, 7)
    if kind == "additive":
        wide = torch.zeros(6, 1, 7, 7).masked_fill(~wide, torch.finfo(torch.float32).min)
    with torch.no_grad(), HiddenMixup(model) as mixer:
        for k in range(LAYERS + 1):
            got = mixer({**batch, "attention_mask": wide}, perm=PERM, lam=LAM, layer=k).logits
            expected = two_stream("bert", model, batch, PERM, LAM, k)
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_embeddings_in_place_of_tokens(name):
    model, batch = build(name), sentences(name)
    given = {
        "inputs_embeds": model.get_input_embeddings()(batch["input_ids"]).detach(),
        "attention_mask": batch["attention_mask"],
    }
    if name.endswith("roberta"):  # positions are counted from tokens, or from the first place
        start = model.config.pad_token_id + 1
        batch["position_ids"] = torch.arange(start, start + 7).expand(6, 7)
    if name == "mpnet":
        batch["position_ids"] = torch.arange(2, 9).expand(6, 7)
    with torch.no_grad(), HiddenMixup(model) as mixer:
        for k in range(LAYERS + 1):
            one = mixer(batch, perm=PERM, lam=LAM, layer=k).logits
            other = mixer(given, perm=PERM, lam=LAM, layer=k).logits
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("k", [0, 2])
def test_checkpointed_gradients_are_the_plain_ones(name, k):
    model, batch = build(name), sentences(name)
    if not model.supports_gradient_checkpointing:
        pytest.skip(f"{name} has no gradient checkpointing in this release")
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.attention_dropout = model.config.attention_probs_dropout_prob = 0.0
    grads = []
    for checkpointed in (False, True):
        model.zero_grad()
        if checkpointed:
            enable = getattr(
                model, "activation_checkpointing_enable", model.gradient_checkpointing_enable
            )
            enable({"use_reentrant": False})
        with HiddenMixup(model) as mixer:
            mixer(batch, perm=PERM, lam=LAM, layer=k).logits.square().sum().backward()
        grads.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert len(grads[0]) == len(grads[1]) > 5
    for plain, again in zip(*grads, strict=True):
        torch.testing.assert_close(again, plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_nothing_is_left_behind(name):
    model, batch = build(name), sentences(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = model(**batch).logits
    with HiddenMixup(model) as mixer:
        mixer(batch, perm=PERM, lam=LAM, layer=1)
        assert torch.equal(model(**batch).logits, plain), "a plain call is not mixed"
    assert torch.equal(model(**batch).logits, plain)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
def test_right_padding_is_refused_where_the_last_token_is_read(name):
    model = build(name)
    batch = {key: value.flip(1) for key, value in sentences(name).items()}
    with HiddenMixup(model) as mixer, pytest.raises(ValueError, match="padding_side = 'left'"):
        mixer(batch, perm=PERM, lam=0.5, layer=1)


class OwnHead(torch.nn.Module):
    """An encoder without a head, mean pooling, a head of one's own."""

    def __init__(self, encoder):
        super().__init__()
        self.head = torch.nn.Linear(16, 3)
        self.encoder = encoder

    def forward(self, input_ids, attention_mask=None):
        h = self.encoder(input_ids, attention_mask)[0]
        weight = torch.ones_like(h[..., 0]) if attention_mask is None else attention_mask
        return self.head(_mean(h, weight))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", ["bert", "llama"])
def test_an_encoder_in_a_module_of_ones_own(name, masked):
    tail = FAMILIES[name][2]
    model = build(name)
    own = OwnHead(model.base_model).eval()
    batch = sentences(name)
    if not masked:
        batch = {"input_ids": batch["input_ids"].clamp(min=2)}
    mask = batch.get("attention_mask", torch.ones(6, 7, dtype=torch.long))
    union = torch.maximum(mask, mask[PERM])
    with torch.no_grad(), HiddenMixup(own) as mixer, HiddenMixup(build(name).base_model) as bare:
        assert mixer.encoder is model.base_model
        for k in range(LAYERS):
            h = own.encoder(**batch, output_hidden_states=True).hidden_states[k]
            h = LAM[:, None, None] * h + (1 - LAM[:, None, None]) * h[PERM]
            h = tail(model, h, union, k, lambda model, inner, h, mask: h)
            expected = own.head(_mean(h, union))
            got = mixer(batch, perm=PERM, lam=LAM, layer=k)
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
            tokens = bare(batch, perm=PERM, lam=LAM, layer=k)[0]
            torch.testing.assert_close(
                own.head(_mean(tokens, bare.union(mask))), expected, atol=1e-5, rtol=1e-5
            )


def test_two_stacks_are_refused():
    config = transformers.BartConfig(
        vocab_size=20, d_model=8, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, max_position_embeddings=9,
    )  # fmt: skip
    with pytest.raises(ValueError, match="an encoder and a decoder"):
        HiddenMixup(transformers.BartForSequenceClassification(config))


def test_models_that_shorten_their_states_are_refused():
    config = transformers.FunnelConfig(
        vocab_size=30, block_sizes=[1, 1], d_model=16, n_head=2, d_head=8, d_inner=16
    )
    with pytest.raises(ValueError, match="shortens its states between layers"):
        HiddenMixup(transformers.FunnelForSequenceClassification(config))


def test_an_opt_that_is_padded_on_the_right_is_refused():
    config = transformers.OPTConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, ffn_dim=16, num_attention_heads=2,
        max_position_embeddings=16, word_embed_proj_dim=16, pad_token_id=1,
    )  # fmt: skip
    model = transformers.OPTForSequenceClassification(config).eval()
    batch = {"input_ids": torch.full((4, 5), 7), "attention_mask": torch.ones(4, 5).long()}
    with HiddenMixup(model) as mixer:
        assert mixer(batch, lam=0.7, layer=2).logits.shape == (4, 2)
        batch["attention_mask"][0, -1] = 0
        with pytest.raises(ValueError, match="Pad on the left"):
            mixer(batch, lam=0.7, layer=1)


def test_a_model_of_images_whose_states_shrink():
    config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    model = transformers.ConvNextForImageClassification(config).eval()
    x = torch.randn(4, 3, 32, 32)
    with HiddenMixup(model) as mixer, torch.no_grad():
        assert mixer.n_layers == 2
        for layer in range(3):
            same = mixer({"pixel_values": x}, lam=1.0, layer=layer).logits
            torch.testing.assert_close(same, model(x).logits)
        mixed = mixer({"pixel_values": x}, lam=0.7, layer=0).logits
        h = model.convnext.embeddings(x)
        h = 0.7 * h + 0.3 * h[[2, 3, 0, 1]]
        pooled = model.convnext.layernorm(model.convnext.encoder(h)[0].mean([-2, -1]))
        torch.testing.assert_close(mixed, model.classifier(pooled))


def test_a_sentence_transformer_pools_by_both_masks(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=12, pad_token_id=0,
    )  # fmt: skip
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    bert.save_pretrained(tmp_path)
    words = [f"w{i}" for i in range(25)]
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    )
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    model = SentenceTransformer(modules=[Transformer(str(tmp_path)), Pooling(16)], device="cpu")
    ids = torch.randint(5, 30, (4, 6))
    mask = (torch.arange(6)[None] < torch.tensor([6, 3, 4, 2])[:, None]).long()
    batch = {"input_ids": ids, "attention_mask": mask}
    with HiddenMixup(model.eval()) as mixer, torch.no_grad():
        found = mixer(batch, lam=0.7, layer=1)["sentence_embedding"]
    with HiddenMixup(bert) as mixer, torch.no_grad():
        states = mixer(batch, lam=0.7, layer=1)[0]
        union = mixer.union(mask)[..., None]
    torch.testing.assert_close(found, (states * union).sum(1) / union.sum(1))
