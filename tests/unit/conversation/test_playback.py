from simplevoice.conversation.playback import Playback

PIECES = ["One two three four.", "Five six."]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reply(clock: Clock) -> Playback:
    playback = Playback(clock)
    for piece, duration in ((0, 500.0), (0, 500.0), (1, 600.0)):
        playback.add(piece, duration)
    return playback


def test_nothing_is_heard_before_it_is_played() -> None:
    playback = reply(Clock())
    assert not playback.begun
    assert not playback.playing
    assert playback.heard(PIECES) == ""
    assert playback.heard(PIECES, 1000.0) == ""


def test_plays_for_as_long_as_the_sound_lasts() -> None:
    clock = Clock()
    playback = reply(clock)
    playback.begin()
    clock.now = 1.599
    assert playback.playing
    clock.now = 1.601
    assert not playback.playing


def test_whole_pieces_were_heard_and_of_the_last_its_share_of_words() -> None:
    clock = Clock()
    playback = reply(clock)
    playback.begin()
    for seconds, text in ((0.0, ""), (0.5, "One two"), (1.0, "One two three four."), (1.3, "One two three four. Five")):
        clock.now = seconds
        assert playback.heard(PIECES) == text


def test_the_client_knows_better() -> None:
    playback = reply(Clock())
    playback.begin()
    assert playback.heard(PIECES, 250.0) == "One"
    assert playback.heard(PIECES, float("inf")) == "One two three four. Five six."


def test_a_piece_without_sound_was_not_heard() -> None:
    playback = reply(Clock())
    playback.begin()
    assert playback.heard([*PIECES, "Seven."], float("inf")) == "One two three four. Five six."
