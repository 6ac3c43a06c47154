"""What people read, in Arabic and English, by key. Never an exception's text, never a path."""

from typing import Any

from simplevoice.errors import ErrorCode
from simplevoice.types import Language

_TEXTS: dict[str, dict[Language, str]] = {
    "connection_established": {
        "en": "Connected. Speak, and you will be answered.",
        "ar": "تم الاتصال. تحدث وسنجيبك.",
    },
    "processing_started": {"en": "Working on your message.", "ar": "نعمل على رسالتك."},
    "turn_processing_started": {"en": "Working on what you said.", "ar": "نعمل على ما قلته."},
    "speech_start": {"en": "Listening.", "ar": "نستمع إليك."},
    "speech_end": {"en": "You stopped speaking.", "ar": "انتهى كلامك."},
    "guidance.no_speech": {
        "en": "I heard no speech. Please speak closer to the microphone and try again.",
        "ar": "لم أسمع كلاما. اقترب من الميكروفون وحاول مرة أخرى من فضلك.",
    },
    "guidance.unclear": {
        "en": "I could not make out what you said. Please say it again, a little more slowly.",
        "ar": "لم أفهم ما قلته بوضوح. أعده ببطء من فضلك.",
    },
    ErrorCode.INVALID_PARAMETER: {
        "en": "The parameter {parameter} is not valid. Allowed: {allowed}.",
        "ar": "قيمة {parameter} غير صالحة. المسموح: {allowed}.",
    },
    ErrorCode.MISSING_CONNECTION_ID: {
        "en": "The parameter connection_id is missing. Allowed: {allowed}.",
        "ar": "قيمة connection_id مفقودة. المسموح: {allowed}.",
    },
    ErrorCode.CONNECTION_ID_IN_USE: {
        "en": "This connection_id is in use by another session.",
        "ar": "معرف الاتصال هذا مستخدم في جلسة أخرى.",
    },
    ErrorCode.INVALID_JSON: {"en": "The message is not valid JSON.", "ar": "الرسالة ليست بصيغة JSON صالحة."},
    ErrorCode.INVALID_MESSAGE: {
        "en": "The field {field} is missing or not valid. Allowed: {allowed}.",
        "ar": "الحقل {field} مفقود أو غير صالح. المسموح: {allowed}.",
    },
    ErrorCode.UNKNOWN_MESSAGE_TYPE: {
        "en": "This type of message is not known. Allowed: {allowed}.",
        "ar": "نوع الرسالة غير معروف. المسموح: {allowed}.",
    },
    ErrorCode.UNSUPPORTED_AUDIO_FORMAT: {
        "en": "This audio format is not supported. Allowed: {allowed}.",
        "ar": "صيغة الصوت هذه غير مدعومة. المسموح: {allowed}.",
    },
    ErrorCode.AUDIO_FORMAT_MISMATCH: {
        "en": "The audio is {found}, not {declared} as the message says.",
        "ar": "صيغة الصوت هي {found} وليست {declared} كما تقول الرسالة.",
    },
    ErrorCode.AUDIO_DECODE_FAILED: {"en": "The audio could not be read.", "ar": "تعذرت قراءة الصوت."},
    ErrorCode.AUDIO_TOO_LARGE: {
        "en": "The audio is too large. Allowed: {max_bytes} bytes.",
        "ar": "حجم الصوت كبير جدا. المسموح: {max_bytes} بايت.",
    },
    ErrorCode.AUDIO_TOO_LONG: {
        "en": "The audio is too long. Allowed: {max_seconds} seconds.",
        "ar": "الصوت طويل جدا. المسموح: {max_seconds} ثانية.",
    },
    ErrorCode.EMPTY_AUDIO: {"en": "The audio is empty.", "ar": "الصوت فارغ."},
    ErrorCode.TRANSCRIPTION_FAILED: {
        "en": "Your speech could not be transcribed. Please try again.",
        "ar": "تعذر تحويل كلامك إلى نص. حاول مرة أخرى من فضلك.",
    },
    ErrorCode.REPLY_FAILED: {
        "en": "No reply could be made. Please try again.",
        "ar": "تعذر إعداد الرد. حاول مرة أخرى من فضلك.",
    },
    ErrorCode.SPEECH_FAILED: {
        "en": "The reply could not be spoken. Please try again.",
        "ar": "تعذر نطق الرد. حاول مرة أخرى من فضلك.",
    },
    ErrorCode.TURN_TIMEOUT: {
        "en": "This took too long. Please try again.",
        "ar": "استغرق الأمر وقتا طويلا. حاول مرة أخرى من فضلك.",
    },
    ErrorCode.RATE_LIMITED: {
        "en": "Too much in too short a time. Please slow down.",
        "ar": "هذا كثير في وقت قصير. تمهل من فضلك.",
    },
    ErrorCode.SERVER_BUSY: {
        "en": "Too much is waiting already. Please try again in a moment.",
        "ar": "هناك طلبات كثيرة قيد الانتظار. حاول بعد لحظات من فضلك.",
    },
    ErrorCode.INTERNAL_ERROR: {
        "en": "Something went wrong on the server. Please try again.",
        "ar": "حدث خطأ في الخادم. حاول مرة أخرى من فضلك.",
    },
}


def text(key: str, language: Language, values: dict[str, Any] | None = None) -> str:
    """Give the text of a key, such as ``guidance.unclear`` or an ErrorCode, with its values filled in."""
    return _TEXTS[key][language].format_map(_Blank({name: _words(value) for name, value in (values or {}).items()}))


def _words(value: object) -> str:
    match value:
        case list() | tuple():
            return ", ".join(map(_words, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)


class _Blank(dict[str, Any]):
    """A missing value reads as a dash: an error must still be told when its details are incomplete."""

    def __missing__(self, key: str) -> str:
        return "-"
