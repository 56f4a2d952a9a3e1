"""HiddenMixup on modules of one's own: masks, replays, wrappers, and what is refused."""

from __future__ import annotations

import threading
import warnings

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from vicinal import MixPlan  # noqa: E402
from vicinal.nn import HiddenMixup  # noqa: E402

WIDTH, LAYERS = 6, 3


class Block(nn.Module):
    """Attends by a 2-D mask, True where a token counts."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, attention_mask=None):
        score = x @ x.transpose(1, 2)
        if attention_mask is not None:
            score = score.masked_fill(~attention_mask.bool()[:, None], -1e9)
        return x + torch.tanh(self.inner(score.softmax(-1) @ x))


class Encoder(nn.Module):
    def __init__(self, replay=None):
        super().__init__()
        self.embed = nn.Embedding(20, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.replay = replay

    def forward(self, tokens, attention_mask=None):
        x = self.embed(tokens)
        for block in self.blocks:
            if self.replay is None:
                x = block(x, attention_mask)
            else:
                x = checkpoint(block, x, attention_mask, use_reentrant=self.replay)
        return x


class Pooled(nn.Module):
    """Mean pooling by the mask, and a head."""

    def __init__(self, replay=None):
        super().__init__()
        self.encoder = Encoder(replay)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, tokens, attention_mask=None):
        h = self.encoder(tokens, attention_mask=attention_mask)
        if attention_mask is None:
            return self.head(h.mean(1))
        weight = attention_mask[..., None].to(h)
        return self.head((h * weight).sum(1) / weight.sum(1))


TOKENS = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0], [9, 10, 11, 0], [12, 0, 0, 0]])
BATCH = {"tokens": TOKENS, "attention_mask": TOKENS != 0}
PERM = torch.tensor([1, 2, 0, 0])
LAM = torch.tensor([0.8, 0.35, 1.1, 0.5])
WHERE = {"layers": "encoder.blocks", "encoder": "encoder"}


def made(model=None, seed=0, **kwargs):
    torch.manual_seed(seed)
    return (model or Pooled)(**kwargs)


def by_hand(model, k, perm=PERM, lam=LAM):
    tokens, own = BATCH["tokens"], BATCH["attention_mask"]
    h = model.encoder.embed(tokens)
    mask = own
    for i, block in enumerate(model.encoder.blocks):
        if i == k:
            h = lam[:, None, None] * h + (1 - lam[:, None, None]) * h[perm]
            of_both = torch.where(lam[:, None] == 0, own[perm], own | own[perm])
            mask = torch.where(lam[:, None] == 1, own, of_both)
        h = block(h, mask)
    pooled = (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    if k == LAYERS:
        pooled = lam[:, None] * pooled + (1 - lam[:, None]) * pooled[perm]
    return model.head(pooled)


@pytest.mark.parametrize("k", range(LAYERS + 1))
def test_pooling_around_a_named_encoder_is_by_the_union(k):
    model = made()
    with HiddenMixup(model, **WHERE, head="head") as mixer:
        got = mixer(BATCH, perm=PERM, lam=LAM, layer=k)
    torch.testing.assert_close(got, by_hand(model, k))


def test_the_encoder_alone_pooled_by_the_mixers_union():
    model = made()
    with HiddenMixup(model.encoder) as mixer:
        assert mixer.layer_names == ("blocks.0", "blocks.1", "blocks.2")
        h = mixer(BATCH, perm=PERM, lam=LAM, layer=1)
        weight = mixer.union(BATCH["attention_mask"])[..., None]
    got = model.head((h * weight).sum(1) / weight.sum(1))
    torch.testing.assert_close(got, by_hand(model, 1))


def test_half_of_the_rows_with_one_direction():
    model, swap = made(), torch.tensor([2, 3, 0, 1])
    for k in range(LAYERS + 1):
        with HiddenMixup(model, **WHERE, head="head", symmetric=False) as mixer:
            got = mixer(BATCH, lam=LAM[:2], layer=k)
        torch.testing.assert_close(got, by_hand(model, k, swap)[:2])


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("k", range(LAYERS + 1))
def test_a_plan_is_two_streams_mixed_as_it_says(k, symmetric):
    plan = MixPlan([3, 0, 3, 1, 0], [1, 2, 0, 1, 0], [0.7, 0.4, 1.2, 0.5, 1.0])
    model = made()
    with HiddenMixup(model, **WHERE, head="head", symmetric=symmetric) as mixer:
        got = mixer(BATCH, plan=plan, layer=k)
        seen = mixer.union(BATCH["attention_mask"])
    rows = [
        by_hand(model, k, torch.tensor([right] * 4), torch.full((4,), lam))[left]
        for left, right, lam in zip(plan.left, plan.right, plan.lam.tolist(), strict=True)
    ]
    torch.testing.assert_close(got, torch.stack(rows))
    masks = BATCH["attention_mask"]
    assert torch.equal(seen, masks[plan.left.tolist()] | masks[plan.right.tolist()])


def test_a_plan_of_all_rows_in_order_is_partners_and_weights():
    model = made()
    plan = MixPlan(range(4), PERM, LAM)
    with HiddenMixup(model, **WHERE, symmetric=False) as mixer:
        torch.testing.assert_close(mixer(BATCH, plan=plan, layer=1), by_hand(model, 1))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({}, ValueError, "give one of the two"),
        ({"lam": 0.5, "plan": MixPlan([0], [1], [0.5])}, ValueError, "give one of the two"),
        ({"perm": PERM, "plan": MixPlan([0], [1], [0.5])}, ValueError, "give one of the two"),
        ({"plan": MixPlan([0], [4], [0.5])}, ValueError, "row 4, and the batch has 4 rows"),
        ({"plan": [0, 1]}, TypeError, "must be a vicinal.MixPlan, got list"),
        (
            {"plan": MixPlan.from_parents([[0, 1, 2]], [[0.5, 0.25, 0.25]])},
            ValueError,
            "two parents to a row",
        ),
    ],
)
def test_plans_that_do_not_fit(given, error, said):
    with HiddenMixup(made(), **WHERE) as mixer, pytest.raises(error, match=said):
        mixer(BATCH, layer=1, **given)


def test_names_of_layers():
    model = made()
    with HiddenMixup(model, **WHERE, head="head") as mixer:
        one = [mixer(BATCH, perm=PERM, lam=0.3, layer=k) for k in ("input", 0, "sentence", LAYERS)]
    assert torch.equal(one[0], one[1])
    assert torch.equal(one[2], one[3])


@pytest.mark.parametrize("replay", [False, True], ids=["kept-graph", "reentrant"])
@pytest.mark.parametrize("k", range(LAYERS))
def test_hooks_that_run_again_in_the_backward_pass_mix_the_same(replay, k):
    grads = []
    for how in (None, replay):
        model = made(replay=how)
        with HiddenMixup(model, **WHERE) as mixer:
            mixer(BATCH, perm=PERM, lam=LAM, layer=k).square().sum().backward()
        grads.append([one.grad for one in model.parameters()])
    for plain, again in zip(*grads, strict=True):
        torch.testing.assert_close(again, plain)


def test_a_plain_call_mixes_nothing():
    model = made()
    plain = model(**BATCH)
    with HiddenMixup(model, **WHERE) as mixer:
        mixer(BATCH, perm=PERM, lam=LAM, layer=1)
        assert torch.equal(model(**BATCH), plain)
        model(**BATCH).sum().backward()
    assert torch.equal(model(**BATCH), plain)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("replay", [False, True], ids=["kept-graph", "reentrant"])
def test_a_plain_step_after_a_mixed_one_is_not_mixed_when_layers_run_again(replay, symmetric):
    grads = []
    for before in (0, 1):
        model = made(replay=replay)
        with HiddenMixup(model, **WHERE, symmetric=symmetric) as mixer:
            for _ in range(before):
                mixer(BATCH, lam=0.3, layer=1).square().sum().backward()
                model.zero_grad()
            model(**BATCH).square().sum().backward()
            grads.append([one.grad.clone() for one in model.parameters()])
            if before:  # and a mixed one after it is
                model.zero_grad()
                mixer(BATCH, lam=0.3, layer=1).square().sum().backward()
                assert any(
                    not torch.allclose(one.grad, old)
                    for one, old in zip(model.parameters(), grads[0], strict=True)
                )
    for alone, after in zip(*grads, strict=True):
        assert torch.equal(alone, after)


@pytest.mark.parametrize("replay", [False, True], ids=["kept-graph", "reentrant"])
def test_a_backward_pass_that_could_be_of_either_call_is_an_error(replay):
    model = made(replay=replay)
    with HiddenMixup(model, **WHERE) as mixer:
        mixed = mixer(BATCH, perm=PERM, lam=LAM, layer=1).sum()
        with torch.no_grad():
            model(**BATCH)  # without a backward pass of its own it does not matter
        mixed.backward()
        mixed, plain = mixer(BATCH, perm=PERM, lam=LAM, layer=1).sum(), model(**BATCH).sum()
        with pytest.raises(RuntimeError, match="Call backward on the mixed loss before"):
            (mixed + plain).backward()
        with torch.no_grad():
            mixer(BATCH, perm=PERM, lam=LAM, layer=1)
        model(**BATCH).sum().backward()  # what ran without gradients has no backward pass


def test_an_error_inside_leaves_nothing_behind():
    model = made()
    plain = model(**BATCH)
    before = {key: value.clone() for key, value in model.state_dict().items()}

    def stumble(module, args):
        raise KeyError("stumbled")

    def train(handles):
        with HiddenMixup(model, **WHERE) as mixer:
            handles.append(model.encoder.blocks[2].register_forward_pre_hook(stumble))
            with pytest.raises(KeyError):
                mixer(BATCH, perm=PERM, lam=LAM, layer=1)
            handles[0].remove()
            again = mixer(BATCH, perm=PERM, lam=LAM, layer=1)
            torch.testing.assert_close(again, by_hand(model, 1))
            handles.append(model.encoder.blocks[2].register_forward_pre_hook(stumble))
            mixer(BATCH, perm=PERM, lam=LAM, layer=1)

    handles: list = []
    with pytest.raises(KeyError, match="stumbled"):
        train(handles)
    handles[1].remove()
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert torch.equal(model(**BATCH), plain)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with HiddenMixup(model, **WHERE):
        pass


def test_a_weight_of_1_is_the_plain_model_to_the_bit_with_dropout_too():
    model = nn.Sequential(
        nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)) for _ in range(3)))
    ).train()
    x = torch.randn(4, 4)
    with HiddenMixup(model, layers="0") as mixer:
        for k in range(3):
            torch.manual_seed(5)
            plain = model(x)
            torch.manual_seed(5)
            assert torch.equal(mixer(x, perm=PERM, lam=1.0, layer=k), plain)
            torch.manual_seed(5)
            assert not torch.equal(mixer(x, perm=PERM, lam=0.5, layer=k), plain)


def test_weights_of_any_type():
    model, quarters = made(), [0.75, 0.25, 1.25, 0.5]
    kinds = [torch.tensor(quarters, dtype=d) for d in (torch.float16, torch.float64)]
    kinds += [quarters, tuple(quarters), torch.tensor(quarters).numpy()]
    with HiddenMixup(model, **WHERE) as mixer:
        expected = by_hand(model, 1, lam=torch.tensor(quarters))
        for lam in kinds:
            got = mixer(BATCH, perm=PERM, lam=lam, layer=1)
            assert got.dtype == torch.float32
            torch.testing.assert_close(got, expected)
        one = mixer(BATCH, perm=PERM, lam=torch.tensor([1, 0, 1, 1]), layer=1)
        torch.testing.assert_close(one, by_hand(model, 1, lam=torch.tensor([1.0, 0, 1, 1])))


def test_weights_of_pairs_go_with_halves_only():
    model, swap = made(), torch.tensor([2, 3, 0, 1])
    with HiddenMixup(model, **WHERE) as mixer:
        both = [mixer(BATCH, perm=perm, lam=[0.8, 0.3], layer=1) for perm in (None, swap)]
        assert torch.equal(*both)
        with pytest.raises(ValueError, match="perm does not swap the halves"):
            mixer(BATCH, perm=PERM, lam=[0.8, 0.3], layer=1)


def test_data_parallel_is_refused_as_a_wrapper_too():
    model = made()
    with HiddenMixup(model, **WHERE) as mixer, pytest.raises(ValueError, match="torchrun"):
        mixer(BATCH, perm=PERM, lam=0.5, layer=1, through=nn.DataParallel(model))


@pytest.mark.parametrize("k", range(2))
def test_torchs_own_encoder_with_a_key_padding_mask(k):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, batch_first=True, dropout=0.0)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train()
    x, ignored = torch.randn(4, 4, WIDTH), TOKENS == 0
    h, mask = x, ignored
    for i, one in enumerate(model.layers):
        if i == k:
            h = LAM[:, None, None] * h + (1 - LAM[:, None, None]) * h[PERM]
            mask = ignored & ignored[PERM]
        h = one(h, src_key_padding_mask=mask)
    with HiddenMixup(model) as mixer:
        got = mixer(x, perm=PERM, lam=LAM, layer=k, src_key_padding_mask=ignored)
    keep = ~(ignored & ignored[PERM])
    torch.testing.assert_close(got[keep], h[keep], atol=1e-5, rtol=1e-5)


def test_tokens_first_is_refused_even_where_sizes_agree():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, 2, 8), 2)
    with pytest.raises(ValueError, match="batch_first=True"):
        HiddenMixup(model)


def test_a_convolutional_net_in_a_sequential():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)), nn.Flatten()
    )
    x = torch.randn(4, 1, 6, 6)
    h = model[0][1](model[0][0](x))
    h = LAM.view(-1, 1, 1, 1) * h + (1 - LAM.view(-1, 1, 1, 1)) * h[PERM]
    with HiddenMixup(model, layers="0") as mixer:
        torch.testing.assert_close(mixer(x, perm=PERM, lam=LAM, layer=2), model[1](model[0][2](h)))


def test_autocast_mixes_in_the_type_of_the_states():
    model = made()
    with torch.autocast("cpu", dtype=torch.bfloat16), HiddenMixup(model, **WHERE) as mixer:
        out = mixer(BATCH, perm=PERM, lam=LAM, layer=2)
        out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), by_hand(model, 2), atol=0.1, rtol=0.1)
    assert all(torch.isfinite(one.grad).all() for one in model.parameters())


def test_compiled_layers_inside_the_hooks_work_and_compiled_models_are_refused():
    model = made()
    expected = by_hand(model, 1)
    for compiled in (torch.compile(model, backend="eager"), made(seed=1)):
        if compiled is not model and not hasattr(compiled, "_orig_mod"):
            compiled.encoder.blocks[1].compile(backend="eager")
        with pytest.raises(ValueError, match=r"ignores hooks.*layer\.forward = torch\.compile"):
            HiddenMixup(compiled, layers=list(compiled.encoder.blocks), encoder="encoder")
    for block in model.encoder.blocks:
        block.forward = torch.compile(block.forward, backend="eager")
    with HiddenMixup(model, **WHERE) as mixer:
        for _ in range(2):  # the second call finds the layers compiled
            torch.testing.assert_close(mixer(BATCH, perm=PERM, lam=LAM, layer=1), expected)


def test_one_context_and_one_call_at_a_time():
    model = made()
    with HiddenMixup(model, **WHERE) as mixer:
        with pytest.raises(RuntimeError, match="already open"), HiddenMixup(model, **WHERE):
            pass
        with pytest.raises(RuntimeError, match="already open"):
            mixer.__enter__()
        inside = []

        def again(module, args):
            try:
                mixer(BATCH, perm=PERM, lam=0.5, layer=1)
            except RuntimeError as error:
                inside.append(str(error))

        handle = model.encoder.embed.register_forward_pre_hook(again)
        mixer(BATCH, perm=PERM, lam=0.5, layer=1)
        handle.remove()
        assert len(inside) == 1
        assert "in the middle of another call" in inside[0]
    with pytest.raises(RuntimeError, match="inside its context only"):
        mixer(BATCH, perm=PERM, lam=0.5, layer=1)
    with HiddenMixup(model, **WHERE):  # free again, also after errors
        pass


def test_threads_with_a_model_each_do_not_meet():
    results = {}

    def work(seed):
        model = made(seed=seed)
        with HiddenMixup(model, **WHERE) as mixer:
            results[seed] = (mixer(BATCH, perm=PERM, lam=LAM, layer=1), by_hand(model, 1))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for got, expected in results.values():
        torch.testing.assert_close(got, expected)


BAD = {
    "layer too high": ({"layer": 4}, ValueError, "from 0 .the input. to 3"),
    "layer negative": ({"layer": -1}, ValueError, "at least 0"),
    "layer no number": ({"layer": 1.5}, TypeError, "whole number"),
    "layer misspelt": ({"layer": "sentance"}, ValueError, "Did you mean 'sentence'"),
    "perm short": ({"perm": [1, 0]}, ValueError, "each of the 4 rows"),
    "perm float": ({"perm": [1.0, 0.0, 2.0, 3.0]}, TypeError, "row numbers"),
    "perm out of range": ({"perm": [0, 1, 2, 4]}, ValueError, "from 0 to 3"),
    "lam short": ({"lam": [0.5]}, ValueError, "each of the 4 rows"),
    "lam nan": ({"lam": [0.5, float("nan"), 0.1, 0.1]}, ValueError, "finite"),
    "lam infinite": ({"lam": float("inf")}, ValueError, "finite"),
    "lam text": ({"lam": "much"}, TypeError, "lam must be a number"),
    "labels": ({"labels": torch.zeros(4)}, ValueError, "soft_cross_entropy"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_calls(case):
    change, kind, words = BAD[case]
    model = made()
    with HiddenMixup(model, **WHERE) as mixer, pytest.raises(kind, match=words):
        mixer(BATCH, **{"perm": PERM, "lam": 0.5, "layer": 1, **change})


def test_a_sentence_needs_a_head():
    with HiddenMixup(made().encoder) as mixer, pytest.raises(ValueError, match="head="):
        mixer(BATCH, perm=PERM, lam=0.5, layer=3)


def test_pooling_that_cannot_see_the_union_is_warned_of_once():
    model = made()
    with HiddenMixup(model, layers="encoder.blocks") as mixer:
        with pytest.warns(UserWarning, match="encoder="):
            mixer(BATCH, perm=PERM, lam=0.5, layer=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mixer(BATCH, perm=PERM, lam=0.5, layer=1)
            full = {**BATCH, "attention_mask": torch.ones(4, 4, dtype=torch.bool)}
    with HiddenMixup(model, layers="encoder.blocks") as mixer, warnings.catch_warnings():
        warnings.simplefilter("error")
        mixer(full, perm=PERM, lam=0.5, layer=1)


def test_odd_batches():
    model, batch = made(), {key: value[:3] for key, value in BATCH.items()}
    with HiddenMixup(model, **WHERE) as mixer:
        with pytest.raises(ValueError, match="3 rows, which is odd"):
            mixer(batch, lam=0.5, layer=1)
        assert len(mixer(batch, perm=[1, 2, 0], lam=0.5, layer=1)) == 3
    with (
        HiddenMixup(model, **WHERE, symmetric=False) as mixer,
        pytest.raises(ValueError, match="odd"),
    ):
        mixer(batch, perm=[1, 2, 0], lam=0.5, layer=1)


def test_layers_that_cannot_be_found():
    with pytest.raises(ValueError, match=r"no list of layers found in Linear.*layers="):
        HiddenMixup(nn.Linear(2, 2))
    two = nn.ModuleDict({"a": Encoder(), "b": Encoder()})
    with pytest.raises(ValueError, match=r"more than one list of layers.*'a\.blocks' \(3\)"):
        HiddenMixup(two)
    with pytest.raises(ValueError, match=r"Did you mean 'encoder\.blocks'"):
        HiddenMixup(made(), layers="encoder.block")
    with pytest.raises(ValueError, match="expected a ModuleList"):
        HiddenMixup(made(), layers="encoder.embed")
    with pytest.raises(TypeError, match=r"or the modules, got 3\. Which layer"):
        HiddenMixup(made(), layers=3)
    with pytest.raises(ValueError, match="not a part of the model"):
        HiddenMixup(made(), layers=[nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="head='hed' is not a part"):
        HiddenMixup(made(), **WHERE, head="hed")
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        HiddenMixup("bert-base-uncased")
    with pytest.raises(ValueError, match="DistributedDataParallel"):
        HiddenMixup(nn.DataParallel(made()))


def test_a_layer_that_is_not_reached_is_an_error():
    class Short(Encoder):
        def forward(self, tokens, attention_mask=None):
            return self.blocks[0](self.embed(tokens), attention_mask)

    with HiddenMixup(Short()) as mixer, pytest.raises(RuntimeError, match="never reached layer 2"):
        mixer(BATCH, perm=PERM, lam=0.5, layer=2)


def test_tokens_in_one_line_are_refused():
    class Unpadded(Encoder):
        def forward(self, tokens, attention_mask=None):
            x = self.embed(tokens)[attention_mask][None]
            for block in self.blocks:
                x = block(x)
            return x

    with (
        HiddenMixup(Unpadded()) as mixer,
        pytest.raises(ValueError, match=r"without padding.*attn_implementation='sdpa'"),
    ):
        mixer(BATCH, perm=PERM, lam=0.5, layer=1)


def test_a_mask_that_is_changed_before_the_encoder_is_refused():
    class Changed(Pooled):
        def forward(self, tokens, attention_mask=None):
            return self.head(self.encoder(tokens, attention_mask[..., :].clone()).mean(1))

    model = made(Changed)
    with HiddenMixup(model, **WHERE) as mixer, pytest.raises(ValueError, match="encoder="):
        mixer(BATCH, perm=PERM, lam=0.5, layer=1)


def test_a_module_used_twice_counts_twice():
    class Twice(Encoder):
        def __init__(self):
            super().__init__()
            one, two = Block(), Block()
            self.blocks = nn.ModuleList([one, two, one])

    model = made(Twice)
    h = model.embed(TOKENS)
    h = model.blocks[1](model.blocks[0](h))
    h = model.blocks[2](LAM[:, None, None] * h + (1 - LAM[:, None, None]) * h[PERM])
    with HiddenMixup(model) as mixer:
        assert mixer.n_layers == 3
        torch.testing.assert_close(mixer(TOKENS, perm=PERM, lam=LAM, layer=2), h)


@pytest.mark.parametrize("k", range(LAYERS + 1))
@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_that_stay_unmixed_are_what_they_are_without_mixing(k, symmetric):
    model, plain = made(), made()(**BATCH)
    with HiddenMixup(model, **WHERE, head="head", symmetric=symmetric) as mixer:
        got = mixer(BATCH, lam=torch.tensor([1.0, 0.4]), layer=k)
        of_partner = mixer(BATCH, lam=0.0, layer=k)
    torch.testing.assert_close(got[0], plain[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(of_partner[0], plain[2], rtol=0, atol=1e-6)
    assert not torch.allclose(got[1], plain[1])


class Shared(nn.Module):
    """Hands one mask on to its layers."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))

    def forward(self, x, mask):
        for block in self.blocks:
            x = block(x, attention_mask=mask)
        return x


