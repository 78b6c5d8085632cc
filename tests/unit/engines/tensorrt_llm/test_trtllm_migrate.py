"""Old command lines and what replaces them."""

import shlex

import pytest

from utils.engines.tensorrt_llm import AS_OF, RELEASES, migrate_command, run_trtllm_smoke
from utils.engines.tensorrt_llm import migrate as room
from utils.optional import EngineUnavailable

# options of examples/llama/build.py, release 0.6 (NVIDIA/TensorRT-LLM, commit 027cd518)
BUILD_06 = shlex.split("""python build.py --model_dir ./llama/7B --dtype float16 --remove_input_padding
--use_gpt_attention_plugin float16 --enable_context_fmha --use_gemm_plugin float16 --use_inflight_batching --paged_kv_cache
--max_batch_size 64 --max_input_len 2000 --max_output_len 512 --world_size 2 --tp_size 2 --output_dir ./engines
--rotary_base 10000""")


def test_build_py():
    advice = migrate_command(BUILD_06)
    assert advice.command == ["trtllm-serve", "./llama/7B", "--tp_size", "2", "--max_batch_size", "64"]
    assert advice.unknown == ["--rotary_base"] and "engine" in advice.why
    assert set(advice.dropped) == {w for w in BUILD_06 if w.startswith("--")} - {
        "--model_dir", "--tp_size", "--max_batch_size", "--rotary_base"}
    assert advice.as_of == AS_OF and "tensorrt-backend-removal" in advice.source
    assert advice.as_dict()["command"] == advice.command


def test_trtllm_build_loses_its_checkpoint():
    advice = migrate_command(["trtllm-build", "--checkpoint_dir=ckpt", "--gemm_plugin=auto", "--max_seq_len=4096"])
    assert advice.command == ["trtllm-serve", "<hf_model>", "--max_seq_len", "4096"]
    assert list(advice.dropped) == ["--gemm_plugin"] and not advice.unknown


@pytest.mark.parametrize("line", ["convert_checkpoint.py --model_dir m", "python3 examples/llama/convert_checkpoint.py --model_dir m --dtype bfloat16",
                                  "mpirun -n 2 python run.py --tokenizer_dir m"])
def test_other_tools(line):
    assert migrate_command(line.split()).command == ["trtllm-serve", "m"]


@pytest.mark.parametrize("line", ["", "trtllm-serve model", "vllm serve model"])
def test_a_line_without_an_old_tool(line):
    with pytest.raises(ValueError, match="trtllm-build"):
        migrate_command(line.split())


def test_no_flag_is_both_kept_and_dropped():
    assert not set(room._KEPT) & set(room._REASONS) and not set(room._MODEL) & (set(room._KEPT) | set(room._REASONS))


def test_each_release_names_its_source():
    assert RELEASES and all(r.version and r.change and r.source for r in RELEASES)
    assert all("NVIDIA/TensorRT-LLM" in r.source or "release/" in r.source for r in RELEASES)


class _Output:
    def __init__(self):
        self.outputs = [type("Written", (), {"text": " Paris.", "token_ids": [1, 2]})]


class _Llm:
    closed = False
    args = type("Args", (), {"backend": "pytorch"})

    def __init__(self, model):
        self.model = model

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _Llm.closed = True

    def generate(self, prompts, params):
        assert prompts == ["The capital of France is"] and params == 16
        return [_Output()]

    def get_stats(self, timeout):
        return [{"kvCacheStats": {"maxNumBlocks": 7}}]


def test_the_real_library_is_asked_as_documented(monkeypatch):
    import torch

    fake = type("trtllm", (), {"__version__": "1.2.0", "LLM": _Llm, "SamplingParams": staticmethod(lambda max_tokens: max_tokens)})
    monkeypatch.setattr("utils.engines.tensorrt_llm.smoke.require", lambda name, hint: fake if name == "tensorrt_llm" else torch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    told = run_trtllm_smoke("some/model")
    assert told == {"version": "1.2.0", "backend": "pytorch", "text": " Paris.", "tokens": 2, "kv": {"maxNumBlocks": 7}}
    assert _Llm.closed
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="is not available"):
        run_trtllm_smoke("some/model")


def test_without_the_library():
    try:
        import tensorrt_llm  # noqa: F401
    except (ImportError, OSError):
        with pytest.raises(EngineUnavailable, match="tensorrt_llm is not available"):
            run_trtllm_smoke("some/model")
