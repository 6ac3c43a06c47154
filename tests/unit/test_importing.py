from concurrent.futures import ThreadPoolExecutor

from simplevoice.importing import ONE_AT_A_TIME
from simplevoice.server.start import _import_server
from simplevoice.service import _import_ears
from simplevoice.tts.edge import _import_requests


def test_who_imports_waits_for_who_does() -> None:
    bringing = (_import_ears, _import_requests, _import_server)
    with ThreadPoolExecutor(len(bringing)) as pool:
        with ONE_AT_A_TIME:
            brought = [pool.submit(bring) for bring in bringing]
            assert not any(one.done() for one in brought)
        assert all(one.result(10) for one in brought)