@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(4, 4).tril().bool(),
        nn.Transformer.generate_square_subsequent_mask(4),
        torch.ones(4, 4).tril(1).triu(-1),
    ],
    ids=["causal", "additive", "band"],
)
def test_a_mask_of_tokens_by_tokens_is_not_taken_for_one_of_rows(mask):
    x = torch.randn(4, 4, WIDTH)
    with HiddenMixup(Shared()) as mixer, pytest.raises(ValueError, match="tokens by tokens"):
        mixer((x, mask), lam=0.5, layer=1)


@pytest.mark.parametrize("lengths", [[4, 4, 4, 4], [3, 4, 4, 4], [4, 3, 2, 1], [2, 4, 1, 1]])
def test_a_mask_of_as_many_rows_as_tokens_is_still_one_of_rows(lengths):
    mask = torch.arange(4) < torch.tensor(lengths)[:, None]
    with HiddenMixup(Shared()) as mixer:
        for one in (mask, mask.flip(1), mask.long()):
            mixer((torch.randn(4, 4, WIDTH), one), lam=0.5, layer=1)


def test_torchs_mask_of_tokens_by_tokens_is_kept_whole():
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x, causal = torch.randn(4, 4, WIDTH), nn.Transformer.generate_square_subsequent_mask(4)
    with HiddenMixup(model, layers="layers", symmetric=False) as mixer:
        got = mixer(x, mask=causal, lam=0.25, layer=0)
    expected = model(torch.lerp(x[2:], x[:2], 0.25), mask=causal)
    torch.testing.assert_close(got, expected)
