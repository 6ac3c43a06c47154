import pytest
from tokenizers import Tokenizer

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.stt.tokens import of_text, prompt, text_of


def test_a_model_of_many_languages_is_told_which_one() -> None:
    assert prompt("ar", timed=True) == ["<|startoftranscript|>", "<|ar|>", "<|transcribe|>"]
    assert prompt(None, timed=False) == ["<|startoftranscript|>", "<|notimestamps|>"]


def test_what_no_one_says_is_left_out() -> None:
    assert of_text(["<|0.00|>", "Ġa", "<", "|>", "<|>", "<|ar|>", "<|endoftext|>"]) == ["Ġa", "<", "|>", "<|>"]


def test_a_letter_may_take_several_tokens_and_may_be_cut_off() -> None:
    assert text_of(["ĠØ", "³", "Ċ"]) == " س\n"
    assert text_of(["ĠØ"]) == " \N{REPLACEMENT CHARACTER}"


@pytest.mark.models
def test_every_token_reads_as_the_tokenizer_of_the_model_reads_it() -> None:
    tokenizer = Tokenizer.from_file(str(ModelStore(ModelsConfig()).path("whisper-base") / "tokenizer.json"))
    numbers = tokenizer.get_vocab()
    names = sorted(numbers, key=numbers.__getitem__)
    end = numbers["<|endoftext|>"]
    assert of_text(names) == names[:end]
    assert [text_of([name]) for name in names[:end]] == tokenizer.decode_batch([[number] for number in range(end)])
    assert set(prompt("ar", timed=False) + prompt("en", timed=False)) <= set(names[end:])
