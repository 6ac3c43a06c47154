"""What the language model is told: who it is, what was said before, and what was said now."""

from collections.abc import Sequence
from itertools import chain

from simplevoice.history import Exchange
from simplevoice.llm import ChatMessage
from simplevoice.types import Language

PERSONA: dict[Language, str] = {
    "en": "You are a helpful voice assistant.",
    "ar": "أنت مساعد صوتي نافع.",
}
FOR_THE_EAR: dict[Language, str] = {
    "en": "Your answer is spoken aloud: reply in English, in one or two short sentences of plain words, "
    "without lists, markdown, links or emoji.",
    "ar": "يُنطق جوابك بصوت مسموع: أجب بالعربية بجملة أو جملتين قصيرتين وبكلام واضح، دون قوائم أو رموز أو روابط.",
}

EXAMPLES = (
    ChatMessage("user", "What color is the sea?"),
    ChatMessage("assistant", "The sea looks blue, because water takes the red out of the light."),
    ChatMessage("user", "I feel a little tired."),
    ChatMessage("assistant", "I am sorry to hear that. A short rest and a glass of water may help."),
    ChatMessage("user", "How do I boil an egg?"),
    ChatMessage("assistant", "Put it into boiling water for about eight minutes, then cool it down."),
)
"""Shows how to answer a model that is too small to be told; in English, the language of the only such one."""

BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 5


def estimate_tokens(text: str) -> int:
    """Estimate, rather too high, how many tokens a message of this text has.

    One token for three bytes of UTF-8: 3 English letters or 1.5 Arabic ones, where the tokenizers of multilingual
    models take about 4 and 2. A chat template wraps each message in about five more.
    """
    return len(text.encode()) // BYTES_PER_TOKEN + TOKENS_PER_MESSAGE


def system_prompt(language: Language, instructions: str | None = None) -> str:
    """Say who the model is, or what ``instructions`` make of it, and that its words are for the ear."""
    return f"{instructions or PERSONA[language]}\n{FOR_THE_EAR[language]}"


def build_messages(
    language: Language,
    exchanges: Sequence[Exchange],
    text: str,
    *,
    instructions: str | None = None,
    max_history_tokens: int,
) -> list[ChatMessage]:
    """Put together the system prompt, the latest exchanges that fit into so many tokens, and what was said now.

    What was said now counts too, and always stands. What was said before and not answered belongs to what the user
    said next, if that went on with it, and else is left out.
    """
    answered, unanswered = _joined(exchanges)
    while unanswered and estimate_tokens(" ".join([*unanswered, text])) > max_history_tokens:
        unanswered.pop(0)
    text = " ".join([*unanswered, text])
    budget = max_history_tokens - estimate_tokens(text)
    remembered: list[tuple[ChatMessage, ChatMessage]] = []
    for user, assistant in reversed(answered):
        budget -= estimate_tokens(user) + estimate_tokens(assistant)
        if budget < 0:
            break
        remembered.append((ChatMessage("user", user), ChatMessage("assistant", assistant)))
    return [
        ChatMessage("system", system_prompt(language, instructions)),
        *chain.from_iterable(reversed(remembered)),
        ChatMessage("user", text),
    ]


def _joined(exchanges: Sequence[Exchange]) -> tuple[list[tuple[str, str]], list[str]]:
    """Put together what was said in parts and answered once, and give what is still to be answered."""
    answered: list[tuple[str, str]] = []
    parts: list[str] = []
    for exchange in exchanges:
        parts.append(exchange.user)
        if exchange.assistant:
            answered.append((" ".join(parts), exchange.assistant))
        if exchange.assistant or not exchange.goes_on:
            parts = []
    return answered, parts
